import { drawBits } from "../../foundation/random.js";
import { bytes, floats } from "./vector.js";

/**
 * Whole numbers of 2, 4 or 8 bits: code k of a run is at bit (k · bits) mod 8 of byte ⌊k · bits / 8⌋, and
 * zeros fill the last byte. What min–max and QSGD share.
 */
export function codeBytes(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8);
}

export function storeCodes(
  buffer: ArrayBuffer,
  pointer: number,
  bits: number,
  codes: readonly number[],
): void {
  const packed = bytes(buffer, pointer, codeBytes(codes.length, bits)).fill(0);
  codes.forEach((code, k) => {
    packed[(k * bits) >> 3]! |= code << ((k * bits) & 7);
  });
}

export function loadCodes(buffer: ArrayBuffer, pointer: number, bits: number, count: number): number[] {
  const packed = bytes(buffer, pointer, codeBytes(count, bits));
  return Array.from(
    { length: count },
    (_, k) => (packed[(k * bits) >> 3]! >> ((k * bits) & 7)) & (2 ** bits - 1),
  );
}

/** What a code stands for: offset + step · (code − centre), in float32. */
export interface Levels {
  readonly centre: number;
  readonly offset: number;
  readonly step: number;
}

/** out += factor · what the codes stand for */
export function addCodes(
  buffer: ArrayBuffer,
  out: number,
  count: number,
  codes: number,
  bits: number,
  { centre, offset, step }: Levels,
  factor: number,
): void {
  const o = floats(buffer, out, count);
  const scale = Math.fround(factor);
  loadCodes(buffer, codes, bits, count).forEach((code, k) => {
    const q = Math.fround(offset + Math.fround(step * (code - centre)));
    o[k]! += Math.fround(scale * q);
  });
}

/** A power of two that brings magnitudes about `size` to where float32 neither overflows nor loses digits. */
export function conditioner(size: number): number {
  return size < 2 ** -64 ? 2 ** 64 : size > 2 ** 64 ? 2 ** -64 : 1;
}

/** Bits of a place below the code: a place is a whole number of 2⁻¹⁵. */
export const FRACTION_BITS = 15;
const FRACTION_ONE = 2 ** FRACTION_BITS;

/** 1 − 2⁻²²: what levels are spread by, so that the largest number's place is not rounded beyond the last. */
export const SHRINK = 1 - 2 ** -22;

/** t · 2¹⁵ ≥ 0 as a whole number, the nearest, ties to even: what adding 2²³ in float32 leaves in the low bits. */
export function placeOf(scaled: number): number {
  return Math.fround(scaled + 2 ** 23) - 2 ** 23;
}

/**
 * The 16 bits that number k of a block draws, which begins at draw `index`: draw index + ⌊k / 2⌋ serves two numbers, the
 * even one with its low half.
 */
export function drawHalf(low: number, high: number, index: number, k: number): number {
  return (drawBits(low, high, index + (k >>> 1)) >>> (16 * (k & 1))) & 0xffff;
}

/** A place as a code: up with the probability of its fraction, by the upper 15 of the number's random bits. */
export function roundStochastically(
  place: number,
  low: number,
  high: number,
  index: number,
  k: number,
): number {
  const fraction = place % FRACTION_ONE;
  const up = fraction > drawHalf(low, high, index, k) >>> 1;
  return Math.floor(place / FRACTION_ONE) + (up ? 1 : 0);
}

/** A place as a code: the nearest, ties up. */
export function roundToNearest(place: number): number {
  return Math.floor(place / FRACTION_ONE + 0.5);
}
