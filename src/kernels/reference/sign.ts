import { bytes, floats, sumOfMagnitudes } from "./vector.js";

/**
 * Sign with L1 scale. A range of `length` numbers is cut into blocks of `block`; the payload is one float32
 * scale per block (the mean magnitude), and one bit per number: 0 where its sign bit is set. Each block's bits start
 * on a byte of their own, number k at bit k mod 8 of byte ⌊k / 8⌋.
 */
export interface SignKernels {
  /** Writes the scales and the bits of `v` and leaves the error in `v`. */
  signSqueeze(v: number, length: number, block: number, scales: number, bits: number): void;
  /** Writes the bits of one block, whose scale is known, and leaves the error in `v`. */
  signBits(v: number, length: number, scale: number, bits: number): void;
  /** out += factor · C(v), from the payload. */
  signAddTo(out: number, length: number, block: number, scales: number, bits: number, factor: number): void;
}

export function signKernels(buffer: ArrayBuffer): SignKernels {
  /** Writes the bits of one block and gives how many bytes they take. */
  function signBlock(a: Float32Array, scale: number, bits: number): number {
    const packed = bytes(buffer, bits, Math.ceil(a.length / 8)).fill(0);
    for (let k = 0; k < a.length; k++) {
      const positive = a[k]! > 0 || Object.is(a[k], 0);
      if (positive) packed[k >> 3]! |= 1 << (k & 7);
      a[k] = a[k]! - (positive ? scale : -scale);
    }
    return packed.length;
  }

  return {
    signSqueeze(v, length, block, scales, bits) {
      const blocks = Math.ceil(length / block);
      // Payloads are not aligned: scales are written through a DataView.
      const view = new DataView(buffer);
      for (let b = 0; b < blocks; b++) {
        const count = Math.min(block, length - b * block);
        const a = floats(buffer, v + 4 * b * block, count);
        const scale = Math.fround(sumOfMagnitudes(a) / count);
        view.setFloat32((scales >>> 0) + 4 * b, scale, true);
        bits += signBlock(a, scale, bits);
      }
    },
    signBits(v, length, scale, bits) {
      signBlock(floats(buffer, v, length), Math.fround(scale), bits);
    },
    signAddTo(out, length, block, scales, bits, factor) {
      const blocks = Math.ceil(length / block);
      const view = new DataView(buffer);
      for (let b = 0; b < blocks; b++) {
        const count = Math.min(block, length - b * block);
        const o = floats(buffer, out + 4 * b * block, count);
        const term = Math.fround(Math.fround(factor) * view.getFloat32((scales >>> 0) + 4 * b, true));
        const packed = bytes(buffer, bits, Math.ceil(count / 8));
        for (let k = 0; k < count; k++) {
          o[k]! += (packed[k >> 3]! >> (k & 7)) & 1 ? term : -term;
        }
        bits += packed.length;
      }
    },
  };
}
