// Exponential races. Meaning: ../reference/race.ts.

import { drawBits } from "./random";

const LN2: f64 = 0.6931471805599453;
const LARGEST: f64 = 3.4028234663852886e38;

@inline
function exponentialOf(bits: u32): f64 {
  const whole = bits >> 9;
  let exponent: i32 = whole ? 31 - <i32>clz(whole) : -1;
  // Times 2^−exponent.
  let m = (<f64>whole + 0.5) * reinterpret<f64>(<u64>(1023 - exponent) << 52);
  if (m >= 1.5) {
    m *= 0.5;
    exponent++;
  }
  const s = (m - 1.0) / (m + 1.0);
  const q = s * s;
  const log = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0)))));
  return <f64>(23 - exponent) * LN2 - log;
}

export function raceKeys(v: usize, length: usize, index: u32, low: u32, high: u32, out: usize): void {
  for (let k: usize = 0; k < length; k++, v += 4, out += 4) {
    const size = Math.abs(<f64>load<f32>(v));
    store<f32>(out, <f32>Math.min(LARGEST, size / exponentialOf(drawBits(low, high, index + <u32>k))));
  }
}
