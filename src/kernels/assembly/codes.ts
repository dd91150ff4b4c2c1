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

// Read before the loops, for the reason given in random.ts.
export const fractionMasks = memory.data<u32>([0x7fff, 0x7fff, 0x7fff, 0x7fff], 16);
export const codeMasks = memory.data<u32>([0xff00ff, 0xff00ff, 0xff00ff, 0xff00ff], 16);

const nibbles = memory.data<u32>([0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f], 16);
const pairsOfBits = memory.data<u32>([0x03030303, 0x03030303, 0x03030303, 0x03030303], 16);
const lowNibbles = memory.data<u32>([0x000f000f, 0x000f000f, 0x000f000f, 0x000f000f], 16);
const lowBytes = memory.data<u32>([0xff, 0xff, 0xff, 0xff], 16);

/** The fractions, which `mask` leaves, of eight places that are held as float32 of 2^23 + place. */
@inline
export function fractions(x: v128, y: v128, mask: v128): v128 {
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
export function codesOf(x: v128, y: v128, up: v128, mask: v128): v128 {
  const whole = i16x8.narrow_i32x4_u(i32x4.shr_u(x, FRACTION_BITS), i32x4.shr_u(y, FRACTION_BITS));
  // What the exponent of 2^23 leaves above the code is masked away.
  return v128.and(i16x8.sub(whole, up), mask);
}

/** Packs sixteen bytes, each below 2^bits, into 2 · bits bytes. */
@inline
export function storeCodes(p: usize, codes: v128, bits: u32, mask: v128): void {
  if (bits == 8) {
    v128.store(p, codes);
  } else if (bits == 4) {
    const pairs = v128.and(v128.or(codes, i16x8.shr_u(codes, 4)), mask);
    v128.store64_lane(p, i8x16.narrow_i16x8_u(pairs, pairs), 0);
  } else {
    const pairs = v128.and(v128.or(codes, i16x8.shr_u(codes, 6)), v128.load(lowNibbles));
    const fours = v128.and(v128.or(pairs, i32x4.shr_u(pairs, 12)), v128.load(lowBytes));
    const halves = i16x8.narrow_i32x4_s(fours, fours);
    v128.store32_lane(p, i8x16.narrow_i16x8_u(halves, halves), 0);
  }
}

/** The sixteen codes from `p` on, a byte each; `low` leaves the lowest of several in a byte. */
@inline
function loadCodes(p: usize, bits: u32, low: v128): v128 {
  if (bits == 8) return v128.load(p);
  if (bits == 4) return split(v128.load64_zero(p), 4, low);
  return split(split(v128.load32_zero(p), 4, v128.load(nibbles)), 2, low);
}

/** What the mask leaves of every byte and of the same bits `shift` higher, in turns. */
@inline
function split(x: v128, shift: i32, mask: v128): v128 {
  return interleave(v128.and(x, mask), v128.and(i16x8.shr_u(x, shift), mask));
}

/** What leaves the lowest of the codes in a byte. */
@inline
function lowestOf(bits: u32): v128 {
  return v128.load(bits == 4 ? nibbles : pairsOfBits);
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

/** What the lower four of eight codes less their centre stand for; none is negative unless `centred`. */
@inline
function decodeLow(codes: v128, centred: bool, offset4: v128, step4: v128): v128 {
  const code = centred ? i32x4.extend_low_i16x8_s(codes) : i32x4.extend_low_i16x8_u(codes);
  return f32x4.add(offset4, f32x4.mul(step4, f32x4.convert_i32x4_s(code)));
}

/** The same for the upper four. */
@inline
function decodeHigh(codes: v128, centred: bool, offset4: v128, step4: v128): v128 {
  const code = centred ? i32x4.extend_high_i16x8_s(codes) : i32x4.extend_high_i16x8_u(codes);
  return f32x4.add(offset4, f32x4.mul(step4, f32x4.convert_i32x4_s(code)));
}

/** x + factor · q, or x − q */
@inline
function plus4(x: v128, subtracts: bool, factor: v128, q: v128): v128 {
  return subtracts ? f32x4.sub(x, q) : f32x4.add(x, f32x4.mul(factor, q));
}

/** out += factor · (offset + step · (code − centre)), with a centre other than 0 only if `centred`. */
@inline
export function addCodes(
  out: usize, count: usize, codes: usize, bits: u32, centred: bool, centre: i32, offset: f32, step: f32, factor: f32,
): void {
  accumulate(out, count, codes, bits, centred, centre, offset, step, false, factor);
}

/** The same with a factor of −1: the same bits in fewer operations. */
@inline
export function subtractCodes(
  out: usize, count: usize, codes: usize, bits: u32, centred: bool, centre: i32, offset: f32, step: f32,
): void {
  accumulate(out, count, codes, bits, centred, centre, offset, step, true, -1);
}

@inline
function accumulate(
  out: usize, count: usize, codes: usize, bits: u32, centred: bool, centre: i32, offset: f32, step: f32,
  subtracts: bool, factor: f32,
): void {
  const o4 = f32x4.splat(offset), s4 = f32x4.splat(step), f4 = f32x4.splat(factor);
  const c8 = i16x8.splat(<i16>centre), lowest = lowestOf(bits);
  const stride: usize = <usize>bits << 1;
  let from = codes;
  let k: usize = 0;
  for (; k + 16 <= count; k += 16) {
    const p = out + (k << 2);
    const all = loadCodes(from, bits, lowest);
    from += stride;
    let low = i16x8.extend_low_i8x16_u(all), high = i16x8.extend_high_i8x16_u(all);
    if (centred) {
      low = i16x8.sub(low, c8);
      high = i16x8.sub(high, c8);
    }
    const a = decodeLow(low, centred, o4, s4), b = decodeHigh(low, centred, o4, s4);
    const c = decodeLow(high, centred, o4, s4), d = decodeHigh(high, centred, o4, s4);
    v128.store(p, plus4(v128.load(p), subtracts, f4, a));
    v128.store(p, plus4(v128.load(p, 16), subtracts, f4, b), 16);
    v128.store(p, plus4(v128.load(p, 32), subtracts, f4, c), 32);
    v128.store(p, plus4(v128.load(p, 48), subtracts, f4, d), 48);
  }
  for (; k < count; k++) {
    const p = out + (k << 2);
    const q = offset + step * <f32>(<i32>loadCode(codes, k, bits) - centre);
    store<f32>(p, load<f32>(p) + factor * q);
  }
}

/** Whether each of `count` codes is at most `limit`. */
@inline
export function codesWithin(codes: usize, count: usize, bits: u32, limit: u32): bool {
  const stride: usize = <usize>bits << 1;
  const lowest = lowestOf(bits);
  let from = codes;
  let largest = i8x16.splat(0);
  let k: usize = 0;
  for (; k + 16 <= count; k += 16) {
    largest = i8x16.max_u(largest, loadCodes(from, bits, lowest));
    from += stride;
  }
  if (v128.any_true(i8x16.gt_u(largest, i8x16.splat(<u8>limit)))) return false;
  for (; k < count; k++) if (loadCode(codes, k, bits) > limit) return false;
  return true;
}
