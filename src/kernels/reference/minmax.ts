import {
  addCodes,
  codeBytes,
  conditioner,
  FRACTION_BITS,
  placeOf,
  roundStochastically,
  roundToNearest,
  SHRINK,
  storeCodes,
} from "./codes.js";
import { floats } from "./vector.js";

/**
 * Min–max levels refitted by least squares. A range of `length` numbers is cut into blocks of `block`; the
 * payload is a header per block, its float32 offset and step, then the blocks' codes (`codes.ts`), each
 * block's from a byte of its own. Code k stands for offset + step · k.
 *
 * The codes are those of L = 2^bits − 1 equal steps from the least to the largest number of the block. The
 * offset and step are then fitted to the codes: with t the place of a number on that ladder, a whole number of
 * 2⁻¹⁵, and e = t − k its rounding error, the least-squares line is the ladder corrected by the regression of
 * e on k. The four sums it takes, of k, k², e and e · k, are sums of whole numbers, hence exact in any order.
 */
export interface MinmaxKernels {
  /**
   * Writes the headers and the codes of `v` and leaves the error in `v`.
   *
   * @param stochastic 1: round up with the probability of the fraction; 0: round to the nearest
   * @param index draw that belongs to the first number; the key is (low, high)
   */
  minmaxSqueeze(
    v: number,
    length: number,
    block: number,
    bits: number,
    stochastic: number,
    index: number,
    low: number,
    high: number,
    headers: number,
    codes: number,
  ): void;
  /** out += factor · C(v), from headers and codes. */
  minmaxAddTo(
    out: number,
    length: number,
    block: number,
    bits: number,
    headers: number,
    codes: number,
    factor: number,
  ): void;
  /** 1 when every level of every block is finite, else 0. */
  minmaxFinite(headers: number, blocks: number, bits: number): number;
}

/** Room for rounding below the largest float32. */
const LARGEST = 3.4e38;

function sum(terms: readonly number[]): number {
  return terms.reduce((x, y) => x + y, 0);
}

interface FittedLevels {
  readonly codes: number[];
  readonly offset: number;
  readonly step: number;
}

function fitLevels(
  a: Float32Array,
  bits: number,
  stochastic: number,
  low: number,
  high: number,
  index: number,
): FittedLevels {
  const { fround } = Math;
  // Adding 0 makes −0 into 0.
  const least = a.reduce((x, y) => Math.min(x, y)) + 0;
  const range = a.reduce((x, y) => Math.max(x, y)) - least;
  if (!(range > 0)) return { codes: new Array(a.length).fill(0), offset: least, step: 0 };

  const levels = 2 ** bits - 1;
  const condition = conditioner(range);
  const base = fround(least * condition);
  const unit = range * (1 / (levels * SHRINK));
  const inverse = fround(2 ** FRACTION_BITS / (unit * condition));
  const places = Array.from(a, (x) => placeOf(fround(fround(fround(x * condition) - base) * inverse)));
  const codes = places.map((place, k) =>
    stochastic ? roundStochastically(place, low, high, index, k) : roundToNearest(place),
  );
  const errors = places.map((place, k) => place - codes[k]! * 2 ** FRACTION_BITS);
  const sumK = sum(codes);
  const sumKk = sum(codes.map((k) => k * k));
  const sumE = sum(errors) / 2 ** FRACTION_BITS;
  const sumEk = sum(errors.map((e, k) => e * codes[k]!)) / 2 ** FRACTION_BITS;

  const n = a.length;
  const spread = n * sumKk - sumK * sumK;
  const slope = spread > 0 ? (n * sumEk - sumE * sumK) / spread : 0;
  const shift = (sumE - slope * sumK) * (1 / n);
  let step = unit * (1 + slope);
  let offset = least + unit * shift;
  // Numbers so large that a level would overflow are sent at a quarter: shorter, but still a contraction.
  const reach = step * levels;
  if (Math.abs(offset) > LARGEST || Math.abs(reach) > LARGEST || Math.abs(offset + reach) > LARGEST) {
    step *= 0.25;
    offset *= 0.25;
  }
  return { codes, offset: fround(offset), step: fround(step) };
}

export function minmaxKernels(buffer: ArrayBuffer): MinmaxKernels {
  /** Calls `visit` with every block: its first number, count, and where its header and codes lie. */
  function forEachBlock(
    length: number,
    block: number,
    bits: number,
    headers: number,
    firstCodes: number,
    visit: (start: number, count: number, header: number, codes: number) => void,
  ) {
    let header = headers >>> 0;
    let codes = firstCodes >>> 0;
    for (let start = 0; start < length; start += block) {
      const count = Math.min(block, length - start);
      visit(start, count, header, codes);
      header += 8;
      codes += codeBytes(count, bits);
    }
  }
  const view = new DataView(buffer);

  return {
    minmaxSqueeze(v, length, block, bits, stochastic, index, low, high, headers, firstCodes) {
      forEachBlock(length, block, bits, headers, firstCodes, (start, count, header, codes) => {
        const a = floats(buffer, v + 4 * start, count);
        const fitted = fitLevels(a, bits, stochastic, low, high, index + start);
        view.setFloat32(header, fitted.offset, true);
        view.setFloat32(header + 4, fitted.step, true);
        storeCodes(buffer, codes, bits, fitted.codes);
        addCodes(buffer, v + 4 * start, count, codes, bits, { centre: 0, ...fitted }, -1);
      });
    },
    minmaxAddTo(out, length, block, bits, headers, firstCodes, factor) {
      forEachBlock(length, block, bits, headers, firstCodes, (start, count, header, codes) => {
        const offset = view.getFloat32(header, true);
        const step = view.getFloat32(header + 4, true);
        addCodes(buffer, out + 4 * start, count, codes, bits, { centre: 0, offset, step }, factor);
      });
    },
    minmaxFinite(headers, blocks, bits) {
      for (let b = 0; b < blocks; b++) {
        const offset = view.getFloat32((headers >>> 0) + 8 * b, true);
        const reach = Math.fround(view.getFloat32((headers >>> 0) + 8 * b + 4, true) * (2 ** bits - 1));
        if (!Number.isFinite(reach) || !Number.isFinite(Math.fround(offset + reach))) return 0;
      }
      return 1;
    },
  };
}
