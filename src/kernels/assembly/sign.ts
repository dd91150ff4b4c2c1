// Sign with L1 scale. Format and meaning: ../reference/sign.ts.
import { blockOfMagnitudes } from "./vector";

// Read before the loops, for the reason given in random.ts.
const fourSigns = memory.data<u32>([0x80000000, 0x80000000, 0x80000000, 0x80000000], 16);
/** Multiplying by these brings bit 0, 1, 2 or 3 to the sign's place, a lane each. */
const raises = memory.data<u32>([0x80000000, 0x40000000, 0x20000000, 0x10000000], 16);

export function signSqueeze(v: usize, length: usize, block: usize, scales: usize, bits: usize): void {
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    const a = v + (start << 2);
    const scale = <f32>(blockOfMagnitudes(a, count) / <f64>count);
    store<f32>(scales, scale);
    scales += 4;
    bits = signBlock(a, count, scale, bits);
  }
}

export function signBits(v: usize, length: usize, scale: f32, bits: usize): void {
  signBlock(v, length, scale, bits);
}

/** Leaves the error of four numbers. */
@inline
function leave(p: usize, x: v128, scale: v128, sign: v128): void {
  v128.store(p, f32x4.sub(x, v128.or(scale, v128.and(x, sign))));
}

@inline
function signBlock(a: usize, count: usize, scale: f32, bits: usize): usize {
  const s4 = f32x4.splat(scale), m4 = v128.load(fourSigns);
  let k: usize = 0;
  for (; k + 16 <= count; k += 16) {
    const p = a + (k << 2);
    const x = v128.load(p), y = v128.load(p, 16), z = v128.load(p, 32), w = v128.load(p, 48);
    // Narrowing keeps the sign, whatever becomes of the rest.
    const signs = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(x, y), i16x8.narrow_i32x4_s(z, w));
    store<u16>(bits, ~i8x16.bitmask(signs));
    bits += 2;
    leave(p, x, s4, m4);
    leave(p + 16, y, s4, m4);
    leave(p + 32, z, s4, m4);
    leave(p + 48, w, s4, m4);
  }
  while (k < count) {
    let packed: u32 = 0;
    for (let bit: u32 = 0; bit < 8 && k < count; k++, bit++) {
      const p = a + (k << 2);
      const x = load<f32>(p);
      const negative = reinterpret<u32>(x) >> 31;
      packed |= (negative ^ 1) << bit;
      store<f32>(p, x - (negative ? -scale : scale));
    }
    store<u8>(bits++, packed);
  }
  return bits;
}

/** Adds `term`, its sign turned where the highest bit of a lane of `bits` is 0, to four numbers. */
@inline
function add4(p: usize, bits: v128, minusTerm: v128, sign: v128): void {
  const turned = v128.xor(minusTerm, v128.and(bits, sign));
  v128.store(p, f32x4.add(v128.load(p), turned));
}

export function signAddTo(out: usize, length: usize, block: usize, scales: usize, bits: usize, factor: f32): void {
  const raise = v128.load(raises), s4 = v128.load(fourSigns);
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    let p = out + (start << 2);
    const term = factor * load<f32>(scales);
    scales += 4;
    const minus = f32x4.splat(-term);
    let k: usize = 0;
    for (; k + 32 <= count; k += 32, p += 128) {
      const packed = v128.load32_splat(bits);
      bits += 4;
      add4(p, i32x4.mul(packed, raise), minus, s4);
      add4(p + 16, i32x4.mul(i32x4.shr_u(packed, 4), raise), minus, s4);
      add4(p + 32, i32x4.mul(i32x4.shr_u(packed, 8), raise), minus, s4);
      add4(p + 48, i32x4.mul(i32x4.shr_u(packed, 12), raise), minus, s4);
      add4(p + 64, i32x4.mul(i32x4.shr_u(packed, 16), raise), minus, s4);
      add4(p + 80, i32x4.mul(i32x4.shr_u(packed, 20), raise), minus, s4);
      add4(p + 96, i32x4.mul(i32x4.shr_u(packed, 24), raise), minus, s4);
      add4(p + 112, i32x4.mul(i32x4.shr_u(packed, 28), raise), minus, s4);
    }
    while (k < count) {
      const packed = <u32>load<u8>(bits++);
      for (let bit: u32 = 0; bit < 8 && k < count; k++, bit++, p += 4) {
        store<f32>(p, load<f32>(p) + ((packed >> bit) & 1 ? term : -term));
      }
    }
  }
}
