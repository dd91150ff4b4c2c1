// Pieces of the sum order that ../../kernels.ts defines; inlined, not exported from the module.

/** Σ in the defined order: a0 = {p0, p1}, a1 = {p2, p3}, a2 = {p4, p5}, a3 = {p6, p7}. */
@inline
export function totalOf(a0: v128, a1: v128, a2: v128, a3: v128): f64 {
  const s = f64x2.add(f64x2.add(a0, a2), f64x2.add(a1, a3));
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
}

/** The upper two floats of v as doubles. */
@inline
export function promoteHigh(v: v128): v128 {
  return f64x2.promote_low_f32x4(i32x4.shuffle(v, v, 2, 3, 2, 3));
}

/** Adds x to partial k mod 8 of the sums; for the last few numbers of a range. */
@inline
export function lanePartial(k: usize, lane: usize, x: f64): v128 {
  const low: f64 = k == lane ? x : 0.0;
  const high: f64 = k == lane + 1 ? x : 0.0;
  return f64x2.replace_lane(f64x2.splat(low), 1, high);
}

/** Numbers of one part of a sum; the sums of the parts are added in their order. */
export const PART: usize = 1 << 19;

/** Numbers whose sum is taken in float32 before it goes on in float64. */
export const RUN: usize = 1024;

/** Σ in the defined order of float32 partials: a = {p0 … p3}, b = {p4 … p7}. */
@inline
export function runTotal(a: v128, b: v128): f32 {
  const s = f32x4.add(a, b);
  const t = f32x4.add(s, i32x4.shuffle(s, s, 2, 3, 0, 1));
  return f32x4.extract_lane(t, 0) + f32x4.extract_lane(t, 1);
}

/** x in lane k mod 8 − `first` of four, zeros in the others; for the last few numbers of a range. */
@inline
export function laneOf(x: f32, k: usize, first: i32): v128 {
  const lanes = i32x4.add(i32x4(0, 1, 2, 3), i32x4.splat(first));
  return v128.and(f32x4.splat(x), i32x4.eq(i32x4.splat(<i32>(k & 7)), lanes));
}
