import { drawBits } from "../../random.js";
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

/** t as a whole number: up with the probability of its fraction. */
export function roundStochastically(t: number, low: number, high: number, index: number): number {
  const lower = Math.floor(t);
  const uniform = (drawBits(low, high, index) >>> 8) * 2 ** -24;
  return uniform < Math.fround(t - lower) ? lower + 1 : lower;
}

/** t as a whole number: the nearest, ties to even. */
export function roundToNearest(t: number): number {
  const lower = Math.floor(t);
  const rest = t - lower;
  return rest > 0.5 || (rest === 0.5 && lower % 2 !== 0) ? lower + 1 : lower;
}
