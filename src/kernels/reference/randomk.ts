import { drawBits } from "../../foundation/random.js";
import { floats } from "./vector.js";

/**
 * One random number of every stratum: a range of `length` numbers is cut into `count` strata, the first
 * length mod count of them one longer than the others, and stratum j sends number ⌊draw(index + j) · size / 2³²⌋
 * of its own. The values are float32; the places follow from the key.
 */
export interface RandomkKernels {
  /** Writes the values drawn with key (low, high) and leaves the error in `v`. */
  randomkSqueeze(
    v: number,
    length: number,
    count: number,
    index: number,
    low: number,
    high: number,
    values: number,
  ): void;
  /** out += factor · C(v), from the values. */
  randomkAddTo(
    out: number,
    length: number,
    count: number,
    index: number,
    low: number,
    high: number,
    values: number,
    factor: number,
  ): void;
}

export function randomkKernels(buffer: ArrayBuffer): RandomkKernels {
  function places(length: number, count: number, index: number, low: number, high: number): number[] {
    let start = 0;
    return Array.from({ length: count }, (_, j) => {
      const size = Math.floor(length / count) + (j < length % count ? 1 : 0);
      const draw = BigInt(drawBits(low, high, index + j));
      const place = start + Number((draw * BigInt(size)) >> 32n);
      start += size;
      return place;
    });
  }
  const view = new DataView(buffer);

  return {
    randomkSqueeze(v, length, count, index, low, high, values) {
      const a = floats(buffer, v, length);
      places(length, count, index, low, high).forEach((place, j) => {
        view.setFloat32((values >>> 0) + 4 * j, a[place]!, true);
        a[place] = 0;
      });
    },
    randomkAddTo(out, length, count, index, low, high, values, factor) {
      const o = floats(buffer, out, length);
      const scale = Math.fround(factor);
      places(length, count, index, low, high).forEach((place, j) => {
        o[place]! += Math.fround(scale * view.getFloat32((values >>> 0) + 4 * j, true));
      });
    },
  };
}
