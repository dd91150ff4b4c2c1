// IEEE half precision. Format and meaning: ../reference/float16.ts.

const LARGEST: f32 = 65504;
const SMALLEST_NORMAL: f32 = 0.00006103515625; // 2^-14
const UNIT: f32 = 5.9604644775390625e-8; // 2^-24, the step of the subnormal halves

/** Four halves (in the low 16 bits of each lane) nearest to x, ties to even, saturated. */
@inline
function toHalf(x: v128): v128 {
  const signBit = i32x4.splat(0x80000000);
  const magnitude = f32x4.pmin(f32x4.splat(LARGEST), f32x4.abs(x));
  // Above 2^-14: round away the low 13 bits of the significand, then move the exponent's bias from 127 to 15.
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const rounded = i32x4.add(magnitude, i32x4.add(odd, i32x4.splat(0xfff - (112 << 23))));
  const normal = i32x4.shr_u(rounded, 13);
  // Below: adding ½, whose last bit is worth 2^-24, leaves the subnormal in the low bits.
  const half = f32x4.splat(0.5);
  const subnormal = i32x4.sub(f32x4.add(magnitude, half), half);
  const small = f32x4.lt(magnitude, f32x4.splat(SMALLEST_NORMAL));
  const sign = i32x4.shr_u(v128.and(x, signBit), 16);
  return v128.or(v128.bitselect(subnormal, normal, small), sign);
}

/** The numbers that four halves, in the low 16 bits of each lane, stand for. */
@inline
function fromHalf(h: v128): v128 {
  const sign = i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16);
  const magnitude = v128.and(h, i32x4.splat(0x7fff));
  const normal = i32x4.add(i32x4.shl(magnitude, 13), i32x4.splat(112 << 23));
  const subnormal = f32x4.mul(f32x4.convert_i32x4_s(magnitude), f32x4.splat(UNIT));
  const small = i32x4.lt_s(magnitude, i32x4.splat(0x400));
  return v128.or(v128.bitselect(subnormal, normal, small), sign);
}

export function float16Squeeze(v: usize, length: usize, payload: usize): void {
  let k: usize = 0;
  for (; k + 8 <= length; k += 8) {
    const p = v + (k << 2);
    const x = v128.load(p), y = v128.load(p, 16);
    const xHalf = toHalf(x), yHalf = toHalf(y);
    v128.store(payload + (k << 1), i16x8.narrow_i32x4_u(xHalf, yHalf));
    v128.store(p, f32x4.sub(x, fromHalf(xHalf)));
    v128.store(p, f32x4.sub(y, fromHalf(yHalf)), 16);
  }
  for (; k < length; k++) {
    const p = v + (k << 2);
    const x = load<f32>(p);
    const half = toHalf(f32x4.splat(x));
    store<u16>(payload + (k << 1), <u16>i32x4.extract_lane(half, 0));
    store<f32>(p, x - f32x4.extract_lane(fromHalf(half), 0));
  }
}

export function float16AddTo(out: usize, length: usize, payload: usize, factor: f32): void {
  const scale = f32x4.splat(factor);
  let k: usize = 0;
  for (; k + 8 <= length; k += 8) {
    const p = out + (k << 2);
    const halves = v128.load(payload + (k << 1));
    const x = fromHalf(i32x4.extend_low_i16x8_u(halves));
    const y = fromHalf(i32x4.extend_high_i16x8_u(halves));
    v128.store(p, f32x4.add(v128.load(p), f32x4.mul(scale, x)));
    v128.store(p, f32x4.add(v128.load(p, 16), f32x4.mul(scale, y)), 16);
  }
  for (; k < length; k++) {
    const p = out + (k << 2);
    const x = fromHalf(i32x4.splat(load<u16>(payload + (k << 1))));
    store<f32>(p, load<f32>(p) + factor * f32x4.extract_lane(x, 0));
  }
}

export function float16Finite(payload: usize, length: usize): i32 {
  const exponent = i16x8.splat(0x7c00);
  let k: usize = 0;
  let bad = i16x8.splat(0);
  for (; k + 8 <= length; k += 8) {
    bad = v128.or(bad, i16x8.eq(v128.and(v128.load(payload + (k << 1)), exponent), exponent));
  }
  if (v128.any_true(bad)) return 0;
  for (; k < length; k++) {
    if ((load<u16>(payload + (k << 1)) & 0x7c00) == 0x7c00) return 0;
  }
  return 1;
}
