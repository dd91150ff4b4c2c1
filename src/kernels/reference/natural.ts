import { drawBits } from "../../random.js";
import { bytes, floats } from "./vector.js";

/**
 * Natural compression: every number rounded to one of the two powers of two around it, up with the
 * probability that makes it unbiased. The payload is one byte, the base, then one byte a number: the sign in
 * bit 7 and a code c in the others. c = 0 stands for 0, any other for ±2^(base + c − 127), so that 127
 * octaves below the largest number are in reach; what is smaller becomes 0. The base is 0 … 127.
 */
export interface NaturalKernels {
  /**
   * Writes the payload of `v` and leaves the error in `v`.
   *
   * @param index draw that belongs to the first number; the key is (low, high)
   */
  naturalSqueeze(v: number, length: number, index: number, low: number, high: number, payload: number): void;
  /** out += factor · C(v), from the payload. */
  naturalAddTo(out: number, length: number, payload: number, factor: number): void;
}

export function naturalKernels(buffer: ArrayBuffer): NaturalKernels {
  return {
    naturalSqueeze(v, length, index, low, high, payload) {
      const a = floats(buffer, v, length);
      // A float32 is ±2^(field − 127) · (1 + fraction / 2²³): the low 31 bits are field and fraction in one.
      const magnitudes = Array.from(new Uint32Array(a.buffer, a.byteOffset, length), (x) => x & 0x7fffffff);
      const largest = magnitudes.reduce((x, y) => Math.max(x, y), 0);
      // The largest number may be rounded up, but not to infinity.
      const top = Math.min(254, (largest >>> 23) + 1);
      const base = Math.max(0, top - 127);
      const least = 2 ** 23 * (base + 1);
      const packed = bytes(buffer, payload, 1 + length);
      packed[0] = base;
      for (let k = 0; k < length; k++) {
        const negative = a[k]! < 0 || Object.is(a[k], -0);
        let code = 0;
        if (magnitudes[k]! >= least) {
          // Adding 23 random bits to the fraction carries with probability fraction / 2²³.
          const carried = magnitudes[k]! + (drawBits(low, high, index + k) >>> 9);
          code = Math.min(Math.floor(carried / 2 ** 23), 254) - base;
        }
        packed[1 + k] = (negative ? 0x80 : 0) | code;
        const power = code === 0 ? 0 : 2 ** (base + code - 127);
        a[k] = a[k]! - (negative ? -power : power);
      }
    },
    naturalAddTo(out, length, payload, factor) {
      const o = floats(buffer, out, length);
      const packed = bytes(buffer, payload, 1 + length);
      const scale = Math.fround(factor);
      for (let k = 0; k < length; k++) {
        const byte = packed[1 + k]!;
        const power = byte & 0x7f ? 2 ** (packed[0]! + (byte & 0x7f) - 127) : 0;
        o[k]! += Math.fround(scale * (byte & 0x80 ? -power : power));
      }
    },
  };
}
