// Min–max levels refitted by least squares. Format and meaning: ../reference/minmax.ts.

import { addCodes, codeBytes, conditioner, round, round4, storeCode, storeCodes, toCodes } from "./codes";
import { weylAt, weylNext } from "./random";
import { promoteHigh } from "./sums";

/** Numbers whose float32 sums are taken before they go on in float64. */
const RUN: usize = 1024;
const LARGEST: f64 = 3.4e38;

/** Numbers whose blocks go through the three passes together: few enough to stay in the nearest cache. */
const CHUNK: usize = 2048;

export function minmaxSqueeze(
  v: usize, length: usize, block: usize, bits: u32, stochastic: i32, index: u32, low: u32, high: u32, payload: usize,
): void {
  let codes = payload + ((length + block - 1) / block << 3);
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
      if (stochastic) squeezeBlock(a, count, bits, true, draw, low, high, header, to);
      else squeezeBlock(a, count, bits, false, draw, low, high, header, to);
    }
    for (let start = first; start < end; start += block, payload += 8, codes += blockBytes) {
      const count = min(block, length - start);
      addCodes(v + (start << 2), count, codes, bits, 0, load<f32>(payload), load<f32>(payload, 4), -1);
    }
  }
}

/** From sums {p0 + p4 … p3 + p7} of two things, the last step but one: {x0 + x2, y0 + y2, x1 + x3, y1 + y3}. */
@inline
function foldPair(x: v128, y: v128): v128 {
  return f32x4.add(i32x4.shuffle(x, y, 0, 4, 1, 5), i32x4.shuffle(x, y, 2, 6, 3, 7));
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

/** Writes the codes of a block, and its offset and step over the range in its header. */
@inline
function squeezeBlock(
  a: usize, count: usize, bits: u32, stochastic: bool, index: u32, low: u32, high: u32, header: usize, codes: usize,
): void {
  const least = load<f32>(header), most = load<f32>(header, 4);
  const range = <f64>most - <f64>least;
  if (!(range > 0)) {
    store<f32>(header, 0, 4);
    memory.fill(codes, 0, codeBytes(count, bits));
    return;
  }

  const levels = <f32>((1 << bits) - 1);
  const condition = conditioner(range);
  const base = least * condition;
  const inverse = <f32>(<f64>levels / (range * <f64>condition));
  const c4 = f32x4.splat(condition), b4 = f32x4.splat(base), i4 = f32x4.splat(inverse), l4 = f32x4.splat(levels);
  const h4 = i32x4.splat(high);
  const lanes = i32x4(0, 1, 2, 3), lanesAbove = i32x4(4, 5, 6, 7);
  let weyl = weylAt(low, index);
  const stride: usize = <usize>bits << 1;
  let to = codes;
  // k is a code and e = t − k its error.
  let sumsK = f64x2.splat(0), sumsE = f64x2.splat(0); // {Σ k, Σ k²} and {Σ e, Σ e · k}
  for (let start: usize = 0; start < count; start += RUN) {
    const end = min(start + RUN, count);
    let k0 = f32x4.splat(0), kk0 = k0, e0 = k0, ek0 = k0, k1 = k0, kk1 = k0, e1 = k0, ek1 = k0;
    let k = start;
    for (; k + 16 <= end; k += 16) {
      const p = a + (k << 2);
      const ta = f32x4.pmin(l4, f32x4.mul(f32x4.sub(f32x4.mul(v128.load(p), c4), b4), i4));
      const tb = f32x4.pmin(l4, f32x4.mul(f32x4.sub(f32x4.mul(v128.load(p, 16), c4), b4), i4));
      const tc = f32x4.pmin(l4, f32x4.mul(f32x4.sub(f32x4.mul(v128.load(p, 32), c4), b4), i4));
      const td = f32x4.pmin(l4, f32x4.mul(f32x4.sub(f32x4.mul(v128.load(p, 48), c4), b4), i4));
      const ka = round4(ta, stochastic, weyl, h4);
      if (stochastic) weyl = weylNext(weyl);
      const kb = round4(tb, stochastic, weyl, h4);
      if (stochastic) weyl = weylNext(weyl);
      const kc = round4(tc, stochastic, weyl, h4);
      if (stochastic) weyl = weylNext(weyl);
      const kd = round4(td, stochastic, weyl, h4);
      if (stochastic) weyl = weylNext(weyl);
      storeCodes(to, toCodes(ka, kb, kc, kd, 0), bits);
      to += stride;
      const ea = f32x4.sub(ta, ka), eb = f32x4.sub(tb, kb), ec = f32x4.sub(tc, kc), ed = f32x4.sub(td, kd);
      k0 = f32x4.add(f32x4.add(k0, ka), kc);
      k1 = f32x4.add(f32x4.add(k1, kb), kd);
      kk0 = f32x4.add(f32x4.add(kk0, f32x4.mul(ka, ka)), f32x4.mul(kc, kc));
      kk1 = f32x4.add(f32x4.add(kk1, f32x4.mul(kb, kb)), f32x4.mul(kd, kd));
      e0 = f32x4.add(f32x4.add(e0, ea), ec);
      e1 = f32x4.add(f32x4.add(e1, eb), ed);
      ek0 = f32x4.add(f32x4.add(ek0, f32x4.mul(ea, ka)), f32x4.mul(ec, kc));
      ek1 = f32x4.add(f32x4.add(ek1, f32x4.mul(eb, kb)), f32x4.mul(ed, kd));
    }
    if (k < end) memory.fill(to, 0, codeBytes(end - k, bits));
    for (let j: usize = 0; k < end; k++, j++) {
      const scaled = (load<f32>(a + (k << 2)) * condition - base) * inverse;
      const t = scaled < levels ? scaled : levels;
      const code = round(t, stochastic, low, high, index + <u32>k);
      storeCode(to, j, <u32>code, bits);
      const here = i32x4.splat(<i32>(k & 7));
      const in0 = i32x4.eq(here, lanes), in1 = i32x4.eq(here, lanesAbove);
      const code4 = f32x4.splat(code), square4 = f32x4.splat(code * code);
      const e4 = f32x4.splat(t - code), ek4 = f32x4.splat((t - code) * code);
      k0 = f32x4.add(k0, v128.and(code4, in0));
      k1 = f32x4.add(k1, v128.and(code4, in1));
      kk0 = f32x4.add(kk0, v128.and(square4, in0));
      kk1 = f32x4.add(kk1, v128.and(square4, in1));
      e0 = f32x4.add(e0, v128.and(e4, in0));
      e1 = f32x4.add(e1, v128.and(e4, in1));
      ek0 = f32x4.add(ek0, v128.and(ek4, in0));
      ek1 = f32x4.add(ek1, v128.and(ek4, in1));
    }
    const ofK = foldPair(f32x4.add(k0, k1), f32x4.add(kk0, kk1));
    const ofE = foldPair(f32x4.add(e0, e1), f32x4.add(ek0, ek1));
    const totals = f32x4.add(i32x4.shuffle(ofK, ofE, 0, 1, 4, 5), i32x4.shuffle(ofK, ofE, 2, 3, 6, 7));
    sumsK = f64x2.add(sumsK, f64x2.promote_low_f32x4(totals));
    sumsE = f64x2.add(sumsE, promoteHigh(totals));
  }

  const sumK = f64x2.extract_lane(sumsK, 0), sumKk = f64x2.extract_lane(sumsK, 1);
  const sumE = f64x2.extract_lane(sumsE, 0), sumEk = f64x2.extract_lane(sumsE, 1);
  const n = <f64>count;
  const spread = n * sumKk - sumK * sumK;
  const slope = spread > 0 ? (n * sumEk - sumE * sumK) / spread : 0;
  const shift = (sumE - slope * sumK) / n;
  const unit = range / <f64>levels;
  let step = unit * (1 + slope);
  let offset = <f64>least + unit * shift;
  const reach = step * <f64>levels;
  if (abs(offset) > LARGEST || abs(reach) > LARGEST || abs(offset + reach) > LARGEST) {
    step *= 0.25;
    offset *= 0.25;
  }
  store<f32>(header, <f32>offset);
  store<f32>(header, <f32>step, 4);
}

export function minmaxAddTo(out: usize, length: usize, block: usize, bits: u32, payload: usize, factor: f32): void {
  let codes = payload + ((length + block - 1) / block << 3);
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
