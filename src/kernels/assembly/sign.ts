// Sign with L1 scale. Format and meaning: ../reference/sign.ts.
import { sumOfMagnitudes } from "./vector";

export function signSqueeze(v: usize, length: usize, block: usize, payload: usize): void {
  const blocks = (length + block - 1) / block;
  let bits = payload + (blocks << 2);
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    const a = v + (start << 2);
    const scale = <f32>(sumOfMagnitudes(a, count) / <f64>count);
    store<f32>(payload, scale);
    payload += 4;
    bits = signBlock(a, count, scale, bits);
  }
}

@inline
function signBlock(a: usize, count: usize, scale: f32, bits: usize): usize {
  const zero = f32x4.splat(0);
  const magnitude = f32x4.splat(scale);
  const signBit = i32x4.splat(0x80000000);
  let k: usize = 0;
  for (; k + 8 <= count; k += 8) {
    const p = a + (k << 2);
    const x = v128.load(p);
    const y = v128.load(p, 16);
    const xPositive = f32x4.ge(x, zero);
    const yPositive = f32x4.ge(y, zero);
    store<u8>(bits++, i32x4.bitmask(xPositive) | (i32x4.bitmask(yPositive) << 4));
    v128.store(p, f32x4.sub(x, v128.xor(magnitude, v128.andnot(signBit, xPositive))));
    v128.store(p, f32x4.sub(y, v128.xor(magnitude, v128.andnot(signBit, yPositive))), 16);
  }
  if (k < count) {
    let packed: u32 = 0;
    for (let bit: u32 = 0; k < count; k++, bit++) {
      const p = a + (k << 2);
      const x = load<f32>(p);
      if (x >= 0) {
        packed |= 1 << bit;
        store<f32>(p, x - scale);
      } else {
        store<f32>(p, x + scale);
      }
    }
    store<u8>(bits++, packed);
  }
  return bits;
}

export function signAddTo(out: usize, length: usize, block: usize, payload: usize, factor: f32): void {
  const blocks = (length + block - 1) / block;
  let bits = payload + (blocks << 2);
  // Bits 0–3 and 4–7 of a byte, one to a lane.
  const lowBits = i32x4(1, 2, 4, 8);
  const highBits = i32x4(16, 32, 64, 128);
  const signBit = i32x4.splat(0x80000000);
  const zero = i32x4.splat(0);
  for (let start: usize = 0; start < length; start += block) {
    const count = min(block, length - start);
    const o = out + (start << 2);
    const term = factor * load<f32>(payload);
    payload += 4;
    const magnitude = f32x4.splat(term);
    let k: usize = 0;
    for (; k + 8 <= count; k += 8) {
      const p = o + (k << 2);
      const packed = i32x4.splat(load<u8>(bits++));
      const xNegative = i32x4.eq(v128.and(packed, lowBits), zero);
      const yNegative = i32x4.eq(v128.and(packed, highBits), zero);
      v128.store(p, f32x4.add(v128.load(p), v128.xor(magnitude, v128.and(signBit, xNegative))));
      v128.store(p, f32x4.add(v128.load(p, 16), v128.xor(magnitude, v128.and(signBit, yNegative))), 16);
    }
    if (k < count) {
      const packed = <u32>load<u8>(bits++);
      for (let bit: u32 = 0; k < count; k++, bit++) {
        const p = o + (k << 2);
        store<f32>(p, load<f32>(p) + ((packed >> bit) & 1 ? term : -term));
      }
    }
  }
}
