// One random number of every stratum. Format and meaning: ../reference/randomk.ts.

import { drawBits } from "./random";

/** A draw of 0 … size − 1. */
@inline
function pick(low: u32, high: u32, index: u32, size: usize): usize {
  return <usize>((<u64>drawBits(low, high, index) * <u64>size) >> 32);
}

export function randomkSqueeze(
  v: usize, length: usize, count: usize, index: u32, low: u32, high: u32, values: usize,
): void {
  const short = length / count;
  const longer = length % count;
  let start: usize = 0;
  for (let j: usize = 0; j < count; j++) {
    const size = short + <usize>(j < longer);
    const p = v + ((start + pick(low, high, index + <u32>j, size)) << 2);
    store<f32>(values + (j << 2), load<f32>(p));
    store<f32>(p, 0);
    start += size;
  }
}

export function randomkAddTo(
  out: usize, length: usize, count: usize, index: u32, low: u32, high: u32, values: usize, factor: f32,
): void {
  const short = length / count;
  const longer = length % count;
  let start: usize = 0;
  for (let j: usize = 0; j < count; j++) {
    const size = short + <usize>(j < longer);
    const p = out + ((start + pick(low, high, index + <u32>j, size)) << 2);
    store<f32>(p, load<f32>(p) + factor * load<f32>(values + (j << 2)));
    start += size;
  }
}
