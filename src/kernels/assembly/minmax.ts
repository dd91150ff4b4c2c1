// Min–max levels refitted by least squares. Format and meaning: ../reference/minmax.ts.

import {
  addCodes, codeBytes, codesOf, conditioner, FRACTION, FRACTION_BITS, fractions, limit, limits, storeCode, storeCodes,
  WHOLE,
} from "./codes";
import { drawBits4, weylAt, weylNext } from "./random";

/** Numbers whose sums are sure to fit 32 bits. */
const RUN: usize = 256;
const LARGEST: f64 = 3.4e38;
/** 1 − 2^-22: keeps the largest place of a block from being rounded beyond the last level. */
const SHRINK: f64 = 0.999999761581420898;
const FRACTION_ONE: f64 = 32768;

/** Numbers whose blocks go through the three passes together: few enough to stay in the nearest cache. */
const CHUNK: usize = 512;

export function minmaxSqueeze(
  v: usize, length: usize, block: usize, bits: u32, stochastic: i32, index: u32, low: u32, high: u32, payload: usize,
  codes: usize,
): void {
  const blockBytes = codeBytes(block, bits);
  const chunk = max(block, CHUNK / block * block);
  for (let first: usize = 0; first < length; first += chunk) {
    // Pass after pass, so that the processor overlaps the long divisions of one block with the next block's.
    const end = min(first + chunk, length);
    let header = payload;
    for (let start = first; start < end; start += block, header += 8) {
      findRange(v + (start << 2), min(block, length - start), header);
    }
    header = payload;
    let to = codes;
    for (let start = first; start < end; start += block, header += 8, to += blockBytes) {
      const a = v + (start << 2);
      const count = min(block, length - start);
      const draw = index + <u32>start;
      const condition = conditioner(<f64>load<f32>(header, 4) - <f64>load<f32>(header));
      if (condition == 1) {
        if (stochastic) squeezeBlock(a, count, bits, true, 1, draw, low, high, header, to);
        else squeezeBlock(a, count, bits, false, 1, draw, low, high, header, to);
      } else {
        if (stochastic) squeezeBlock(a, count, bits, true, condition, draw, low, high, header, to);
        else squeezeBlock(a, count, bits, false, condition, draw, low, high, header, to);
      }
    }
    for (let start = first; start < end; start += block, payload += 8, codes += blockBytes) {
      const count = min(block, length - start);
      addCodes(v + (start << 2), count, codes, bits, 0, load<f32>(payload), load<f32>(payload, 4), -1);
    }
  }
}

/** Writes the least and the largest number of a block into its header. */
@inline
function findRange(a: usize, count: usize, header: usize): void {
  let least = f32x4.splat(f32.MAX_VALUE), most = f32x4.splat(-f32.MAX_VALUE);
  let least2 = least, most2 = most;
  let i: usize = 0;
  for (; i + 8 <= count; i += 8) {
    const x = v128.load(a + (i << 2)), y = v128.load(a + (i << 2), 16);
    least = f32x4.pmin(least, x);
    most = f32x4.pmax(most, x);
    least2 = f32x4.pmin(least2, y);
    most2 = f32x4.pmax(most2, y);
  }
  for (; i < count; i++) {
    const x = f32x4.splat(load<f32>(a + (i << 2)));
    least = f32x4.pmin(least, x);
    most = f32x4.pmax(most, x);
  }
  least = f32x4.pmin(least, least2);
  most = f32x4.pmax(most, most2);
  least = f32x4.pmin(least, i32x4.shuffle(least, least, 2, 3, 0, 1));
  most = f32x4.pmax(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
  least = f32x4.pmin(least, i32x4.shuffle(least, least, 1, 0, 3, 2));
  most = f32x4.pmax(most, i32x4.shuffle(most, most, 1, 0, 3, 2));
  // The zero makes −0 into 0, whichever of the two zeros was found.
  store<f32>(header, f32x4.extract_lane(least, 0) + 0);
  store<f32>(header, f32x4.extract_lane(most, 0), 4);
}

/** The places of four numbers, each as a float32 of 2^23 + place. A condition of 1 is known when this is compiled. */
@inline
function places(x: v128, condition: f32, base: v128, inverse: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.sub(condition == 1 ? x : f32x4.mul(x, f32x4.splat(condition)), base), inverse), f32x4.splat(WHOLE));
}

/** {Σ of a's lanes, Σ of b's lanes} in the two halves, two lanes each. */
@inline
function foldPair(a: v128, b: v128): v128 {
  return i32x4.add(i32x4.shuffle(a, b, 0, 1, 4, 5), i32x4.shuffle(a, b, 2, 3, 6, 7));
}

/** Writes the codes of a block, and its offset and step over the range in its header. */
@inline
function squeezeBlock(
  a: usize, count: usize, bits: u32, stochastic: bool, condition: f32, index: u32, low: u32, high: u32, header: usize,
  codes: usize,
): void {
  const least = load<f32>(header), most = load<f32>(header, 4);
  const range = <f64>most - <f64>least;
  if (!(range > 0)) {
    store<f32>(header, 0, 4);
    memory.fill(codes, 0, codeBytes(count, bits));
    return;
  }

  const levels = <f64>((1 << bits) - 1);
  const base = least * condition;
  const unit = range * (1 / (levels * SHRINK));
  const inverse = <f32>(FRACTION_ONE / (unit * <f64>condition));
  const b4 = f32x4.splat(base), i4 = f32x4.splat(inverse);
  const h4 = i32x4.splat(high);
  let weyl = weylAt(low, index);
  const stride: usize = <usize>bits << 1;
  let to = codes;
  // k is a code and e = place − k its error, in units of 2^-15.
  let sumsK = f64x2.splat(0), sumsE = sumsK; // {Σ k, Σ k²} and {Σ e, Σ e · k}
  let k: usize = 0;
  while (k + 16 <= count) {
    const end = min(k + RUN, count & ~15);
    let sumK16 = i16x8.splat(0), sumKk = sumK16, sumE = sumK16, sumEk = sumK16;
    for (; k < end; k += 16) {
      const p = a + (k << 2);
      const ta = places(v128.load(p), condition, b4, i4), tb = places(v128.load(p, 16), condition, b4, i4);
      const fab = fractions(ta, tb);
      const upAb = i16x8.gt_s(fab, limits(stochastic, stochastic ? drawBits4(weyl, h4) : weyl));
      if (stochastic) weyl = weylNext(weyl);
      const kab = codesOf(ta, tb, upAb);
      const eab = v128.or(fab, i16x8.shl(upAb, 15));
      sumK16 = i16x8.add(sumK16, kab);
      sumKk = i32x4.add(sumKk, i32x4.dot_i16x8_s(kab, kab));
      sumE = i32x4.add(sumE, i32x4.extadd_pairwise_i16x8_s(eab));
      sumEk = i32x4.add(sumEk, i32x4.dot_i16x8_s(eab, kab));

      const tc = places(v128.load(p, 32), condition, b4, i4), td = places(v128.load(p, 48), condition, b4, i4);
      const fcd = fractions(tc, td);
      const upCd = i16x8.gt_s(fcd, limits(stochastic, stochastic ? drawBits4(weyl, h4) : weyl));
      if (stochastic) weyl = weylNext(weyl);
      const kcd = codesOf(tc, td, upCd);
      const ecd = v128.or(fcd, i16x8.shl(upCd, 15));
      sumK16 = i16x8.add(sumK16, kcd);
      sumKk = i32x4.add(sumKk, i32x4.dot_i16x8_s(kcd, kcd));
      sumE = i32x4.add(sumE, i32x4.extadd_pairwise_i16x8_s(ecd));
      sumEk = i32x4.add(sumEk, i32x4.dot_i16x8_s(ecd, kcd));
      storeCodes(to, i8x16.narrow_i16x8_u(kab, kcd), bits);
      to += stride;
    }
    const ofK = foldPair(i32x4.extadd_pairwise_i16x8_s(sumK16), sumKk);
    const ofE = foldPair(sumE, sumEk);
    const totals = i32x4.add(i32x4.shuffle(ofK, ofE, 0, 2, 4, 6), i32x4.shuffle(ofK, ofE, 1, 3, 5, 7));
    sumsK = f64x2.add(sumsK, f64x2.convert_low_i32x4_s(totals));
    sumsE = f64x2.add(sumsE, f64x2.convert_low_i32x4_s(i32x4.shuffle(totals, totals, 2, 3, 2, 3)));
  }
  let sumK = f64x2.extract_lane(sumsK, 0), sumKk = f64x2.extract_lane(sumsK, 1);
  let sumE = f64x2.extract_lane(sumsE, 0), sumEk = f64x2.extract_lane(sumsE, 1);
  if (k < count) memory.fill(to, 0, codeBytes(count - k, bits));
  for (let j: usize = 0; k < count; k++, j++) {
    const place = reinterpret<u32>((load<f32>(a + (k << 2)) * condition - base) * inverse + WHOLE) & 0x7fffff;
    const fraction = place & FRACTION;
    const code = (place >> FRACTION_BITS) + <u32>(fraction > limit(stochastic, low, high, index, k));
    storeCode(to, j, code, bits);
    const error = <i32>place - <i32>(code << FRACTION_BITS);
    sumK += <f64>code;
    sumKk += <f64>(code * code);
    sumE += <f64>error;
    sumEk += <f64>(error * <i32>code);
  }

  const n = <f64>count;
  sumE *= 1 / FRACTION_ONE;
  sumEk *= 1 / FRACTION_ONE;
  const spread = n * sumKk - sumK * sumK;
  const slope = spread > 0 ? (n * sumEk - sumE * sumK) / spread : 0;
  const shift = (sumE - slope * sumK) * (1 / n);
  let step = unit * (1 + slope);
  let offset = <f64>least + unit * shift;
  const reach = step * levels;
  if (abs(offset) > LARGEST || abs(reach) > LARGEST || abs(offset + reach) > LARGEST) {
    step *= 0.25;
    offset *= 0.25;
  }
  store<f32>(header, <f32>offset);
  store<f32>(header, <f32>step, 4);
}

export function minmaxAddTo(
  out: usize, length: usize, block: usize, bits: u32, payload: usize, codes: usize, factor: f32,
): void {
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    addCodes(out + (start << 2), count, codes, bits, 0, load<f32>(payload), load<f32>(payload, 4), factor);
    payload += 8;
    codes += codeBytes(count, bits);
  }
}

export function minmaxFinite(payload: usize, blocks: usize, bits: u32): i32 {
  const levels = <f32>((1 << bits) - 1);
  for (let b: usize = 0; b < blocks; b++, payload += 8) {
    const offset = load<f32>(payload);
    const reach = load<f32>(payload, 4) * levels;
    if (!isFinite(offset) || !isFinite(reach) || !isFinite(offset + reach)) return 0;
  }
  return 1;
}
