// The draws of ../../random.ts, four at a time. Inlined, not exported from the module.

const WEYL: u32 = 0x9e3779b9;
const MULTIPLIER_1: u32 = 0x21f0aaad;
const MULTIPLIER_2: u32 = 0x735a2d97;

/** Where the Weyl sequence stands at draws index … index + 3. */
@inline
export function weylAt(low: u32, index: u32): v128 {
  return i32x4.add(i32x4.splat(low + index * WEYL), i32x4(0, 0x9e3779b9, 0x3c6ef372, 0xdaa66d2b));
}

// V8 rebuilds a constant of four lanes, in several steps, wherever a loop needs it. One that was read from memory before
// the loop stays in a register, as far as there are enough; so constants of loops are read there, here and in other kernels.
export const multipliers1 = memory.data<u32>([0x21f0aaad, 0x21f0aaad, 0x21f0aaad, 0x21f0aaad], 16);
export const multipliers2 = memory.data<u32>([0x735a2d97, 0x735a2d97, 0x735a2d97, 0x735a2d97], 16);
const fourSteps = memory.data<u32>([0x78dde6e4, 0x78dde6e4, 0x78dde6e4, 0x78dde6e4], 16);

/** Four draws further. */
@inline
export function weylNext(weyl: v128): v128 {
  return i32x4.add(weyl, v128.load(fourSteps));
}

/** Four draws, with the multipliers above. */
@inline
export function drawBits4(weyl: v128, high: v128, m1: v128, m2: v128): v128 {
  let x = i32x4.mul(v128.xor(weyl, i32x4.shr_u(weyl, 16)), m1);
  x = i32x4.mul(v128.xor(v128.xor(x, i32x4.shr_u(x, 15)), high), m2);
  return v128.xor(x, i32x4.shr_u(x, 15));
}

@inline
export function drawBits(low: u32, high: u32, index: u32): u32 {
  let x = index * WEYL + low;
  x = (x ^ (x >> 16)) * MULTIPLIER_1;
  x = (x ^ (x >> 15) ^ high) * MULTIPLIER_2;
  return x ^ (x >> 15);
}

/** The 16 bits that number k of a block draws, which begins at draw `index`; `drawBits4` gives those of eight numbers. */
@inline
export function drawHalf(low: u32, high: u32, index: u32, k: usize): u32 {
  return (drawBits(low, high, index + <u32>(k >> 1)) >> ((<u32>k & 1) << 4)) & 0xffff;
}
