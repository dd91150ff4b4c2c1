// One random number of every stratum. Format and meaning: ../reference/randomk.ts.

import { drawBits4, multipliers1, multipliers2, weylAt, weylNext } from "./random";
import { addAtPlaces, BATCH, places } from "./sparse";

/** Writes the addresses of the numbers drawn from strata first … last − 1, four at a time and so up to three more. */
function drawRun(
  start: usize, size: u32, first: usize, last: usize, index: u32, low: u32, high: u32, to: usize,
): void {
  const h4 = i32x4.splat(high), size4 = i32x4.splat(size);
  const m1 = v128.load(multipliers1), m2 = v128.load(multipliers2);
  const steps = i32x4.shl(size4, 4);
  let weyl = weylAt(low, index + <u32>first);
  let starts = i32x4.add(i32x4.splat(<u32>start), i32x4.mul(i32x4.shl(size4, 2), i32x4(0, 1, 2, 3)));
  for (const end = to + ((last - first) << 2); to < end; to += 16) {
    const draws = drawBits4(weyl, h4, m1, m2);
    const place = i32x4.shuffle(
      i64x2.extmul_low_i32x4_u(draws, size4), i64x2.extmul_high_i32x4_u(draws, size4), 1, 3, 5, 7,
    );
    v128.store(to, i32x4.add(starts, i32x4.shl(place, 2)));
    weyl = weylNext(weyl);
    starts = i32x4.add(starts, steps);
  }
}

/** The same for any strata: the first of them may be one longer than the others. */
@inline
function drawPlaces(
  v: usize, length: usize, count: usize, first: usize, last: usize, index: u32, low: u32, high: u32,
): void {
  const size = length / count, longer = length % count;
  const middle = max(first, min(last, longer));
  drawRun(v + ((first * (size + 1)) << 2), <u32>size + 1, first, middle, index, low, high, places());
  const to = places() + ((middle - first) << 2);
  drawRun(v + ((middle * size + longer) << 2), <u32>size, middle, last, index, low, high, to);
}

export function randomkSqueeze(
  v: usize, length: usize, count: usize, index: u32, low: u32, high: u32, values: usize,
): void {
  for (let first: usize = 0; first < count; first += BATCH) {
    const last = min(first + BATCH, count);
    drawPlaces(v, length, count, first, last, index, low, high);
    for (let j = first, from = places(); j < last; j++, from += 4) {
      const p = <usize>load<u32>(from);
      store<f32>(values + (j << 2), load<f32>(p));
      store<f32>(p, 0);
    }
  }
}

export function randomkAddTo(
  out: usize, length: usize, count: usize, index: u32, low: u32, high: u32, values: usize, factor: f32,
): void {
  for (let first: usize = 0; first < count; first += BATCH) {
    const last = min(first + BATCH, count);
    drawPlaces(out, length, count, first, last, index, low, high);
    addAtPlaces(last - first, values + (first << 2), factor);
  }
}
