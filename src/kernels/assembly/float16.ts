// IEEE half precision. Format and meaning: ../reference/float16.ts.

const LARGEST: f32 = 65504;
const SIGN: u32 = 0x80000000;
const EXPONENT: u32 = 0x7f800000;
/** The exponent field of 2^-14, the smallest normal half; below it halves are evenly spaced. */
const SMALLEST: i32 = 113 << 23;

// Read before the loops, for the reason given in random.ts.
const largests = memory.data<f32>([65504, 65504, 65504, 65504], 16);
const signBits = memory.data<u32>([0x80000000, 0x80000000, 0x80000000, 0x80000000], 16);
const exponents = memory.data<u32>([0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000], 16);
const magnitudes = memory.data<u32>([0x0fffe000, 0x0fffe000, 0x0fffe000, 0x0fffe000], 16);
const rebias = memory.data<u32>([0x38000000, 0x38000000, 0x38000000, 0x38000000], 16);
const signsOf8 = memory.data<u16>([0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0x8000], 16);
const smallests = memory.data<u32>([0x38800000, 0x38800000, 0x38800000, 0x38800000], 16);
const thirteens = memory.data<u32>([0x06800000, 0x06800000, 0x06800000, 0x06800000], 16);
/** Of the halves of a sum's bits: the low one holds the significand, the high one 128 times the exponent. */
const places = memory.data<i16>([1, 8, 1, 8, 1, 8, 1, 8], 16);
const leastCodes = memory.data<u32>([0x1f800, 0x1f800, 0x1f800, 0x1f800], 16);

/** 2^13 times the power of two at or below a magnitude: added to it, what is beyond a half's precision is rounded away. */
@inline
function rounderOf(magnitude: v128, exponent: v128, smallest: v128, thirteen: v128): v128 {
  return i32x4.add(i32x4.max_s(v128.and(magnitude, exponent), smallest), thirteen);
}

/** Leaves the error of four numbers, of which these are the magnitudes of the halves. */
@inline
function leave(p: usize, x: v128, half: v128, sign: v128): void {
  v128.store(p, f32x4.sub(x, v128.or(half, v128.and(x, sign))));
}

/** Four halves without their sign, in the low 16 bits of each lane, from the sums of magnitudes and rounders. */
@inline
function codesOf(sum: v128, places: v128, least: v128): v128 {
  // The low bits of the sum are the significand, implicit bit included: it adds one to the exponent.
  return i32x4.sub(i32x4.dot_i16x8_s(sum, places), least);
}

/** The numbers that four halves, each extended with its sign to a lane, stand for. */
@inline
function fromHalf(h: v128, m4: v128, r4: v128, l4: v128, s4: v128): v128 {
  const number = i32x4.add(v128.and(i32x4.shl(h, 13), m4), r4);
  // Halves below 2^-14 have no implicit bit: what was read as 2^-15 (1 + m) is to be 2^-14 m.
  const excess = f32x4.pmin(f32x4.sub(number, l4), f32x4.splat(0));
  return v128.or(f32x4.add(number, excess), v128.and(h, s4));
}

export function float16Squeeze(v: usize, length: usize, payload: usize): void {
  const l4 = v128.load(largests), s4 = v128.load(signBits), e4 = v128.load(exponents);
  const m4 = v128.load(smallests), t4 = v128.load(thirteens), p4 = v128.load(places), c4 = v128.load(leastCodes);
  let k: usize = 0;
  for (; k + 8 <= length; k += 8) {
    const p = v + (k << 2);
    const x = v128.load(p), y = v128.load(p, 16);
    const ofX = f32x4.pmin(l4, v128.andnot(x, s4)), ofY = f32x4.pmin(l4, v128.andnot(y, s4));
    const rounderX = rounderOf(ofX, e4, m4, t4), rounderY = rounderOf(ofY, e4, m4, t4);
    const sumX = f32x4.add(ofX, rounderX), sumY = f32x4.add(ofY, rounderY);
    leave(p, x, f32x4.sub(sumX, rounderX), s4);
    leave(p + 16, y, f32x4.sub(sumY, rounderY), s4);
    const halves = i16x8.narrow_i32x4_s(codesOf(sumX, p4, c4), codesOf(sumY, p4, c4));
    // Narrowing the upper halves keeps the signs.
    const signs = v128.and(i16x8.narrow_i32x4_s(x, y), v128.load(signsOf8));
    v128.store(payload + (k << 1), v128.or(halves, signs));
  }
  for (; k < length; k++) {
    const p = v + (k << 2);
    const x = load<f32>(p);
    const magnitude = min<f32>(LARGEST, abs(x));
    const rounder = max<i32>(reinterpret<u32>(magnitude) & EXPONENT, SMALLEST) + (13 << 23);
    const rounded = magnitude + reinterpret<f32>(rounder);
    const half = rounded - reinterpret<f32>(rounder);
    store<f32>(p, x - copysign<f32>(half, x));
    const code = reinterpret<u32>(rounded) - rounder + ((rounder - (SMALLEST + (13 << 23))) >> 13);
    store<u16>(payload + (k << 1), code | ((reinterpret<u32>(x) & SIGN) >> 16));
  }
}

export function float16AddTo(out: usize, length: usize, payload: usize, factor: f32): void {
  const scale = f32x4.splat(factor), m4 = v128.load(magnitudes), r4 = v128.load(rebias);
  const l4 = v128.load(smallests), s4 = v128.load(signBits);
  let k: usize = 0;
  for (; k + 8 <= length; k += 8) {
    const p = out + (k << 2);
    const halves = v128.load(payload + (k << 1));
    const x = fromHalf(i32x4.extend_low_i16x8_s(halves), m4, r4, l4, s4);
    const y = fromHalf(i32x4.extend_high_i16x8_s(halves), m4, r4, l4, s4);
    v128.store(p, f32x4.add(v128.load(p), f32x4.mul(scale, x)));
    v128.store(p, f32x4.add(v128.load(p, 16), f32x4.mul(scale, y)), 16);
  }
  for (; k < length; k++) {
    const p = out + (k << 2);
    const x = fromHalf(i32x4.splat(<i32>load<i16>(payload + (k << 1))), m4, r4, l4, s4);
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
