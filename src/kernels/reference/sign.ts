import { bytes, floats, orderedSum } from "./vector.js";

/**
 * Sign with L1 scale. A range of `length` numbers is cut into blocks of `block`; the payload is one float32
 * scale per block (the mean magnitude), then one bit per number: 1 for v ≥ 0. Each block's bits start on a
 * byte of their own, number k at bit k mod 8 of byte ⌊k / 8⌋.
 */
export interface SignKernels {
  /** Writes the payload of `v` to `payload` and leaves the error in `v`. */
  signSqueeze(v: number, length: number, block: number, payload: number): void;
  /** out += factor · C(v), from the payload. */
  signAddTo(out: number, length: number, block: number, payload: number, factor: number): void;
}

export function signKernels(buffer: ArrayBuffer): SignKernels {
  return {
    signSqueeze(v, length, block, payload) {
      const blocks = Math.ceil(length / block);
      // Payloads are not aligned: scales are written through a DataView.
      const view = new DataView(buffer);
      let bits = payload + 4 * blocks;
      for (let b = 0; b < blocks; b++) {
        const count = Math.min(block, length - b * block);
        const a = floats(buffer, v + 4 * b * block, count);
        const scale = Math.fround(orderedSum(count, (k) => Math.abs(a[k]!)) / count);
        view.setFloat32(payload + 4 * b, scale, true);
        const packed = bytes(buffer, bits, Math.ceil(count / 8)).fill(0);
        for (let k = 0; k < count; k++) {
          const positive = a[k]! >= 0;
          if (positive) packed[k >> 3]! |= 1 << (k & 7);
          a[k] = a[k]! - (positive ? scale : -scale);
        }
        bits += packed.length;
      }
    },
    signAddTo(out, length, block, payload, factor) {
      const blocks = Math.ceil(length / block);
      const view = new DataView(buffer);
      let bits = payload + 4 * blocks;
      for (let b = 0; b < blocks; b++) {
        const count = Math.min(block, length - b * block);
        const o = floats(buffer, out + 4 * b * block, count);
        const term = Math.fround(Math.fround(factor) * view.getFloat32(payload + 4 * b, true));
        const packed = bytes(buffer, bits, Math.ceil(count / 8));
        for (let k = 0; k < count; k++) {
          o[k]! += (packed[k >> 3]! >> (k & 7)) & 1 ? term : -term;
        }
        bits += packed.length;
      }
    },
  };
}
