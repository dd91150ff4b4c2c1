// Small whole numbers in 2, 4 or 8 bits, and rounding to them. Format and meaning: ../reference/codes.ts.

import { drawHalf } from "./random";

/** 2^23: a float32 of 2^23 + t has the whole number nearest to t, ties to even, in its low 23 bits. */
export const WHOLE: f32 = 8388608;
/** Bits of a place below the code. */
export const FRACTION_BITS: u32 = 15;
export const FRACTION: u32 = 0x7fff;
/** What nearest rounding compares a fraction with, where stochastic rounding takes a draw. */
const HALF: u32 = 0x3fff;

export const TWO_TO_64: f64 = 1.8446744073709552e19;
export const TWO_TO_MINUS_64: f64 = 5.421010862427522e-20;

@inline
export function codeBytes(count: usize, bits: u32): usize {
  return (count * <usize>bits + 7) >> 3;
}

/** A power of two that brings magnitudes about `size` to where float32 neither overflows nor loses digits. */
@inline
export function conditioner(size: f64): f32 {
  return size < TWO_TO_MINUS_64 ? <f32>TWO_TO_64 : size > TWO_TO_64 ? <f32>TWO_TO_MINUS_64 : 1;
}

// Constants in memory, for the reason given in random.ts.
const fractionMasks = memory.data<u32>([0x7fff, 0x7fff, 0x7fff, 0x7fff], 16);
const codeMasks = memory.data<u32>([0xff00ff, 0xff00ff, 0xff00ff, 0xff00ff], 16);

/** The fractions of eight places that are held as float32 of 2^23 + place. */
@inline
export function fractions(x: v128, y: v128): v128 {
  const mask = v128.load(fractionMasks);
  return i16x8.narrow_i32x4_u(v128.and(x, mask), v128.and(y, mask));
}

/** What the fractions of eight numbers are compared with: they round up when they are greater. */
@inline
export function limits(stochastic: bool, draws: v128): v128 {
  return stochastic ? i16x8.shr_u(draws, 1) : i16x8.splat(<i16>HALF);
}

@inline
export function limit(stochastic: bool, low: u32, high: u32, index: u32, k: usize): u32 {
  return stochastic ? drawHalf(low, high, index, k) >> 1 : HALF;
}

/** The codes of eight places: their whole part and one more where `up` is −1. */
@inline
export function codesOf(x: v128, y: v128, up: v128): v128 {
  const whole = i16x8.narrow_i32x4_u(i32x4.shr_u(x, FRACTION_BITS), i32x4.shr_u(y, FRACTION_BITS));
  // What the exponent of 2^23 leaves above the code is masked away.
  return v128.and(i16x8.sub(whole, up), v128.load(codeMasks));
}

/** Packs sixteen bytes, each below 2^bits, into 2 · bits bytes. */
@inline
export function storeCodes(p: usize, codes: v128, bits: u32): void {
  if (bits == 8) {
    v128.store(p, codes);
  } else if (bits == 4) {
    const pairs = v128.and(v128.or(codes, i16x8.shr_u(codes, 4)), v128.load(codeMasks));
    store<u64>(p, i64x2.extract_lane(i8x16.narrow_i16x8_u(pairs, pairs), 0));
  } else {
    const pairs = v128.and(v128.or(codes, i16x8.shr_u(codes, 6)), i16x8.splat(0x0f));
    const fours = v128.and(v128.or(pairs, i32x4.shr_u(pairs, 12)), i32x4.splat(0xff));
    const halves = i16x8.narrow_i32x4_s(fours, fours);
    store<u32>(p, i32x4.extract_lane(i8x16.narrow_i16x8_u(halves, halves), 0));
  }
}

@inline
export function loadCodes(p: usize, bits: u32): v128 {
  if (bits == 8) return v128.load(p);
  let x: v128;
  if (bits == 4) {
    x = v128.load64_zero(p);
  } else {
    const y = v128.load32_zero(p);
    x = interleave(v128.and(y, i8x16.splat(0x0f)), i8x16.shr_u(y, 4));
    return interleave(v128.and(x, i8x16.splat(3)), i8x16.shr_u(x, 2));
  }
  return interleave(v128.and(x, i8x16.splat(0x0f)), i8x16.shr_u(x, 4));
}

@inline
function interleave(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** Writes code k of a run whose bytes were zero. */
@inline
export function storeCode(codes: usize, k: usize, code: u32, bits: u32): void {
  const bit = k * <usize>bits;
  const p = codes + (bit >> 3);
  store<u8>(p, load<u8>(p) | (code << (<u32>bit & 7)));
}

@inline
function loadCode(codes: usize, k: usize, bits: u32): u32 {
  const bit = k * <usize>bits;
  return (<u32>load<u8>(codes + (bit >> 3)) >> (<u32>bit & 7)) & ((1 << bits) - 1);
}

/** What four codes, held as float32, stand for. A centre of 0 is known when this is compiled, and costs nothing. */
@inline
function decode4(code: v128, centre: f32, centre4: v128, offset4: v128, step4: v128): v128 {
  return f32x4.add(offset4, f32x4.mul(step4, centre == 0 ? code : f32x4.sub(code, centre4)));
}

/** x + factor · q; with a factor of −1, known when this is compiled, the same bits in one operation. */
@inline
function plus4(x: v128, factor: f32, factor4: v128, q: v128): v128 {
  return factor == -1 ? f32x4.sub(x, q) : f32x4.add(x, f32x4.mul(factor4, q));
}

/** out += factor · (offset + step · (code − centre)) */
@inline
export function addCodes(
  out: usize, count: usize, codes: usize, bits: u32, centre: f32, offset: f32, step: f32, factor: f32,
): void {
  const c4 = f32x4.splat(centre), o4 = f32x4.splat(offset), s4 = f32x4.splat(step), f4 = f32x4.splat(factor);
  const stride: usize = <usize>bits << 1;
  let from = codes;
  let k: usize = 0;
  for (; k + 16 <= count; k += 16) {
    const p = out + (k << 2);
    const all = loadCodes(from, bits);
    from += stride;
    const low = i16x8.extend_low_i8x16_u(all), high = i16x8.extend_high_i8x16_u(all);
    const a = decode4(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), centre, c4, o4, s4);
    const b = decode4(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), centre, c4, o4, s4);
    const c = decode4(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), centre, c4, o4, s4);
    const d = decode4(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), centre, c4, o4, s4);
    v128.store(p, plus4(v128.load(p), factor, f4, a));
    v128.store(p, plus4(v128.load(p, 16), factor, f4, b), 16);
    v128.store(p, plus4(v128.load(p, 32), factor, f4, c), 32);
    v128.store(p, plus4(v128.load(p, 48), factor, f4, d), 48);
  }
  for (; k < count; k++) {
    const p = out + (k << 2);
    const q = offset + step * (<f32>loadCode(codes, k, bits) - centre);
    store<f32>(p, load<f32>(p) + factor * q);
  }
}

/** Whether each of `count` codes is at most `limit`. */
@inline
export function codesWithin(codes: usize, count: usize, bits: u32, limit: u32): bool {
  const stride: usize = <usize>bits << 1;
  let from = codes;
  let largest = i8x16.splat(0);
  let k: usize = 0;
  for (; k + 16 <= count; k += 16) {
    largest = i8x16.max_u(largest, loadCodes(from, bits));
    from += stride;
  }
  if (v128.any_true(i8x16.gt_u(largest, i8x16.splat(<u8>limit)))) return false;
  for (; k < count; k++) if (loadCode(codes, k, bits) > limit) return false;
  return true;
}
