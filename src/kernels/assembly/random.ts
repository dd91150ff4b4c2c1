// The draws of ../../random.ts, four at a time. Inlined, not exported from the module.

const WEYL: u32 = 0x9e3779b9;
const MULTIPLIER_1: u32 = 0x21f0aaad;
const MULTIPLIER_2: u32 = 0x735a2d97;
const TWO_TO_MINUS_24: f32 = 5.9604644775390625e-8;

/** Where the Weyl sequence stands at draws index … index + 3. */
@inline
export function weylAt(low: u32, index: u32): v128 {
  return i32x4.add(i32x4.splat(low + index * WEYL), i32x4(0, 0x9e3779b9, 0x3c6ef372, 0xdaa66d2b));
}

/** Four draws further. */
@inline
export function weylNext(weyl: v128): v128 {
  return i32x4.add(weyl, i32x4.splat(0x78dde6e4));
}

@inline
export function drawBits4(weyl: v128, high: v128): v128 {
  let x = i32x4.mul(v128.xor(weyl, i32x4.shr_u(weyl, 16)), i32x4.splat(MULTIPLIER_1));
  x = i32x4.mul(v128.xor(v128.xor(x, i32x4.shr_u(x, 15)), high), i32x4.splat(MULTIPLIER_2));
  return v128.xor(x, i32x4.shr_u(x, 15));
}

/** Four numbers in [0, 1), multiples of 2^-24. */
@inline
export function uniform4(weyl: v128, high: v128): v128 {
  const top = i32x4.shr_u(drawBits4(weyl, high), 8);
  return f32x4.mul(f32x4.convert_i32x4_s(top), f32x4.splat(TWO_TO_MINUS_24));
}

@inline
export function drawBits(low: u32, high: u32, index: u32): u32 {
  let x = index * WEYL + low;
  x = (x ^ (x >> 16)) * MULTIPLIER_1;
  x = (x ^ (x >> 15) ^ high) * MULTIPLIER_2;
  return x ^ (x >> 15);
}

@inline
export function uniform(low: u32, high: u32, index: u32): f32 {
  return <f32>(drawBits(low, high, index) >> 8) * TWO_TO_MINUS_24;
}
