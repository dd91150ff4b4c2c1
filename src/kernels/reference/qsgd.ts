import {
  addCodes,
  codeBytes,
  conditioner,
  FRACTION_BITS,
  loadCodes,
  placeOf,
  roundStochastically,
  SHRINK,
  storeCodes,
} from "./codes.js";
import { floats, SMALLEST_SQUARES, sumInRuns } from "./vector.js";

/**
 * QSGD: v · levels / ‖v‖ of each block, rounded up or down with the probability of the fraction. The payload
 * is a float32 unit per block, and the blocks' codes (`codes.ts`), each block's from a byte of its own.
 * Code c, 0 … 2 · levels, stands for unit · (c − levels).
 */
export interface QsgdKernels {
  /**
   * Writes the units and the codes of `v` and leaves the error in `v`.
   *
   * @param bits 2, 4 or 8, room for 2 · levels + 1 codes
   * @param shrink what a block's norm is multiplied by to give its unit (float64)
   * @param index draw that belongs to the first number; the key is (low, high)
   */
  qsgdSqueeze(
    v: number,
    length: number,
    block: number,
    bits: number,
    levels: number,
    shrink: number,
    index: number,
    low: number,
    high: number,
    units: number,
    codes: number,
  ): void;
  /** out += factor · C(v), from units and codes. */
  qsgdAddTo(
    out: number,
    length: number,
    block: number,
    bits: number,
    levels: number,
    units: number,
    codes: number,
    factor: number,
  ): void;
  /** 1 when every level of every block is finite, else 0. */
  qsgdFinite(units: number, blocks: number, levels: number): number;
  /** 1 when every code is at most 2 · levels, else 0. */
  qsgdCheck(codes: number, length: number, block: number, bits: number, levels: number): number;
}

/** Room for rounding below the largest float32. */
const LARGEST = 3.4e38;

export function qsgdKernels(buffer: ArrayBuffer): QsgdKernels {
  const view = new DataView(buffer);

  /** Calls `visit` with every block: its first number, count, and how many come before it, and where its codes lie. */
  function forEachBlock(
    length: number,
    block: number,
    bits: number,
    firstCodes: number,
    visit: (start: number, count: number, b: number, codes: number) => void,
  ) {
    let codes = firstCodes >>> 0;
    for (let start = 0; start < length; start += block) {
      const count = Math.min(block, length - start);
      visit(start, count, start / block, codes);
      codes += codeBytes(count, bits);
    }
  }

  return {
    qsgdSqueeze(v, length, block, bits, levels, shrink, index, low, high, units, firstCodes) {
      const { fround } = Math;
      forEachBlock(length, block, bits, firstCodes, (start, count, b, codes) => {
        const a = floats(buffer, v + 4 * start, count);
        const norm = Math.sqrt(sumInRuns(count, (k) => a[k]! * a[k]!, SMALLEST_SQUARES));
        const condition = conditioner(norm);
        const inverse = norm > 0 ? fround((levels * (2 ** FRACTION_BITS * SHRINK)) / (norm * condition)) : 0;
        const step = fround(Math.min(norm * shrink, LARGEST / levels));
        view.setFloat32((units >>> 0) + 4 * b, step, true);
        const rounded = Array.from(a, (x, k) => {
          const scaled = fround(fround(x * condition) * inverse);
          return roundStochastically(
            placeOf(scaled + levels * 2 ** FRACTION_BITS),
            low,
            high,
            index + start,
            k,
          );
        });
        storeCodes(buffer, codes, bits, rounded);
        addCodes(buffer, v + 4 * start, count, codes, bits, { centre: levels, offset: 0, step }, -1);
      });
    },
    qsgdAddTo(out, length, block, bits, levels, units, firstCodes, factor) {
      forEachBlock(length, block, bits, firstCodes, (start, count, b, codes) => {
        const step = view.getFloat32((units >>> 0) + 4 * b, true);
        addCodes(buffer, out + 4 * start, count, codes, bits, { centre: levels, offset: 0, step }, factor);
      });
    },
    qsgdFinite(units, blocks, levels) {
      for (let b = 0; b < blocks; b++) {
        if (!Number.isFinite(Math.fround(view.getFloat32((units >>> 0) + 4 * b, true) * levels))) return 0;
      }
      return 1;
    },
    qsgdCheck(firstCodes, length, block, bits, levels) {
      let wellFormed = 1;
      forEachBlock(length, block, bits, firstCodes, (_start, count, _b, codes) => {
        if (loadCodes(buffer, codes, bits, count).some((code) => code > 2 * levels)) wellFormed = 0;
      });
      return wellFormed;
    },
  };
}
