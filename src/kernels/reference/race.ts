import { drawBits } from "../../foundation/random.js";
import { floats } from "./vector.js";

/** Exponential races: who comes first of numbers that arrive at rates of their own. */
export interface RaceKernels {
  /**
   * out_k = |v_k| / E_k, at most the largest float32, with E_k = −ln u_k drawn exponentially. Of the k largest, the
   * largest is number i with probability |v_i| / ‖v‖₁, the next is drawn alike from the others, and so on. In float64.
   *
   * @param index draw that belongs to the first number; the key is (low, high)
   */
  raceKeys(v: number, length: number, index: number, low: number, high: number, out: number): void;
}

const LARGEST = Math.fround(3.4028234663852886e38);

/** −ln((bits' upper 23 + ½) / 2²³), to some 10⁻⁸ of itself: ln m = 2 artanh((m − 1) / (m + 1)), |m − 1| small. */
function exponentialOf(bits: number): number {
  const numerator = (bits >>> 9) + 0.5;
  // m · 2^exponent with m in [1, 2), then in [3/4, 3/2).
  let exponent = 31 - Math.clz32(numerator);
  if (numerator < 1) exponent = -1;
  let m = numerator / 2 ** exponent;
  if (m >= 1.5) {
    m *= 0.5;
    exponent++;
  }
  const s = (m - 1) / (m + 1);
  const q = s * s;
  const log = 2 * s * (1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9)))));
  return (23 - exponent) * Math.LN2 - log;
}

export function raceKernels(buffer: ArrayBuffer): RaceKernels {
  return {
    raceKeys(v, length, index, low, high, out) {
      const a = floats(buffer, v, length);
      const o = floats(buffer, out, length);
      for (let k = 0; k < length; k++) {
        o[k] = Math.min(LARGEST, Math.abs(a[k]!) / exponentialOf(drawBits(low, high, index + k)));
      }
    },
  };
}
