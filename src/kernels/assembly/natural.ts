// Natural compression. Format and meaning: ../reference/natural.ts.

import { drawBits4, drawHalf, multipliers1, multipliers2, weylAt, weylNext } from "./random";

const MAGNITUDE: u32 = 0x7fffffff;
const EXPONENT: u32 = 0x7f800000;
const SIGN: u32 = 0x80000000;

// Read before the loops, for the reason given in random.ts.
const fourExponents = memory.data<u32>([0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000], 16);
const fourLargest = memory.data<u32>([0x7f000000, 0x7f000000, 0x7f000000, 0x7f000000], 16);
const fourSigns = memory.data<u32>([0x80000000, 0x80000000, 0x80000000, 0x80000000], 16);
const signsOf16 = memory.data<u32>([0x80808080, 0x80808080, 0x80808080, 0x80808080], 16);
const fourMagnitudes = memory.data<u32>([0x7f, 0x7f, 0x7f, 0x7f], 16);
const fourSignsOfCodes = memory.data<u32>([0x80, 0x80, 0x80, 0x80], 16);

@inline
export function largestMagnitude(v: usize, length: usize): u32 {
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

/** The exponents, still in their place, of four numbers after rounding: seven random bits below the sixteen are 0. */
@inline
function exponents(x: v128, draws: v128, exponent: v128, largest: v128): v128 {
  // What is carried beyond the exponents of finite numbers stops before the sign.
  return i32x4.min_s(v128.and(i32x4.add(x, i32x4.shl(draws, 7)), exponent), largest);
}

/** Leaves the error of four numbers. */
@inline
function leave(p: usize, x: v128, exponent: v128, base: v128, sign: v128): void {
  const power = v128.and(exponent, i32x4.gt_s(exponent, base));
  v128.store(p, f32x4.sub(x, v128.or(power, v128.and(x, sign))));
}

export function naturalSqueeze(
  v: usize, length: usize, block: usize, index: u32, low: u32, high: u32, bases: usize, codes: usize,
): void {
  const h4 = i32x4.splat(high), m1 = v128.load(multipliers1), m2 = v128.load(multipliers2);
  const e4 = v128.load(fourExponents), l4 = v128.load(fourLargest), s4 = v128.load(fourSigns);
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    const a = v + (start << 2);
    const first = index + <u32>start;
    const top = min<i32>(254, <i32>(largestMagnitude(a, count) >> 23) + 1);
    const base = max<i32>(0, top - 127);
    store<u8>(bases++, <u8>base);
    const b4 = i32x4.splat(base << 23), b16 = i8x16.splat(<u8>base);
    let weyl = weylAt(low, first);
    let k: usize = 0;
    for (; k + 16 <= count; k += 16) {
      const p = a + (k << 2);
      const x = v128.load(p), y = v128.load(p, 16), z = v128.load(p, 32), w = v128.load(p, 48);
      const draws = drawBits4(weyl, h4, m1, m2);
      weyl = weylNext(weyl);
      const moreDraws = drawBits4(weyl, h4, m1, m2);
      weyl = weylNext(weyl);
      const ex = exponents(x, i32x4.extend_low_i16x8_u(draws), e4, l4);
      const ey = exponents(y, i32x4.extend_high_i16x8_u(draws), e4, l4);
      const ez = exponents(z, i32x4.extend_low_i16x8_u(moreDraws), e4, l4);
      const ew = exponents(w, i32x4.extend_high_i16x8_u(moreDraws), e4, l4);
      leave(p, x, ex, b4, s4);
      leave(p + 16, y, ey, b4, s4);
      leave(p + 32, z, ez, b4, s4);
      leave(p + 48, w, ew, b4, s4);
      const exponent = i8x16.narrow_i16x8_u(
        i16x8.narrow_i32x4_s(i32x4.shr_u(ex, 23), i32x4.shr_u(ey, 23)),
        i16x8.narrow_i32x4_s(i32x4.shr_u(ez, 23), i32x4.shr_u(ew, 23)),
      );
      // Narrowing keeps the sign, whatever becomes of the rest.
      const sign = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(x, y), i16x8.narrow_i32x4_s(z, w));
      v128.store(codes + k, v128.or(i8x16.sub_sat_u(exponent, b16), v128.and(sign, v128.load(signsOf16))));
    }
    for (; k < count; k++) {
      const p = a + (k << 2);
      const x = load<u32>(p);
      const carried = (x & MAGNITUDE) + (drawHalf(low, high, first, k) << 7);
      const exponent = min<i32>(carried >> 23, 254);
      const kept = exponent > base;
      store<f32>(p, load<f32>(p) - reinterpret<f32>((kept ? exponent << 23 : 0) | (x & SIGN)));
      store<u8>(codes + k, (kept ? exponent - base : 0) | ((x & SIGN) >> 24));
    }
    codes += count;
  }
}

/** What four codes, one to a lane, stand for. */
@inline
function decode4(codes: v128, base: v128, magnitudes: v128, signs: v128): v128 {
  const code = v128.and(codes, magnitudes);
  const power = i32x4.shl(i32x4.add(code, base), 23);
  const magnitude = v128.and(power, i32x4.ne(code, i32x4.splat(0)));
  return v128.or(magnitude, i32x4.shl(v128.and(codes, signs), 24));
}

export function naturalAddTo(
  out: usize, length: usize, block: usize, bases: usize, codes: usize, factor: f32,
): void {
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    addBlock(out + (start << 2), count, load<u8>(bases++), codes, factor);
    codes += count;
  }
}

@inline
function addBlock(out: usize, length: usize, baseByte: u32, codes: usize, factor: f32): void {
  const base = i32x4.splat(baseByte);
  const f4 = f32x4.splat(factor), m4 = v128.load(fourMagnitudes), s4 = v128.load(fourSignsOfCodes);
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const p = out + (k << 2);
    const all = v128.load(codes + k);
    const lower = i16x8.extend_low_i8x16_u(all), upper = i16x8.extend_high_i8x16_u(all);
    const a = decode4(i32x4.extend_low_i16x8_u(lower), base, m4, s4);
    const b = decode4(i32x4.extend_high_i16x8_u(lower), base, m4, s4);
    const c = decode4(i32x4.extend_low_i16x8_u(upper), base, m4, s4);
    const d = decode4(i32x4.extend_high_i16x8_u(upper), base, m4, s4);
    v128.store(p, f32x4.add(v128.load(p), f32x4.mul(f4, a)));
    v128.store(p, f32x4.add(v128.load(p, 16), f32x4.mul(f4, b)), 16);
    v128.store(p, f32x4.add(v128.load(p, 32), f32x4.mul(f4, c)), 32);
    v128.store(p, f32x4.add(v128.load(p, 48), f32x4.mul(f4, d)), 48);
  }
  for (; k < length; k++) {
    const p = out + (k << 2);
    const q = f32x4.extract_lane(decode4(i32x4.splat(load<u8>(codes + k)), base, m4, s4), 0);
    store<f32>(p, load<f32>(p) + factor * q);
  }
}
