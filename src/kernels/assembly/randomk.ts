// One random number of every stratum. Format and meaning: ../reference/randomk.ts.

import { drawBits } from "./random";
import { addAtPlaces } from "./sparse";

/** Places that are drawn before their numbers are touched, so that many of those are on their way at a time. */
const BATCH: usize = 1024;

/** Writes the addresses of the numbers of strata first … last − 1, and gives where stratum `last` starts. */
@inline
function drawPlaces(
  v: usize, start: usize, first: usize, last: usize, short: usize, longer: usize, index: u32, low: u32, high: u32,
  places: usize,
): usize {
  for (let j = first; j < last; j++, places += 4) {
    const size = short + <usize>(j < longer);
    const place = <usize>((<u64>drawBits(low, high, index + <u32>j) * <u64>size) >> 32);
    store<u32>(places, <u32>(v + ((start + place) << 2)));
    start += size;
  }
  return start;
}

export function randomkSqueeze(
  v: usize, length: usize, count: usize, index: u32, low: u32, high: u32, values: usize, places: usize,
): void {
  let start: usize = 0;
  for (let first: usize = 0; first < count; first += BATCH) {
    const last = min(first + BATCH, count);
    start = drawPlaces(v, start, first, last, length / count, length % count, index, low, high, places);
    for (let j = first, from = places; j < last; j++, from += 4) {
      const p = <usize>load<u32>(from);
      store<f32>(values + (j << 2), load<f32>(p));
      store<f32>(p, 0);
    }
  }
}

export function randomkAddTo(
  out: usize, length: usize, count: usize, index: u32, low: u32, high: u32, values: usize, factor: f32, places: usize,
): void {
  let start: usize = 0;
  for (let first: usize = 0; first < count; first += BATCH) {
    const last = min(first + BATCH, count);
    start = drawPlaces(out, start, first, last, length / count, length % count, index, low, high, places);
    addAtPlaces(last - first, values + (first << 2), factor, places);
  }
}
