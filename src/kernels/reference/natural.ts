import { drawHalf } from "./codes.js";
import { bytes, floats } from "./vector.js";

/**
 * Natural compression: every number rounded to one of the two powers of two around it, up with the
 * probability that makes it unbiased. A range of `length` numbers is cut into blocks of `block`; the payload is one
 * byte a block, its base, then one byte a number: the sign in bit 7 and a code c in the others. c = 0 stands for 0,
 * any other for ±2^(base + c − 127), so that 127 octaves below the block's largest number are in reach; what is
 * smaller becomes 0. The base is 0 … 127.
 */
export interface NaturalKernels {
  /**
   * Writes the bases and the codes of `v` and leaves the error in `v`.
   *
   * @param index draw that belongs to the first number; the key is (low, high)
   */
  naturalSqueeze(
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
  naturalAddTo(
    out: number,
    length: number,
    block: number,
    bases: number,
    codes: number,
    factor: number,
  ): void;
}

export function naturalKernels(buffer: ArrayBuffer): NaturalKernels {
  /** Calls `visit` with every block: its first number, count, and where its base and codes lie. */
  function forEachBlock(
    length: number,
    block: number,
    bases: number,
    firstCodes: number,
    visit: (start: number, count: number, header: Uint8Array, codes: Uint8Array) => void,
  ) {
    const blocks = Math.ceil(length / block);
    for (let b = 0; b < blocks; b++) {
      const count = Math.min(block, length - b * block);
      visit(b * block, count, bytes(buffer, bases + b, 1), bytes(buffer, firstCodes + b * block, count));
    }
  }

  return {
    naturalSqueeze(v, length, block, index, low, high, bases, firstCodes) {
      forEachBlock(length, block, bases, firstCodes, (start, count, header, codes) => {
        const a = floats(buffer, v + 4 * start, count);
        // A float32 is ±2^(field − 127) · (1 + fraction / 2²³): the low 31 bits are field and fraction in one.
        const magnitudes = Array.from(new Uint32Array(a.buffer, a.byteOffset, count), (x) => x & 0x7fffffff);
        const largest = magnitudes.reduce((x, y) => Math.max(x, y), 0);
        // The largest number may be rounded up, but not to infinity.
        const top = Math.min(254, (largest >>> 23) + 1);
        const base = Math.max(0, top - 127);
        header[0] = base;
        for (let k = 0; k < count; k++) {
          const negative = a[k]! < 0 || Object.is(a[k], -0);
          // Adding 16 random bits to the fraction's upper 16 carries with probability fraction / 2²³.
          const carried = magnitudes[k]! + drawHalf(low, high, index + start, k) * 2 ** 7;
          const code = Math.max(0, Math.min(Math.floor(carried / 2 ** 23), 254) - base);
          codes[k] = (negative ? 0x80 : 0) | code;
          const power = code === 0 ? 0 : 2 ** (base + code - 127);
          a[k] = a[k]! - (negative ? -power : power);
        }
      });
    },
    naturalAddTo(out, length, block, bases, firstCodes, factor) {
      const scale = Math.fround(factor);
      forEachBlock(length, block, bases, firstCodes, (start, count, header, codes) => {
        const o = floats(buffer, out + 4 * start, count);
        for (let k = 0; k < count; k++) {
          const byte = codes[k]!;
          const power = byte & 0x7f ? 2 ** (header[0]! + (byte & 0x7f) - 127) : 0;
          o[k]! += Math.fround(scale * (byte & 0x80 ? -power : power));
        }
      });
    },
  };
}
