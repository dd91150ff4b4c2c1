// Natural dithering. Format and meaning: ../reference/dithering.ts.

import { largestMagnitude } from "./natural";
import { drawBits } from "./random";

const MAGNITUDE: u32 = 0x7fffffff;
const SIGN: u32 = 0x80000000;
const LEVELS: i32 = 7;

/** What a code stands for. */
@inline
function levelOf(base: u32, code: u32): f32 {
  const exponent = code & 7 ? (base + (code & 7)) << 23 : 0;
  return reinterpret<f32>(exponent | ((code & 8) << 28));
}

/** The code of the number at `p`, whose error stays there. */
@inline
function squeezeOne(p: usize, half: u32, base: u32, spread: f64): u32 {
  const x = load<u32>(p);
  const magnitude = x & MAGNITUDE;
  let code: u32;
  if (magnitude >> 23 > base) code = min<u32>((magnitude + (half << 7)) >> 23, 254) - base;
  else code = u32(<u32>(<f64>reinterpret<f32>(magnitude) * spread) > half);
  code |= (x & SIGN) >> 28;
  store<f32>(p, reinterpret<f32>(x) - levelOf(base, code));
  return code;
}

export function ditheringSqueeze(
  v: usize, length: usize, block: usize, index: u32, low: u32, high: u32, bases: usize, codes: usize,
): void {
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    const a = v + (start << 2);
    const first = index + <u32>start;
    const base = <u32>max<i32>(0, min<i32>(254, <i32>(largestMagnitude(a, count) >> 23) + 1) - LEVELS);
    store<u8>(bases++, <u8>base);
    // 2^16 over the least level, a power of two: the exponent of 2^(16 − (base + 1 − 127)).
    const spread = reinterpret<f64>(<u64>(1023 + 16 + 126 - base) << 52);
    let k: usize = 0;
    for (; k + 2 <= count; k += 2, codes++) {
      const p = a + (k << 2);
      const draw = drawBits(low, high, first + <u32>(k >> 1));
      const lower = squeezeOne(p, draw & 0xffff, base, spread);
      store<u8>(codes, lower | (squeezeOne(p + 4, draw >> 16, base, spread) << 4));
    }
    if (k < count) {
      const draw = drawBits(low, high, first + <u32>(k >> 1));
      store<u8>(codes++, squeezeOne(a + (k << 2), draw & 0xffff, base, spread));
    }
  }
}

/** What four codes stand for: code j in the low bits of lane j. */
@inline
function levels4(codes: v128, base: v128): v128 {
  const code = v128.and(codes, i32x4.splat(7));
  const level = v128.and(i32x4.shl(i32x4.add(code, base), 23), i32x4.ne(code, i32x4.splat(0)));
  return v128.or(level, i32x4.shl(v128.and(codes, i32x4.splat(8)), 28));
}

@inline
function add4(p: usize, codes: v128, base: v128, factor: v128): void {
  v128.store(p, f32x4.add(v128.load(p), f32x4.mul(factor, levels4(codes, base))));
}

export function ditheringAddTo(
  out: usize, length: usize, block: usize, bases: usize, codes: usize, factor: f32,
): void {
  const f4 = f32x4.splat(factor);
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    let p = out + (start << 2);
    const base = <u32>load<u8>(bases++);
    const b4 = i32x4.splat(base);
    let k: usize = 0;
    for (; k + 8 <= count; k += 8, p += 32, codes += 4) {
      const packed = load<u32>(codes);
      add4(p, i32x4(packed, packed >> 4, packed >> 8, packed >> 12), b4, f4);
      add4(p + 16, i32x4(packed >> 16, packed >> 20, packed >> 24, packed >> 28), b4, f4);
    }
    for (let bit: u32 = 0; k < count; k++, bit ^= 4, p += 4) {
      store<f32>(p, load<f32>(p) + factor * levelOf(base, (<u32>load<u8>(codes) >> bit) & 15));
      if (bit || k + 1 == count) codes++;
    }
  }
}
