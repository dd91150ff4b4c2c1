// QSGD. Format and meaning: ../reference/qsgd.ts.

import { addCodes, codeBytes, codesWithin, conditioner, round, round4, storeCode, storeCodes, toCodes } from "./codes";
import { weylAt, weylNext } from "./random";
import { sumOfSquares } from "./vector";

const LARGEST: f64 = 3.4e38;

export function qsgdSqueeze(
  v: usize, length: usize, block: usize, bits: u32, levels: f32, shrink: f64, index: u32, low: u32, high: u32,
  payload: usize,
): void {
  let codes = payload + ((length + block - 1) / block << 2);
  const h4 = i32x4.splat(high), l4 = f32x4.splat(levels), m4 = f32x4.splat(-levels);
  const stride: usize = <usize>bits << 1;
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    const a = v + (start << 2);
    const first = index + <u32>start;
    const norm = Math.sqrt(sumOfSquares(a, count));
    const condition = conditioner(norm);
    const inverse: f32 = norm > 0 ? <f32>(<f64>levels / (norm * <f64>condition)) : 0;
    const unit = <f32>min(norm * shrink, LARGEST / <f64>levels);
    store<f32>(payload, unit);
    payload += 4;
    const c4 = f32x4.splat(condition), i4 = f32x4.splat(inverse);
    let weyl = weylAt(low, first);
    let to = codes;
    let k: usize = 0;
    for (; k + 16 <= count; k += 16) {
      const p = a + (k << 2);
      const ta = f32x4.pmax(m4, f32x4.pmin(l4, f32x4.mul(f32x4.mul(v128.load(p), c4), i4)));
      const tb = f32x4.pmax(m4, f32x4.pmin(l4, f32x4.mul(f32x4.mul(v128.load(p, 16), c4), i4)));
      const tc = f32x4.pmax(m4, f32x4.pmin(l4, f32x4.mul(f32x4.mul(v128.load(p, 32), c4), i4)));
      const td = f32x4.pmax(m4, f32x4.pmin(l4, f32x4.mul(f32x4.mul(v128.load(p, 48), c4), i4)));
      const ka = round4(ta, true, weyl, h4);
      weyl = weylNext(weyl);
      const kb = round4(tb, true, weyl, h4);
      weyl = weylNext(weyl);
      const kc = round4(tc, true, weyl, h4);
      weyl = weylNext(weyl);
      const kd = round4(td, true, weyl, h4);
      weyl = weylNext(weyl);
      storeCodes(to, toCodes(ka, kb, kc, kd, levels), bits);
      to += stride;
    }
    if (k < count) memory.fill(to, 0, codeBytes(count - k, bits));
    for (let j: usize = 0; k < count; k++, j++) {
      const scaled = load<f32>(a + (k << 2)) * condition * inverse;
      const below = scaled < levels ? scaled : levels;
      const t = -levels < below ? below : -levels;
      storeCode(to, j, <u32>(round(t, true, low, high, first + <u32>k) + levels), bits);
    }
    addCodes(a, count, codes, bits, levels, 0, unit, -1);
    codes += codeBytes(count, bits);
  }
}

export function qsgdAddTo(
  out: usize, length: usize, block: usize, bits: u32, levels: f32, payload: usize, factor: f32,
): void {
  let codes = payload + ((length + block - 1) / block << 2);
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    addCodes(out + (start << 2), count, codes, bits, levels, 0, load<f32>(payload), factor);
    payload += 4;
    codes += codeBytes(count, bits);
  }
}

export function qsgdFinite(payload: usize, blocks: usize, levels: f32): i32 {
  for (let b: usize = 0; b < blocks; b++, payload += 4) {
    if (!isFinite(load<f32>(payload) * levels)) return 0;
  }
  return 1;
}

export function qsgdCheck(payload: usize, length: usize, block: usize, bits: u32, levels: f32): i32 {
  let codes = payload + ((length + block - 1) / block << 2);
  const limit = <u32>levels << 1;
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    if (!codesWithin(codes, count, bits, limit)) return 0;
    codes += codeBytes(count, bits);
  }
  return 1;
}
