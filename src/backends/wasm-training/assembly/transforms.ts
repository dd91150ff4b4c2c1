// One-dimensional transforms of Winograd's minimal filtering F(m, r) with m + r − 1 = 6 at the points 0, ±1, ±2 and ∞
// (Lavin and Gray 2016, “Fast Algorithms for Convolutional Neural Networks”), on vectors of four neighbouring channels.
// y = Aᵀ[(G·g) ⊙ (Bᵀ·d)]: A holds the powers of the points, G is A with its rows scaled, and Bᵀ is the same for every m.

import { madd } from "./tiles";

/** Points along one axis. */
export const POINTS: usize = 6;
/** Bytes of a row of points. */
export const POINT_ROW: usize = 96;

/** Bᵀ·d. `step` and `toStep` are the bytes from one number to the next. */
@inline
export function transformInput(from: usize, step: usize, to: usize, toStep: usize): void {
  const d0 = v128.load(from), d1 = v128.load(from + step), d2 = v128.load(from + 2 * step);
  const d3 = v128.load(from + 3 * step), d4 = v128.load(from + 4 * step), d5 = v128.load(from + 5 * step);
  const four = f32x4.splat(4), minusFour = f32x4.splat(-4), minusFive = f32x4.splat(-5);
  const even = madd(minusFour, d2, d4), odd = madd(minusFour, d1, d3);
  const a = f32x4.sub(d4, d2), b = f32x4.sub(d3, d1), twice = f32x4.add(b, b);
  v128.store(to, madd(four, d0, madd(minusFive, d2, d4)));
  v128.store(to + toStep, f32x4.add(even, odd));
  v128.store(to + 2 * toStep, f32x4.sub(even, odd));
  v128.store(to + 3 * toStep, f32x4.add(a, twice));
  v128.store(to + 4 * toStep, f32x4.sub(a, twice));
  v128.store(to + 5 * toStep, madd(four, d1, madd(minusFive, d3, d5)));
}

/** A·y of `count` from 2 to 5 numbers. */
@inline
export function evaluate(from: usize, step: usize, count: usize, to: usize, toStep: usize): void {
  const zero = f32x4.splat(0);
  const y0 = v128.load(from), y1 = v128.load(from + step);
  let y2 = zero, y3 = zero, y4 = zero, last = y1;
  if (count > 2) last = y2 = v128.load(from + 2 * step);
  if (count > 3) last = y3 = v128.load(from + 3 * step);
  if (count > 4) last = y4 = v128.load(from + 4 * step);
  const even = f32x4.add(f32x4.add(y0, y2), y4), odd = f32x4.add(y1, y3);
  const evenTwo = madd(f32x4.splat(16), y4, madd(f32x4.splat(4), y2, y0));
  const oddTwo = madd(f32x4.splat(8), y3, f32x4.add(y1, y1));
  v128.store(to, y0);
  v128.store(to + toStep, f32x4.add(even, odd));
  v128.store(to + 2 * toStep, f32x4.sub(even, odd));
  v128.store(to + 3 * toStep, f32x4.add(evenTwo, oddTwo));
  v128.store(to + 4 * toStep, f32x4.sub(evenTwo, oddTwo));
  v128.store(to + 5 * toStep, last);
}

/** Aᵀ·x: `count` from 2 to 5 numbers of six. */
@inline
export function interpolate(from: usize, step: usize, to: usize, toStep: usize, count: usize): void {
  const x0 = v128.load(from), x1 = v128.load(from + step), x2 = v128.load(from + 2 * step);
  const x3 = v128.load(from + 3 * step), x4 = v128.load(from + 4 * step), x5 = v128.load(from + 5 * step);
  const sum = f32x4.add(x1, x2), difference = f32x4.sub(x1, x2);
  const sumTwo = f32x4.add(x3, x4), differenceTwo = f32x4.sub(x3, x4);
  v128.store(to, f32x4.add(f32x4.add(x0, sum), sumTwo));
  const first = f32x4.add(difference, f32x4.add(differenceTwo, differenceTwo));
  if (count == 2) {
    v128.store(to + toStep, f32x4.add(first, x5));
    return;
  }
  v128.store(to + toStep, first);
  const second = madd(f32x4.splat(4), sumTwo, sum);
  if (count == 3) {
    v128.store(to + 2 * toStep, f32x4.add(second, x5));
    return;
  }
  v128.store(to + 2 * toStep, second);
  const third = madd(f32x4.splat(8), differenceTwo, difference);
  if (count == 4) {
    v128.store(to + 3 * toStep, f32x4.add(third, x5));
    return;
  }
  v128.store(to + 3 * toStep, third);
  v128.store(to + 4 * toStep, f32x4.add(madd(f32x4.splat(16), sumTwo, sum), x5));
}

/** By which G scales the rows of A: one over the product of a point's distances to the others. */
@inline
function scale(point: usize): f32 {
  return point == 0 ? 0.25 : point < 3 ? -1.0 / 6.0 : point < 5 ? 1.0 / 24.0 : 1;
}

/** Scales 6 × 6 points in place, `step` bytes apart, as G does along both axes. */
export function scalePoints(points: usize, step: usize): void {
  for (let y: usize = 0; y < POINTS; y++) {
    for (let x: usize = 0; x < POINTS; x++) {
      v128.store(points, f32x4.mul(f32x4.splat(scale(y) * scale(x)), v128.load(points)));
      points += step;
    }
  }
}
