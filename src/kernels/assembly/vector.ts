// Plain vector arithmetic. Meaning and order of every sum: ../reference/vector.ts and ../../kernels.ts.

import { lanePartial, laneOf, PART, promoteHigh, RUN, runTotal, totalOf } from "./sums";

/** 2^-80: a sum of squares this large has lost next to nothing to those that float32 cannot hold. */
const SMALLEST_SQUARES: f32 = 8.271806125530277e-25;

@inline
function add4(out: usize, v: usize): void {
  v128.store(out, f32x4.add(v128.load(out), v128.load(v)));
}

export function add(out: usize, v: usize, length: usize): void {
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const to = out + (k << 2), from = v + (k << 2);
    add4(to, from);
    add4(to + 16, from + 16);
    add4(to + 32, from + 32);
    add4(to + 48, from + 48);
  }
  for (; k < length; k++) {
    const p = k << 2;
    store<f32>(out + p, load<f32>(out + p) + load<f32>(v + p));
  }
}

@inline
function addThrough4(sum: usize, out: usize, v: usize): void {
  const moved = f32x4.add(v128.load(out), v128.load(v));
  v128.store(out, moved);
  v128.store(sum, f32x4.add(v128.load(sum), moved));
}

export function addThrough(sum: usize, out: usize, v: usize, length: usize): void {
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const into = sum + (k << 2), to = out + (k << 2), from = v + (k << 2);
    addThrough4(into, to, from);
    addThrough4(into + 16, to + 16, from + 16);
    addThrough4(into + 32, to + 32, from + 32);
    addThrough4(into + 48, to + 48, from + 48);
  }
  for (; k < length; k++) {
    const p = k << 2;
    const moved = load<f32>(out + p) + load<f32>(v + p);
    store<f32>(out + p, moved);
    store<f32>(sum + p, load<f32>(sum + p) + moved);
  }
}

export function subtractFrom(out: usize, v: usize, length: usize): void {
  let k: usize = 0;
  for (; k + 4 <= length; k += 4) {
    const p = k << 2;
    v128.store(out + p, f32x4.sub(v128.load(v + p), v128.load(out + p)));
  }
  for (; k < length; k++) {
    const p = k << 2;
    store<f32>(out + p, load<f32>(v + p) - load<f32>(out + p));
  }
}

@inline
function addScaled4(out: usize, v: usize, scale: v128): void {
  v128.store(out, f32x4.add(v128.load(out), f32x4.mul(scale, v128.load(v))));
}

export function addScaled(out: usize, v: usize, length: usize, scale: f32): void {
  const s = f32x4.splat(scale);
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const to = out + (k << 2), from = v + (k << 2);
    addScaled4(to, from, s);
    addScaled4(to + 16, from + 16, s);
    addScaled4(to + 32, from + 32, s);
    addScaled4(to + 48, from + 48, s);
  }
  for (; k < length; k++) {
    const p = k << 2;
    store<f32>(out + p, load<f32>(out + p) + scale * load<f32>(v + p));
  }
}

/** Bytes that are cleared while they are still in a near cache. */
const MOVED: usize = 1 << 16;

export function moveTo(out: usize, v: usize, length: usize): void {
  const bytes = length << 2;
  for (let at: usize = 0; at < bytes; at += MOVED) {
    const size = min(MOVED, bytes - at);
    memory.copy(out + at, v + at, size);
    memory.fill(v + at, 0, size);
  }
}

export function sumOfMagnitudes(v: usize, length: usize): f64 {
  let sum: f64 = 0;
  for (let start: usize = 0; start < length; start += PART) {
    sum += partOfMagnitudes(v + (start << 2), min(PART, length - start));
  }
  return sum;
}

/** The same for a block, of which most are one part. */
@inline
export function blockOfMagnitudes(v: usize, length: usize): f64 {
  return length <= PART ? partOfMagnitudes(v, length) : sumOfMagnitudes(v, length);
}

function partOfMagnitudes(v: usize, length: usize): f64 {
  let sum: f64 = 0;
  for (let start: usize = 0; start < length; start += RUN) {
    const p = v + (start << 2);
    const count = min(RUN, length - start);
    const run = runOfMagnitudes(p, count);
    sum += run <= f32.MAX_VALUE ? <f64>run : wideSumOfMagnitudes(p, count);
  }
  return sum;
}

@inline
function runOfMagnitudes(v: usize, length: usize): f32 {
  let a = f32x4.splat(0), b = a;
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const p = v + (k << 2);
    a = f32x4.add(a, f32x4.abs(v128.load(p)));
    b = f32x4.add(b, f32x4.abs(v128.load(p, 16)));
    a = f32x4.add(a, f32x4.abs(v128.load(p, 32)));
    b = f32x4.add(b, f32x4.abs(v128.load(p, 48)));
  }
  for (; k < length; k++) {
    const x = abs(load<f32>(v + (k << 2)));
    a = f32x4.add(a, laneOf(x, k, 0));
    b = f32x4.add(b, laneOf(x, k, 4));
  }
  return runTotal(a, b);
}

/** The same in float64, for a run that float32 cannot hold. */
function wideSumOfMagnitudes(v: usize, length: usize): f64 {
  let a0 = f64x2.splat(0), a1 = f64x2.splat(0), a2 = f64x2.splat(0), a3 = f64x2.splat(0);
  let k: usize = 0;
  for (; k + 8 <= length; k += 8) {
    const p = v + (k << 2);
    const x = f32x4.abs(v128.load(p));
    const y = f32x4.abs(v128.load(p, 16));
    a0 = f64x2.add(a0, f64x2.promote_low_f32x4(x));
    a1 = f64x2.add(a1, promoteHigh(x));
    a2 = f64x2.add(a2, f64x2.promote_low_f32x4(y));
    a3 = f64x2.add(a3, promoteHigh(y));
  }
  for (let lane: usize = 0; k < length; k++, lane++) {
    const x = <f64>abs(load<f32>(v + (k << 2)));
    a0 = f64x2.add(a0, lanePartial(lane, 0, x));
    a1 = f64x2.add(a1, lanePartial(lane, 2, x));
    a2 = f64x2.add(a2, lanePartial(lane, 4, x));
    a3 = f64x2.add(a3, lanePartial(lane, 6, x));
  }
  return totalOf(a0, a1, a2, a3);
}

/** Σ v² of a run, in float32 unless it is too large or too small for that. */
@inline
export function runOfSquares(v: usize, length: usize): f64 {
  let a = f32x4.splat(0), b = a;
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const p = v + (k << 2);
    const x = v128.load(p), y = v128.load(p, 16), z = v128.load(p, 32), w = v128.load(p, 48);
    a = f32x4.add(f32x4.add(a, f32x4.mul(x, x)), f32x4.mul(z, z));
    b = f32x4.add(f32x4.add(b, f32x4.mul(y, y)), f32x4.mul(w, w));
  }
  for (; k < length; k++) {
    const x = load<f32>(v + (k << 2));
    a = f32x4.add(a, laneOf(x * x, k, 0));
    b = f32x4.add(b, laneOf(x * x, k, 4));
  }
  const sum = runTotal(a, b);
  return sum >= SMALLEST_SQUARES && sum <= f32.MAX_VALUE ? <f64>sum : partOfSquares(v, length);
}

export function sumOfSquares(v: usize, length: usize): f64 {
  let sum: f64 = 0;
  for (let start: usize = 0; start < length; start += PART) {
    sum += partOfSquares(v + (start << 2), min(PART, length - start));
  }
  return sum;
}

function partOfSquares(v: usize, length: usize): f64 {
  let a0 = f64x2.splat(0), a1 = f64x2.splat(0), a2 = f64x2.splat(0), a3 = f64x2.splat(0);
  let k: usize = 0;
  for (; k + 8 <= length; k += 8) {
    const p = v + (k << 2);
    const x = v128.load(p);
    const y = v128.load(p, 16);
    const x0 = f64x2.promote_low_f32x4(x), x1 = promoteHigh(x);
    const y0 = f64x2.promote_low_f32x4(y), y1 = promoteHigh(y);
    a0 = f64x2.add(a0, f64x2.mul(x0, x0));
    a1 = f64x2.add(a1, f64x2.mul(x1, x1));
    a2 = f64x2.add(a2, f64x2.mul(y0, y0));
    a3 = f64x2.add(a3, f64x2.mul(y1, y1));
  }
  for (let lane: usize = 0; k < length; k++, lane++) {
    const f = <f64>load<f32>(v + (k << 2));
    const x = f * f;
    a0 = f64x2.add(a0, lanePartial(lane, 0, x));
    a1 = f64x2.add(a1, lanePartial(lane, 2, x));
    a2 = f64x2.add(a2, lanePartial(lane, 4, x));
    a3 = f64x2.add(a3, lanePartial(lane, 6, x));
  }
  return totalOf(a0, a1, a2, a3);
}

export function squaredDistance(a: usize, b: usize, length: usize): f64 {
  let sum: f64 = 0;
  for (let start: usize = 0; start < length; start += PART) {
    sum += partOfDistance(a + (start << 2), b + (start << 2), min(PART, length - start));
  }
  return sum;
}

function partOfDistance(a: usize, b: usize, length: usize): f64 {
  let a0 = f64x2.splat(0), a1 = f64x2.splat(0), a2 = f64x2.splat(0), a3 = f64x2.splat(0);
  let k: usize = 0;
  for (; k + 8 <= length; k += 8) {
    const p = k << 2;
    const x = v128.load(a + p), y = v128.load(a + p, 16);
    const z = v128.load(b + p), w = v128.load(b + p, 16);
    const d0 = f64x2.sub(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(z));
    const d1 = f64x2.sub(promoteHigh(x), promoteHigh(z));
    const d2 = f64x2.sub(f64x2.promote_low_f32x4(y), f64x2.promote_low_f32x4(w));
    const d3 = f64x2.sub(promoteHigh(y), promoteHigh(w));
    a0 = f64x2.add(a0, f64x2.mul(d0, d0));
    a1 = f64x2.add(a1, f64x2.mul(d1, d1));
    a2 = f64x2.add(a2, f64x2.mul(d2, d2));
    a3 = f64x2.add(a3, f64x2.mul(d3, d3));
  }
  for (let lane: usize = 0; k < length; k++, lane++) {
    const p = k << 2;
    const d = <f64>load<f32>(a + p) - <f64>load<f32>(b + p);
    const x = d * d;
    a0 = f64x2.add(a0, lanePartial(lane, 0, x));
    a1 = f64x2.add(a1, lanePartial(lane, 2, x));
    a2 = f64x2.add(a2, lanePartial(lane, 4, x));
    a3 = f64x2.add(a3, lanePartial(lane, 6, x));
  }
  return totalOf(a0, a1, a2, a3);
}

export function sortPairs(low: usize, high: usize, length: usize): void {
  let k: usize = 0;
  for (; k + 4 <= length; k += 4) {
    const p = k << 2;
    const x = v128.load(low + p), y = v128.load(high + p);
    v128.store(low + p, f32x4.min(x, y));
    v128.store(high + p, f32x4.max(x, y));
  }
  for (; k < length; k++) {
    const p = k << 2;
    const x = load<f32>(low + p), y = load<f32>(high + p);
    store<f32>(low + p, min(x, y));
    store<f32>(high + p, max(x, y));
  }
}

export function allFinite(v: usize, length: usize): i32 {
  // A number minus itself is 0 when it is finite and NaN when it is not, and so are sums of those.
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const p = v + (k << 2);
    const x = v128.load(p), y = v128.load(p, 16), z = v128.load(p, 32), w = v128.load(p, 48);
    a = f32x4.add(a, f32x4.sub(x, x));
    b = f32x4.add(b, f32x4.sub(y, y));
    c = f32x4.add(c, f32x4.sub(z, z));
    d = f32x4.add(d, f32x4.sub(w, w));
  }
  const sum = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  if (v128.any_true(f32x4.ne(sum, sum))) return 0;
  for (; k < length; k++) {
    if (!isFinite(load<f32>(v + (k << 2)))) return 0;
  }
  return 1;
}
