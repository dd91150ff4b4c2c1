import { bytes, floats, orderedSum } from "./vector.js";

/**
 * One bit and two scales. A range of `length` numbers is cut into blocks of `block`; the payload is two float32 scales
 * per block, the mean magnitude of its positive and of its negative numbers (0 where there are none), and one bit per
 * number: 0 where its sign bit is set. Each block's bits start on a byte of their own, number k at bit k mod 8 of byte
 * ⌊k / 8⌋. The sums are taken in float64.
 */
export interface OnebitKernels {
  /** Writes the scales and the bits of `v` and leaves the error in `v`. */
  onebitSqueeze(v: number, length: number, block: number, scales: number, bits: number): void;
  /** out += factor · C(v), from the payload. */
  onebitAddTo(out: number, length: number, block: number, scales: number, bits: number, factor: number): void;
}

export function onebitKernels(buffer: ArrayBuffer): OnebitKernels {
  const isPositive = (x: number) => x > 0 || Object.is(x, 0);
  return {
    onebitSqueeze(v, length, block, scales, bits) {
      const view = new DataView(buffer);
      for (let start = 0; start < length; start += block, scales += 8) {
        const a = floats(buffer, v + 4 * start, Math.min(block, length - start));
        const packed = bytes(buffer, bits, Math.ceil(a.length / 8)).fill(0);
        const positives = a.reduce((count, x) => count + (isPositive(x) ? 1 : 0), 0);
        const mean = (sum: number, count: number) => (count === 0 ? 0 : Math.fround(sum / count));
        const up = mean(
          orderedSum(a.length, (k) => Math.max(a[k]!, 0)),
          positives,
        );
        const down = mean(
          orderedSum(a.length, (k) => Math.max(-a[k]!, 0)),
          a.length - positives,
        );
        view.setFloat32(scales >>> 0, up, true);
        view.setFloat32((scales >>> 0) + 4, down, true);
        for (let k = 0; k < a.length; k++) {
          const positive = isPositive(a[k]!);
          if (positive) packed[k >> 3]! |= 1 << (k & 7);
          a[k] = a[k]! - (positive ? up : -down);
        }
        bits += packed.length;
      }
    },
    onebitAddTo(out, length, block, scales, bits, factor) {
      const view = new DataView(buffer);
      const scale = Math.fround(factor);
      for (let start = 0; start < length; start += block, scales += 8) {
        const o = floats(buffer, out + 4 * start, Math.min(block, length - start));
        const up = Math.fround(scale * view.getFloat32(scales >>> 0, true));
        const down = -Math.fround(scale * view.getFloat32((scales >>> 0) + 4, true));
        const packed = bytes(buffer, bits, Math.ceil(o.length / 8));
        for (let k = 0; k < o.length; k++) o[k]! += (packed[k >> 3]! >> (k & 7)) & 1 ? up : down;
        bits += packed.length;
      }
    },
  };
}
