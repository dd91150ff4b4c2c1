// QSGD. Format and meaning: ../reference/qsgd.ts.

import {
  addCodes, codeBytes, codeMasks, codesOf, codesWithin, conditioner, FRACTION, FRACTION_BITS, fractionMasks, fractions,
  limit, limits, storeCode, storeCodes, subtractCodes, WHOLE,
} from "./codes";
import { drawBits4, multipliers1, multipliers2, weylAt, weylNext } from "./random";
import { RUN } from "./sums";
import { runOfSquares } from "./vector";

const LARGEST: f64 = 3.4e38;
/** 1 − 2^-22: keeps every place within the levels, however it is rounded. */
const SHRINK: f64 = 0.999999761581420898;
const FRACTION_ONE: f64 = 32768;

@inline
function normOf(a: usize, count: usize): f64 {
  let sum: f64 = 0;
  for (let k: usize = 0; k < count; k += RUN) sum += runOfSquares(a + (k << 2), min(RUN, count - k));
  return Math.sqrt(sum);
}

/** The places of four numbers, each as a float32 of 2^23 + place. */
@inline
function places(x: v128, condition: v128, inverse: v128, zero: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.mul(x, condition), inverse), zero);
}

export function qsgdSqueeze(
  v: usize, length: usize, block: usize, bits: u32, levels: f32, shrink: f64, index: u32, low: u32, high: u32,
  units: usize, codes: usize,
): void {
  if (bits == 8) squeezeBlocks(v, length, block, 8, levels, shrink, index, low, high, units, codes);
  else if (bits == 4) squeezeBlocks(v, length, block, 4, levels, shrink, index, low, high, units, codes);
  else squeezeBlocks(v, length, block, 2, levels, shrink, index, low, high, units, codes);
}

@inline
function squeezeBlocks(
  v: usize, length: usize, block: usize, bits: u32, levels: f32, shrink: f64, index: u32, low: u32, high: u32,
  units: usize, codes: usize,
): void {
  const h4 = i32x4.splat(high), m1 = v128.load(multipliers1), m2 = v128.load(multipliers2);
  const f4 = v128.load(fractionMasks), k4 = v128.load(codeMasks);
  const zero = WHOLE + levels * <f32>FRACTION_ONE;
  const z4 = f32x4.splat(zero);
  const stride: usize = <usize>bits << 1;
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    const a = v + (start << 2);
    const first = index + <u32>start;
    const norm = normOf(a, count);
    const condition = conditioner(norm);
    const inverse: f32 = norm > 0 ? <f32>(<f64>levels * (FRACTION_ONE * SHRINK) / (norm * <f64>condition)) : 0;
    const unit = <f32>min(norm * shrink, LARGEST / <f64>levels);
    store<f32>(units, unit);
    units += 4;
    const c4 = f32x4.splat(condition), i4 = f32x4.splat(inverse);
    let weyl = weylAt(low, first);
    let to = codes;
    let k: usize = 0;
    for (; k + 16 <= count; k += 16) {
      const p = a + (k << 2);
      const ta = places(v128.load(p), c4, i4, z4), tb = places(v128.load(p, 16), c4, i4, z4);
      const kab = codesOf(ta, tb, i16x8.gt_s(fractions(ta, tb, f4), limits(true, drawBits4(weyl, h4, m1, m2))), k4);
      weyl = weylNext(weyl);
      const tc = places(v128.load(p, 32), c4, i4, z4), td = places(v128.load(p, 48), c4, i4, z4);
      const kcd = codesOf(tc, td, i16x8.gt_s(fractions(tc, td, f4), limits(true, drawBits4(weyl, h4, m1, m2))), k4);
      weyl = weylNext(weyl);
      storeCodes(to, i8x16.narrow_i16x8_u(kab, kcd), bits, k4);
      to += stride;
    }
    if (k < count) memory.fill(to, 0, codeBytes(count - k, bits));
    for (let j: usize = 0; k < count; k++, j++) {
      const place = reinterpret<u32>(load<f32>(a + (k << 2)) * condition * inverse + zero) & 0x7fffff;
      const up = <u32>((place & FRACTION) > limit(true, low, high, first, k));
      storeCode(to, j, (place >> FRACTION_BITS) + up, bits);
    }
    subtractCodes(a, count, codes, bits, true, <i32>levels, 0, unit);
    codes += codeBytes(count, bits);
  }
}

export function qsgdAddTo(
  out: usize, length: usize, block: usize, bits: u32, levels: f32, units: usize, codes: usize, factor: f32,
): void {
  if (bits == 8) addBlocks(out, length, block, 8, levels, units, codes, factor);
  else if (bits == 4) addBlocks(out, length, block, 4, levels, units, codes, factor);
  else addBlocks(out, length, block, 2, levels, units, codes, factor);
}

@inline
function addBlocks(
  out: usize, length: usize, block: usize, bits: u32, levels: f32, units: usize, codes: usize, factor: f32,
): void {
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    addCodes(out + (start << 2), count, codes, bits, true, <i32>levels, 0, load<f32>(units), factor);
    units += 4;
    codes += codeBytes(count, bits);
  }
}

export function qsgdFinite(units: usize, blocks: usize, levels: f32): i32 {
  for (let b: usize = 0; b < blocks; b++, units += 4) {
    if (!isFinite(load<f32>(units) * levels)) return 0;
  }
  return 1;
}

export function qsgdCheck(codes: usize, length: usize, block: usize, bits: u32, levels: f32): i32 {
  const limit = <u32>levels << 1;
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    if (!codesWithin(codes, count, bits, limit)) return 0;
    codes += codeBytes(count, bits);
  }
  return 1;
}
