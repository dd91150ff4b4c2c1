// One bit and two scales. Format and meaning: ../reference/onebit.ts.
import { lanePartial, promoteHigh, totalOf } from "./sums";

// Read before the loops, for the reason given in random.ts.
/** Multiplying by these brings bit 0, 1, 2 or 3 to the sign's place, a lane each. */
const raises = memory.data<u32>([0x80000000, 0x40000000, 0x20000000, 0x10000000], 16);

/** Σ max(x, 0), or Σ max(−x, 0) with all bits of the signs in `turn`. */
function sumOfSide(a: usize, count: usize, turn: u32): f64 {
  const t4 = i32x4.splat(turn), zero = f32x4.splat(0);
  let p0 = f64x2.splat(0), p1 = p0, p2 = p0, p3 = p0;
  let k: usize = 0;
  for (; k + 8 <= count; k += 8) {
    const p = a + (k << 2);
    const x = f32x4.pmax(zero, v128.xor(v128.load(p), t4)), y = f32x4.pmax(zero, v128.xor(v128.load(p, 16), t4));
    p0 = f64x2.add(p0, f64x2.promote_low_f32x4(x));
    p1 = f64x2.add(p1, promoteHigh(x));
    p2 = f64x2.add(p2, f64x2.promote_low_f32x4(y));
    p3 = f64x2.add(p3, promoteHigh(y));
  }
  for (let lane: usize = 0; k < count; k++, lane++) {
    const x = reinterpret<f32>(load<u32>(a + (k << 2)) ^ turn);
    const side: f64 = x > 0 ? <f64>x : 0;
    p0 = f64x2.add(p0, lanePartial(lane, 0, side));
    p1 = f64x2.add(p1, lanePartial(lane, 2, side));
    p2 = f64x2.add(p2, lanePartial(lane, 4, side));
    p3 = f64x2.add(p3, lanePartial(lane, 6, side));
  }
  return totalOf(p0, p1, p2, p3);
}

/** Writes the bits of one block and gives how many are set. */
function storeBits(a: usize, count: usize, bits: usize): usize {
  let set: usize = 0;
  let k: usize = 0;
  for (; k + 16 <= count; k += 16, bits += 2) {
    const p = a + (k << 2);
    const low = i16x8.narrow_i32x4_s(v128.load(p), v128.load(p, 16));
    const high = i16x8.narrow_i32x4_s(v128.load(p, 32), v128.load(p, 48));
    // Narrowing keeps the sign, whatever becomes of the rest.
    const mask = ~i8x16.bitmask(i8x16.narrow_i16x8_s(low, high)) & 0xffff;
    store<u16>(bits, <u16>mask);
    set += <usize>popcnt(mask);
  }
  while (k < count) {
    let packed: u32 = 0;
    for (let bit: u32 = 0; bit < 8 && k < count; k++, bit++) {
      packed |= ((load<u32>(a + (k << 2)) >> 31) ^ 1) << bit;
    }
    store<u8>(bits++, packed);
    set += <usize>popcnt(packed);
  }
  return set;
}

export function onebitSqueeze(v: usize, length: usize, block: usize, scales: usize, bits: usize): void {
  for (let start: usize = 0; start < length; start += block, scales += 8) {
    const count = min(block, length - start);
    const a = v + (start << 2);
    const positives = storeBits(a, count, bits);
    const negatives = count - positives;
    const up: f32 = positives ? <f32>(sumOfSide(a, count, 0) / <f64>positives) : 0;
    const down: f32 = negatives ? <f32>(sumOfSide(a, count, 0x80000000) / <f64>negatives) : 0;
    store<f32>(scales, up);
    store<f32>(scales, down, 4);
    const u4 = f32x4.splat(up), d4 = f32x4.splat(-down);
    let k: usize = 0;
    for (; k + 4 <= count; k += 4) {
      const p = a + (k << 2);
      const x = v128.load(p);
      v128.store(p, f32x4.sub(x, v128.bitselect(d4, u4, i32x4.shr_s(x, 31))));
    }
    for (; k < count; k++) {
      const p = a + (k << 2);
      const x = load<f32>(p);
      store<f32>(p, x - (reinterpret<u32>(x) >> 31 ? -down : up));
    }
    bits += (count + 7) >> 3;
  }
}

/** Adds `up` where the highest bit of a lane of `bits` is 1, and `down` elsewhere, to four numbers. */
@inline
function add4(p: usize, bits: v128, up: v128, down: v128): void {
  v128.store(p, f32x4.add(v128.load(p), v128.bitselect(up, down, i32x4.shr_s(bits, 31))));
}

export function onebitAddTo(out: usize, length: usize, block: usize, scales: usize, bits: usize, factor: f32): void {
  const raise = v128.load(raises);
  for (let start: usize = 0; start < length; start += block, scales += 8) {
    const count = min(block, length - start);
    let p = out + (start << 2);
    const up = factor * load<f32>(scales), down = -(factor * load<f32>(scales, 4));
    const u4 = f32x4.splat(up), d4 = f32x4.splat(down);
    let k: usize = 0;
    for (; k + 8 <= count; k += 8, p += 32) {
      const packed = i32x4.splat(load<u8>(bits++));
      add4(p, i32x4.mul(packed, raise), u4, d4);
      add4(p + 16, i32x4.mul(i32x4.shr_u(packed, 4), raise), u4, d4);
    }
    if (k < count) {
      const packed = <u32>load<u8>(bits++);
      for (let bit: u32 = 0; k < count; k++, bit++, p += 4) {
        store<f32>(p, load<f32>(p) + ((packed >> bit) & 1 ? up : down));
      }
    }
  }
}
