// Natural compression. Format and meaning: ../reference/natural.ts.

import { drawBits, drawBits4, weylAt, weylNext } from "./random";

const MAGNITUDE: u32 = 0x7fffffff;

@inline
function largestMagnitude(v: usize, length: usize): u32 {
  const magnitude = i32x4.splat(MAGNITUDE);
  let a = i32x4.splat(0), b = a;
  let k: usize = 0;
  for (; k + 8 <= length; k += 8) {
    const p = v + (k << 2);
    a = i32x4.max_s(a, v128.and(v128.load(p), magnitude));
    b = i32x4.max_s(b, v128.and(v128.load(p, 16), magnitude));
  }
  for (; k < length; k++) {
    b = i32x4.max_s(b, i32x4.splat(load<u32>(v + (k << 2)) & MAGNITUDE));
  }
  a = i32x4.max_s(a, b);
  return max(
    max(i32x4.extract_lane(a, 0), i32x4.extract_lane(a, 1)),
    max(i32x4.extract_lane(a, 2), i32x4.extract_lane(a, 3)),
  );
}

/** The exponents of four magnitudes after rounding to a power of two. */
@inline
function exponents(magnitudes: v128, weyl: v128, high: v128): v128 {
  const carried = i32x4.add(magnitudes, i32x4.shr_u(drawBits4(weyl, high), 9));
  return i32x4.min_s(i32x4.shr_u(carried, 23), i32x4.splat(254));
}

/** Leaves the error of four numbers and gives their codes. */
@inline
function squeeze4(p: usize, base: v128, least: v128, weyl: v128, high: v128): v128 {
  const x = v128.load(p);
  const magnitude = v128.and(x, i32x4.splat(MAGNITUDE));
  const sign = v128.and(x, i32x4.splat(0x80000000));
  const kept = i32x4.ge_s(magnitude, least);
  const exponent = exponents(magnitude, weyl, high);
  const q = v128.or(v128.and(i32x4.shl(exponent, 23), kept), sign);
  v128.store(p, f32x4.sub(x, q));
  return v128.or(v128.and(i32x4.sub(exponent, base), kept), i32x4.shr_u(sign, 24));
}

export function naturalSqueeze(v: usize, length: usize, index: u32, low: u32, high: u32, payload: usize): void {
  const top = min<i32>(254, <i32>(largestMagnitude(v, length) >> 23) + 1);
  const base = max<i32>(0, top - 127);
  const least = (base + 1) << 23;
  store<u8>(payload, <u8>base);
  payload++;
  const b4 = i32x4.splat(base), l4 = i32x4.splat(least), h4 = i32x4.splat(high);
  let weyl = weylAt(low, index);
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const p = v + (k << 2);
    const a = squeeze4(p, b4, l4, weyl, h4);
    weyl = weylNext(weyl);
    const b = squeeze4(p + 16, b4, l4, weyl, h4);
    weyl = weylNext(weyl);
    const c = squeeze4(p + 32, b4, l4, weyl, h4);
    weyl = weylNext(weyl);
    const d = squeeze4(p + 48, b4, l4, weyl, h4);
    weyl = weylNext(weyl);
    v128.store(payload + k, i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)));
  }
  for (; k < length; k++) {
    const p = v + (k << 2);
    const x = load<u32>(p);
    const magnitude = x & MAGNITUDE;
    const sign = x & 0x80000000;
    let code: u32 = 0;
    let q: u32 = 0;
    if (<i32>magnitude >= least) {
      const exponent = min<u32>((magnitude + (drawBits(low, high, index + <u32>k) >> 9)) >> 23, 254);
      code = exponent - <u32>base;
      q = exponent << 23;
    }
    store<f32>(p, load<f32>(p) - reinterpret<f32>(q | sign));
    store<u8>(payload + k, code | (sign >> 24));
  }
}

/** What four codes, one to a lane, stand for. */
@inline
function decode4(codes: v128, base: v128): v128 {
  const code = v128.and(codes, i32x4.splat(0x7f));
  const power = i32x4.shl(i32x4.add(code, base), 23);
  const magnitude = v128.and(power, i32x4.ne(code, i32x4.splat(0)));
  return v128.or(magnitude, i32x4.shl(v128.and(codes, i32x4.splat(0x80)), 24));
}

export function naturalAddTo(out: usize, length: usize, payload: usize, factor: f32): void {
  const base = i32x4.splat(load<u8>(payload));
  payload++;
  const f4 = f32x4.splat(factor);
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const p = out + (k << 2);
    const codes = v128.load(payload + k);
    const lower = i16x8.extend_low_i8x16_u(codes), upper = i16x8.extend_high_i8x16_u(codes);
    const a = decode4(i32x4.extend_low_i16x8_u(lower), base);
    const b = decode4(i32x4.extend_high_i16x8_u(lower), base);
    const c = decode4(i32x4.extend_low_i16x8_u(upper), base);
    const d = decode4(i32x4.extend_high_i16x8_u(upper), base);
    v128.store(p, f32x4.add(v128.load(p), f32x4.mul(f4, a)));
    v128.store(p, f32x4.add(v128.load(p, 16), f32x4.mul(f4, b)), 16);
    v128.store(p, f32x4.add(v128.load(p, 32), f32x4.mul(f4, c)), 32);
    v128.store(p, f32x4.add(v128.load(p, 48), f32x4.mul(f4, d)), 48);
  }
  for (; k < length; k++) {
    const p = out + (k << 2);
    const q = f32x4.extract_lane(decode4(i32x4.splat(load<u8>(payload + k)), base), 0);
    store<f32>(p, load<f32>(p) + factor * q);
  }
}
