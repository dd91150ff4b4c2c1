// Min–max levels refitted by least squares. Format and meaning: ../reference/minmax.ts.

import {
  addCodes, codeBytes, codeMasks, codesOf, FRACTION, FRACTION_BITS, fractionMasks, fractions, limit, limits, storeCode,
  storeCodes, subtractCodes, TWO_TO_64, TWO_TO_MINUS_64, WHOLE,
} from "./codes";
import { drawBits4, multipliers1, multipliers2, weylAt, weylNext } from "./random";
import { room } from "./room";

/** Numbers whose sums are sure to fit 32 bits. */
const RUN: usize = 256;
const LARGEST: f64 = 3.4e38;
/** 1 − 2^-22: keeps the largest place of a block from being rounded beyond the last level. */
const SHRINK: f64 = 0.999999761581420898;
const FRACTION_ONE: f64 = 32768;

/** Numbers whose blocks go through the passes together: few enough to stay in the nearest cache. */
const CHUNK: usize = 512;
const CHUNK_BLOCKS: usize = 64;

/** What is known of a block between the passes: bytes of a record, and where in it things are. */
const RECORD: usize = 64;
const SUMS_K: usize = 0; // {Σ k, Σ k²}, float64
const SUMS_E: usize = 16; // {Σ e, Σ e · k}, float64: e = place − k is the error of code k, in units of 2^-15
const RANGE: usize = 32; // {least, most}, float32
const UNIT: usize = 40; // the step of the ladder, float64
const INVERSE: usize = 48; // 2^15 / (unit · condition), float32
const CONDITION: usize = 52; // what numbers are multiplied by first, float32
const HIGH: usize = 56; // of the key of the draws
// One more record than a chunk has blocks, for the passes that take two at a time: 64 · 65 bytes of the room.

export function minmaxSqueeze(
  v: usize, length: usize, block: usize, bits: u32, stochastic: i32, index: u32, low: u32, high: u32, header: usize,
  codes: usize,
): void {
  const blockBytes = codeBytes(block, bits);
  const chunk = block * min(max(CHUNK / block, 1), CHUNK_BLOCKS);
  const levels = <f64>((1 << bits) - 1);
  const records = room();
  for (let first: usize = 0; first < length; first += chunk) {
    // Pass after pass, two blocks to a division, so that none waits for the long divisions of one block.
    const end = min(first + chunk, length);
    let record = records;
    for (let start = first; start < end; start += block, record += RECORD) {
      findRange(v + (start << 2), min(block, length - start), record + RANGE);
    }
    const last = record;
    const plain = findLadders(last, 1 / (levels * SHRINK));
    record = records;
    let to = codes;
    for (let start = first; start < end; start += block, record += RECORD, to += blockBytes) {
      const a = v + (start << 2);
      const count = min(block, length - start);
      const draw = index + <u32>start;
      if (!plain) findConditionedCodes(a, count, bits, stochastic != 0, draw, low, high, record, to);
      else if (stochastic) {
        if (bits == 8) drawCodes8(a, count, draw, low, high, record, to);
        else if (bits == 4) drawCodes4(a, count, draw, low, high, record, to);
        else drawCodes2(a, count, draw, low, high, record, to);
      } else {
        if (bits == 8) roundCodes8(a, count, record, to);
        else if (bits == 4) roundCodes4(a, count, record, to);
        else roundCodes2(a, count, record, to);
      }
    }
    fitLevels(last, <f64>block, <f64>(end - first - (last - records - RECORD) / RECORD * block), levels, header);
    for (let start = first; start < end; start += block, header += 8, codes += blockBytes) {
      const count = min(block, length - start);
      leaveError(v + (start << 2), count, codes, bits, load<f32>(header), load<f32>(header, 4));
    }
  }
}

/** Writes the least and the largest number of a block. */
@inline
function findRange(a: usize, count: usize, range: usize): void {
  let least = f32x4.splat(f32.MAX_VALUE), most = f32x4.splat(-f32.MAX_VALUE);
  let least2 = least, most2 = most;
  let i: usize = 0;
  for (; i + 16 <= count; i += 16) {
    const p = a + (i << 2);
    const x = v128.load(p), y = v128.load(p, 16), z = v128.load(p, 32), w = v128.load(p, 48);
    least = f32x4.pmin(f32x4.pmin(least, x), z);
    most = f32x4.pmax(f32x4.pmax(most, x), z);
    least2 = f32x4.pmin(f32x4.pmin(least2, y), w);
    most2 = f32x4.pmax(f32x4.pmax(most2, y), w);
  }
  for (; i < count; i++) {
    const x = f32x4.splat(load<f32>(a + (i << 2)));
    least = f32x4.pmin(least, x);
    most = f32x4.pmax(most, x);
  }
  // The least is the largest of the negated, so that both are found at once.
  const signs = i64x2.splat(0x80000000);
  least = f32x4.neg(f32x4.pmin(least, least2));
  most = f32x4.pmax(most, most2);
  let both = f32x4.pmax(i32x4.shuffle(least, most, 0, 4, 1, 5), i32x4.shuffle(least, most, 2, 6, 3, 7));
  both = f32x4.pmax(both, i32x4.shuffle(both, both, 2, 3, 0, 1));
  // The zero makes −0 into 0, whichever of the two zeros was found.
  v128.store64_lane(range, f32x4.add(v128.xor(both, signs), f32x4.splat(0)), 0);
}

/**
 * The step from code to code of every block's range, and what makes a place of a number; 1 when no block needs its
 * numbers conditioned first: multiplied by a power of two that brings them to where float32 neither overflows nor
 * loses digits.
 */
@inline
function findLadders(last: usize, share: f64): bool {
  const one = f64x2.splat(1);
  let conditioned = f64x2.splat(0);
  const records = room();
  for (let record = records; record < last; record += 2 * RECORD) {
    const ranges = v128.load64_lane(record + RECORD + RANGE, v128.load64_zero(record + RANGE), 1);
    const least = f64x2.promote_low_f32x4(i32x4.shuffle(ranges, ranges, 0, 2, 0, 2));
    const most = f64x2.promote_low_f32x4(i32x4.shuffle(ranges, ranges, 1, 3, 1, 3));
    const range = f64x2.sub(most, least);
    const unit = f64x2.mul(range, f64x2.splat(share));
    const wide = f64x2.gt(range, f64x2.splat(0));
    const small = v128.and(f64x2.lt(range, f64x2.splat(TWO_TO_MINUS_64)), wide);
    const large = f64x2.gt(range, f64x2.splat(TWO_TO_64));
    conditioned = v128.or(conditioned, v128.or(small, large));
    const condition = v128.bitselect(
      f64x2.splat(TWO_TO_64), v128.bitselect(f64x2.splat(TWO_TO_MINUS_64), one, large), small,
    );
    // Where all numbers are equal, the places are 0.
    const inverse = v128.and(f64x2.div(f64x2.splat(FRACTION_ONE), f64x2.mul(unit, condition)), wide);
    const makers = i32x4.shuffle(
      f32x4.demote_f64x2_zero(inverse), f32x4.demote_f64x2_zero(condition), 0, 4, 1, 5,
    );
    v128.store64_lane(record + UNIT, unit, 0);
    v128.store64_lane(record + RECORD + UNIT, unit, 1);
    v128.store64_lane(record + INVERSE, makers, 0);
    v128.store64_lane(record + RECORD + INVERSE, makers, 1);
  }
  return !v128.any_true(conditioned);
}

const wholes = memory.data<f32>([8388608, 8388608, 8388608, 8388608], 16);

/** The places of four numbers, each as a float32 of 2^23 + place. */
@inline
function places(x: v128, plain: bool, condition: v128, base: v128, inverse: v128, whole: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.sub(plain ? x : f32x4.mul(x, condition), base), inverse), whole);
}

/** {Σ of a's lanes, Σ of b's lanes} in the two halves, two lanes each. */
@inline
function foldPair(a: v128, b: v128): v128 {
  return i32x4.add(i32x4.shuffle(a, b, 0, 1, 4, 5), i32x4.shuffle(a, b, 2, 3, 6, 7));
}

/** Writes the codes of a block, and their sums; `plain` leaves a condition of 1 out. */
@inline
function findCodes(
  a: usize, count: usize, bits: u32, stochastic: bool, plain: bool, index: u32, low: u32, high: u32, record: usize,
  codes: usize,
): void {
  store<u32>(record, high, HIGH);
  const m1 = v128.load(multipliers1), m2 = v128.load(multipliers2);
  const f4 = v128.load(fractionMasks), k4 = v128.load(codeMasks), w4 = v128.load(wholes);
  const h4 = v128.load32_splat(record, HIGH), i4 = v128.load32_splat(record, INVERSE);
  const c4 = v128.load32_splat(record, CONDITION), l4 = v128.load32_splat(record, RANGE);
  const b4 = plain ? l4 : f32x4.mul(l4, c4);
  let weyl = weylAt(low, index);
  const stride: usize = <usize>bits << 1;
  let to = codes;
  let sumsK = f64x2.splat(0), sumsE = sumsK;
  let k: usize = 0;
  while (k + 16 <= count) {
    const end = min(k + RUN, count & ~15);
    let sumK16 = i16x8.splat(0), sumKk = sumK16, sumE = sumK16, sumEk = sumK16;
    for (; k < end; k += 16) {
      const p = a + (k << 2);
      const ta = places(v128.load(p), plain, c4, b4, i4, w4), tb = places(v128.load(p, 16), plain, c4, b4, i4, w4);
      const fab = fractions(ta, tb, f4);
      const upAb = i16x8.gt_s(fab, limits(stochastic, stochastic ? drawBits4(weyl, h4, m1, m2) : weyl));
      if (stochastic) weyl = weylNext(weyl);
      const kab = codesOf(ta, tb, upAb, k4);
      const eab = v128.or(fab, i16x8.shl(upAb, 15));
      sumK16 = i16x8.add(sumK16, kab);
      sumKk = i32x4.add(sumKk, i32x4.dot_i16x8_s(kab, kab));
      sumE = i32x4.add(sumE, i32x4.extadd_pairwise_i16x8_s(eab));
      sumEk = i32x4.add(sumEk, i32x4.dot_i16x8_s(eab, kab));

      const tc = places(v128.load(p, 32), plain, c4, b4, i4, w4), td = places(v128.load(p, 48), plain, c4, b4, i4, w4);
      const fcd = fractions(tc, td, f4);
      const upCd = i16x8.gt_s(fcd, limits(stochastic, stochastic ? drawBits4(weyl, h4, m1, m2) : weyl));
      if (stochastic) weyl = weylNext(weyl);
      const kcd = codesOf(tc, td, upCd, k4);
      const ecd = v128.or(fcd, i16x8.shl(upCd, 15));
      sumK16 = i16x8.add(sumK16, kcd);
      sumKk = i32x4.add(sumKk, i32x4.dot_i16x8_s(kcd, kcd));
      sumE = i32x4.add(sumE, i32x4.extadd_pairwise_i16x8_s(ecd));
      sumEk = i32x4.add(sumEk, i32x4.dot_i16x8_s(ecd, kcd));
      storeCodes(to, i8x16.narrow_i16x8_u(kab, kcd), bits, k4);
      to += stride;
    }
    const ofK = foldPair(i32x4.extadd_pairwise_i16x8_s(sumK16), sumKk);
    const ofE = foldPair(sumE, sumEk);
    const totals = i32x4.add(i32x4.shuffle(ofK, ofE, 0, 2, 4, 6), i32x4.shuffle(ofK, ofE, 1, 3, 5, 7));
    sumsK = f64x2.add(sumsK, f64x2.convert_low_i32x4_s(totals));
    sumsE = f64x2.add(sumsE, f64x2.convert_low_i32x4_s(i32x4.shuffle(totals, totals, 2, 3, 2, 3)));
  }
  v128.store(record, sumsK, SUMS_K);
  v128.store(record, sumsE, SUMS_E);
  if (k < count) findLastCodes(a, k, count, bits, stochastic, index, low, high, record, to);
}

/** For the few blocks whose numbers need conditioning, whatever the bits; apart, to keep it out of the others' code. */
function findConditionedCodes(
  a: usize, count: usize, bits: u32, stochastic: bool, index: u32, low: u32, high: u32, record: usize, codes: usize,
): void {
  findCodes(a, count, bits, stochastic, false, index, low, high, record, codes);
}

// A function of its own for every case, since the compiler makes one of calls that differ in constants only.

function drawCodes8(a: usize, count: usize, index: u32, low: u32, high: u32, record: usize, codes: usize): void {
  findCodes(a, count, 8, true, true, index, low, high, record, codes);
}

function drawCodes4(a: usize, count: usize, index: u32, low: u32, high: u32, record: usize, codes: usize): void {
  findCodes(a, count, 4, true, true, index, low, high, record, codes);
}

function drawCodes2(a: usize, count: usize, index: u32, low: u32, high: u32, record: usize, codes: usize): void {
  findCodes(a, count, 2, true, true, index, low, high, record, codes);
}

function roundCodes8(a: usize, count: usize, record: usize, codes: usize): void {
  findCodes(a, count, 8, false, true, 0, 0, 0, record, codes);
}

function roundCodes4(a: usize, count: usize, record: usize, codes: usize): void {
  findCodes(a, count, 4, false, true, 0, 0, 0, record, codes);
}

function roundCodes2(a: usize, count: usize, record: usize, codes: usize): void {
  findCodes(a, count, 2, false, true, 0, 0, 0, record, codes);
}

/** The same for the numbers from `k` on, one by one. */
function findLastCodes(
  a: usize, k: usize, count: usize, bits: u32, stochastic: bool, index: u32, low: u32, high: u32, record: usize,
  codes: usize,
): void {
  const condition = load<f32>(record, CONDITION);
  const base = load<f32>(record, RANGE) * condition;
  const inverse = load<f32>(record, INVERSE);
  let sumK: i32 = 0, sumKk: i32 = 0, sumE: i32 = 0, sumEk: i32 = 0;
  memory.fill(codes, 0, codeBytes(count - k, bits));
  for (let j: usize = 0; k < count; k++, j++) {
    const place = reinterpret<u32>((load<f32>(a + (k << 2)) * condition - base) * inverse + WHOLE) & 0x7fffff;
    const fraction = place & FRACTION;
    const code = (place >> FRACTION_BITS) + <u32>(fraction > limit(stochastic, low, high, index, k));
    storeCode(codes, j, code, bits);
    const error = <i32>place - <i32>(code << FRACTION_BITS);
    sumK += code;
    sumKk += code * code;
    sumE += error;
    sumEk += error * <i32>code;
  }
  store<f64>(record, load<f64>(record, SUMS_K) + <f64>sumK, SUMS_K);
  store<f64>(record, load<f64>(record, SUMS_K + 8) + <f64>sumKk, SUMS_K + 8);
  store<f64>(record, load<f64>(record, SUMS_E) + <f64>sumE, SUMS_E);
  store<f64>(record, load<f64>(record, SUMS_E + 8) + <f64>sumEk, SUMS_E + 8);
}

/** Writes the offset and step of every block, of `block` numbers each and `rest` in the last. */
@inline
function fitLevels(last: usize, block: f64, rest: f64, levels: f64, header: usize): void {
  const zero = f64x2.splat(0);
  const ofErrors = f64x2.splat(1 / FRACTION_ONE);
  const records = room();
  for (let record = records; record < last; record += 2 * RECORD, header += 16) {
    const isLast = record + RECORD >= last;
    const n = f64x2.replace_lane(
      f64x2.splat(isLast ? rest : block), 1, record + 2 * RECORD >= last ? rest : block,
    );
    const k0 = v128.load(record, SUMS_K), k1 = v128.load(record + RECORD, SUMS_K);
    const e0 = v128.load(record, SUMS_E), e1 = v128.load(record + RECORD, SUMS_E);
    const sumK = i64x2.shuffle(k0, k1, 0, 2), sumKk = i64x2.shuffle(k0, k1, 1, 3);
    const sumE = f64x2.mul(i64x2.shuffle(e0, e1, 0, 2), ofErrors);
    const sumEk = f64x2.mul(i64x2.shuffle(e0, e1, 1, 3), ofErrors);
    const least = f64x2.promote_low_f32x4(
      i32x4.shuffle(v128.load32_zero(record + RANGE), v128.load32_zero(record + RECORD + RANGE), 0, 4, 0, 4),
    );
    const unit = v128.load64_lane(record + RECORD + UNIT, v128.load64_zero(record + UNIT), 1);

    const spread = f64x2.sub(f64x2.mul(n, sumKk), f64x2.mul(sumK, sumK));
    const slope = v128.and(
      f64x2.div(f64x2.sub(f64x2.mul(n, sumEk), f64x2.mul(sumE, sumK)), spread), f64x2.gt(spread, zero),
    );
    const shift = f64x2.mul(f64x2.sub(sumE, f64x2.mul(slope, sumK)), f64x2.div(f64x2.splat(1), n));
    let step = f64x2.mul(unit, f64x2.add(f64x2.splat(1), slope));
    let offset = f64x2.add(least, f64x2.mul(unit, shift));
    const reach = f64x2.mul(step, f64x2.splat(levels));
    const farthest = f64x2.pmax(
      f64x2.pmax(f64x2.abs(offset), f64x2.abs(reach)), f64x2.abs(f64x2.add(offset, reach)),
    );
    const beyond = v128.and(f64x2.gt(farthest, f64x2.splat(LARGEST)), f64x2.gt(unit, zero));
    const scale = v128.bitselect(f64x2.splat(0.25), f64x2.splat(1), beyond);
    step = f64x2.mul(step, scale);
    offset = f64x2.mul(offset, scale);
    const fitted = i32x4.shuffle(f32x4.demote_f64x2_zero(offset), f32x4.demote_f64x2_zero(step), 0, 4, 1, 5);
    v128.store64_lane(header, fitted, 0);
    if (!isLast) v128.store64_lane(header + 8, fitted, 1);
  }
}

/** v −= offset + step · code */
function leaveError(v: usize, count: usize, codes: usize, bits: u32, offset: f32, step: f32): void {
  if (bits == 8) subtractCodes(v, count, codes, 8, false, 0, offset, step);
  else if (bits == 4) subtractCodes(v, count, codes, 4, false, 0, offset, step);
  else subtractCodes(v, count, codes, 2, false, 0, offset, step);
}

export function minmaxAddTo(
  out: usize, length: usize, block: usize, bits: u32, payload: usize, codes: usize, factor: f32,
): void {
  if (bits == 8) addBlocks(out, length, block, 8, payload, codes, factor);
  else if (bits == 4) addBlocks(out, length, block, 4, payload, codes, factor);
  else addBlocks(out, length, block, 2, payload, codes, factor);
}

@inline
function addBlocks(
  out: usize, length: usize, block: usize, bits: u32, payload: usize, codes: usize, factor: f32,
): void {
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    addCodes(out + (start << 2), count, codes, bits, false, 0, load<f32>(payload), load<f32>(payload, 4), factor);
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
