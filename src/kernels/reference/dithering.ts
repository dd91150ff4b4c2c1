import { drawHalf, loadCodes, storeCodes } from "./codes.js";
import { bytes, floats } from "./vector.js";

/**
 * Natural dithering with seven levels: every number goes to one of the two levels around it, 0 or ±2^(base + c − 127) with
 * c = 1 … 7, up with the probability that makes it unbiased. A range of `length` numbers is cut into blocks of `block`;
 * the payload is one byte a block, its base, then codes of four bits (`codes.ts`), each block's from a byte of its own:
 * c in the low three, the sign in the highest. The base is 0 … 247, so that c = 7 is the power of two above the largest
 * number, or 2¹²⁷.
 */
export interface DitheringKernels {
  /**
   * Writes the bases and the codes of `v` and leaves the error in `v`.
   *
   * @param index draw that belongs to the first number; the key is (low, high)
   */
  ditheringSqueeze(
    v: number,
    length: number,
    block: number,
    index: number,
    low: number,
    high: number,
    bases: number,
    codes: number,
  ): void;
  /** out += factor · C(v), from bases and codes. */
  ditheringAddTo(
    out: number,
    length: number,
    block: number,
    bases: number,
    codes: number,
    factor: number,
  ): void;
}

const BITS = 4;
const LEVELS = 7;

const levelOf = (base: number, code: number): number => {
  const level = code & LEVELS ? 2 ** (base + (code & LEVELS) - 127) : 0;
  return code & 8 ? -level : level;
};

export function ditheringKernels(buffer: ArrayBuffer): DitheringKernels {
  return {
    ditheringSqueeze(v, length, block, index, low, high, bases, firstCodes) {
      let to = firstCodes;
      for (let start = 0, b = 0; start < length; start += block, b++) {
        const count = Math.min(block, length - start);
        const a = floats(buffer, v + 4 * start, count);
        const magnitudes = Array.from(new Uint32Array(a.buffer, a.byteOffset, count), (x) => x & 0x7fffffff);
        const largest = magnitudes.reduce((x, y) => Math.max(x, y), 0);
        const base = Math.max(0, Math.min(254, (largest >>> 23) + 1) - LEVELS);
        bytes(buffer, bases + b, 1)[0] = base;
        const least = 2 ** (base + 1 - 127);
        const codes = magnitudes.map((magnitude, k) => {
          const negative = a[k]! < 0 || Object.is(a[k], -0);
          const half = drawHalf(low, high, index + start, k);
          const code =
            magnitude >>> 23 > base
              ? Math.min(Math.floor((magnitude + half * 2 ** 7) / 2 ** 23), 254) - base
              : Number(Math.floor((Math.abs(a[k]!) / least) * 2 ** 16) > half);
          return (negative ? 8 : 0) | code;
        });
        storeCodes(buffer, to, BITS, codes);
        codes.forEach((code, k) => {
          a[k] = a[k]! - levelOf(base, code);
        });
        to += Math.ceil(count / 2);
      }
    },
    ditheringAddTo(out, length, block, bases, firstCodes, factor) {
      const scale = Math.fround(factor);
      let from = firstCodes;
      for (let start = 0, b = 0; start < length; start += block, b++) {
        const count = Math.min(block, length - start);
        const o = floats(buffer, out + 4 * start, count);
        const base = bytes(buffer, bases + b, 1)[0]!;
        loadCodes(buffer, from, BITS, count).forEach((code, k) => {
          o[k]! += Math.fround(scale * levelOf(base, code));
        });
        from += Math.ceil(count / 2);
      }
    },
  };
}
