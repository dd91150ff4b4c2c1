// Three levels, five to a byte. Format and meaning: ../reference/ternary.ts.

import { lanePartial, promoteHigh, totalOf } from "./sums";
import { blockOfMagnitudes } from "./vector";

const TRITS: usize = 5;
/** The byte of five zero trits: 1 + 3 + 9 + 27 + 81. */
const CENTRE: i32 = 121;

// Read before the loops, for the reason given in random.ts.
const magnitudes = memory.data<u32>([0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff], 16);
const signs = memory.data<u32>([0x80000000, 0x80000000, 0x80000000, 0x80000000], 16);
const ones = memory.data<u32>([1, 1, 1, 1], 16);
const onesOf8 = memory.data<u32>([0x10001, 0x10001, 0x10001, 0x10001], 16);
const threesOf8 = memory.data<u32>([0x30003, 0x30003, 0x30003, 0x30003], 16);
/** 2^9 / 3, rounded up. */
const thirdsOf8 = memory.data<u32>([0xab00ab, 0xab00ab, 0xab00ab, 0xab00ab], 16);

@inline
function tritBytes(count: usize): usize {
  return (count + TRITS - 1) / TRITS;
}

/** The mean magnitude of the numbers that reach `threshold`. */
@inline
function meanOfSelected(a: usize, count: usize, threshold: f32): f32 {
  const t4 = f32x4.splat(threshold);
  let a0 = f64x2.splat(0), a1 = a0, a2 = a0, a3 = a0;
  let selected: i64 = 0;
  let k: usize = 0;
  for (; k + 8 <= count; k += 8) {
    const p = a + (k << 2);
    const x = f32x4.abs(v128.load(p)), y = f32x4.abs(v128.load(p, 16));
    const inX = f32x4.ge(x, t4), inY = f32x4.ge(y, t4);
    const u = v128.and(x, inX), w = v128.and(y, inY);
    a0 = f64x2.add(a0, f64x2.promote_low_f32x4(u));
    a1 = f64x2.add(a1, promoteHigh(u));
    a2 = f64x2.add(a2, f64x2.promote_low_f32x4(w));
    a3 = f64x2.add(a3, promoteHigh(w));
    selected += popcnt(i32x4.bitmask(inX) | (i32x4.bitmask(inY) << 4));
  }
  for (let lane: usize = 0; k < count; k++, lane++) {
    const magnitude = abs(load<f32>(a + (k << 2)));
    if (magnitude < threshold) continue;
    const x = <f64>magnitude;
    a0 = f64x2.add(a0, lanePartial(lane, 0, x));
    a1 = f64x2.add(a1, lanePartial(lane, 2, x));
    a2 = f64x2.add(a2, lanePartial(lane, 4, x));
    a3 = f64x2.add(a3, lanePartial(lane, 6, x));
    selected++;
  }
  return <f32>(totalOf(a0, a1, a2, a3) / <f64>selected);
}

/** Leaves the error of four numbers and gives their trits, −1, 0 or 1. */
@inline
function squeeze4(p: usize, threshold: v128, scale: v128, magnitude: v128, sign: v128, one: v128): v128 {
  const x = v128.load(p);
  const selected = f32x4.ge(v128.and(x, magnitude), threshold);
  const negative = f32x4.lt(x, f32x4.splat(0));
  const q = v128.and(selected, v128.or(scale, v128.and(negative, sign)));
  v128.store(p, f32x4.sub(x, q));
  return v128.and(selected, v128.or(negative, one));
}

/** The same for sixteen numbers, a byte to a trit. */
@inline
function squeeze16(p: usize, threshold: v128, scale: v128, magnitude: v128, sign: v128, one: v128): v128 {
  const a = squeeze4(p, threshold, scale, magnitude, sign, one);
  const b = squeeze4(p + 16, threshold, scale, magnitude, sign, one);
  const c = squeeze4(p + 32, threshold, scale, magnitude, sign, one);
  const d = squeeze4(p + 48, threshold, scale, magnitude, sign, one);
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

@inline
function timesThree(x: v128): v128 {
  return i8x16.add(i8x16.add(x, x), x);
}

export function ternarySqueeze(
  v: usize, length: usize, block: usize, share: f64, scales: usize, codes: usize,
): void {
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    const a = v + (start << 2);
    const threshold = <f32>(share * (blockOfMagnitudes(a, count) / <f64>count));
    const scale = meanOfSelected(a, count, threshold);
    store<f32>(scales, scale);
    scales += 4;

    const t4 = f32x4.splat(threshold), s4 = f32x4.splat(scale);
    const m4 = v128.load(magnitudes), sign4 = v128.load(signs), one4 = v128.load(ones);
    const plane = tritBytes(count);
    const stride = plane << 2;
    let j: usize = 0;
    // Bytes whose five numbers, one in each plane, all exist.
    for (; (TRITS - 1) * plane + j + 16 <= count; j += 16) {
      const p = a + (j << 2);
      let codes16 = squeeze16(p + 4 * stride, t4, s4, m4, sign4, one4);
      codes16 = i8x16.add(timesThree(codes16), squeeze16(p + 3 * stride, t4, s4, m4, sign4, one4));
      codes16 = i8x16.add(timesThree(codes16), squeeze16(p + 2 * stride, t4, s4, m4, sign4, one4));
      codes16 = i8x16.add(timesThree(codes16), squeeze16(p + stride, t4, s4, m4, sign4, one4));
      codes16 = i8x16.add(timesThree(codes16), squeeze16(p, t4, s4, m4, sign4, one4));
      v128.store(codes + j, i8x16.add(codes16, i8x16.splat(<i8>CENTRE)));
    }
    for (; j < plane; j++) {
      let code = CENTRE;
      let weight = 1;
      for (let k = j; k < count; k += plane) {
        const p = a + (k << 2);
        const x = load<f32>(p);
        // Branch-free, since the branch would be unpredictable.
        const kept: u32 = 0 - <u32>(abs(x) >= threshold), negative = <u32>(x < 0);
        code += <i32>(kept & (1 - (negative << 1))) * weight;
        store<f32>(p, x - reinterpret<f32>(kept & (reinterpret<u32>(scale) | (negative << 31))));
        weight *= 3;
      }
      store<u8>(codes + j, <u8>code);
    }
    codes += plane;
  }
}

/** ⌊x / 3⌋ of eight numbers below 256. */
@inline
function thirds(x: v128, third: v128): v128 {
  return i16x8.shr_u(i16x8.mul(x, third), 9);
}

/** out += term · (trit − 1) for eight trits. */
@inline
function add8(p: usize, trits: v128, one: v128, term: v128): void {
  const signed = i16x8.sub(trits, one);
  const x = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(signed));
  const y = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(signed));
  v128.store(p, f32x4.add(v128.load(p), f32x4.mul(term, x)));
  v128.store(p, f32x4.add(v128.load(p, 16), f32x4.mul(term, y)), 16);
}

export function ternaryAddTo(
  out: usize, length: usize, block: usize, scales: usize, codes: usize, factor: f32,
): void {
  const third = v128.load(thirdsOf8), three = v128.load(threesOf8), one = v128.load(onesOf8);
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    const o = out + (start << 2);
    const term = factor * load<f32>(scales);
    scales += 4;
    const t4 = f32x4.splat(term);
    const plane = tritBytes(count);
    let j: usize = 0;
    for (; (TRITS - 1) * plane + j + 16 <= count; j += 16) {
      const all = v128.load(codes + j);
      let x = i16x8.extend_low_i8x16_u(all), y = i16x8.extend_high_i8x16_u(all);
      let p = o + (j << 2);
      for (let trit: usize = 0; trit < TRITS; trit++) {
        const xThird = thirds(x, third), yThird = thirds(y, third);
        add8(p, i16x8.sub(x, i16x8.mul(xThird, three)), one, t4);
        add8(p + 32, i16x8.sub(y, i16x8.mul(yThird, three)), one, t4);
        x = xThird;
        y = yThird;
        p += plane << 2;
      }
    }
    for (; j < plane; j++) {
      let code = <u32>load<u8>(codes + j);
      for (let k = j; k < count; k += plane) {
        const p = o + (k << 2);
        store<f32>(p, load<f32>(p) + term * <f32>(<i32>(code % 3) - 1));
        code /= 3;
      }
    }
    codes += plane;
  }
}

export function ternaryCheck(codes: usize, count: usize): i32 {
  let largest = i8x16.splat(0);
  let k: usize = 0;
  for (; k + 16 <= count; k += 16) largest = i8x16.max_u(largest, v128.load(codes + k));
  if (v128.any_true(i8x16.gt_u(largest, i8x16.splat(<u8>242)))) return 0;
  for (; k < count; k++) if (load<u8>(codes + k) > 242) return 0;
  return 1;
}
