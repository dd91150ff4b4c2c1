import { floats } from "./vector.js";

/**
 * IEEE half precision, little-endian, two bytes a number: rounded to nearest, ties to even, and held to
 * ±65504, so that a half is always finite.
 */
export interface Float16Kernels {
  /** Writes the halves of `v` to `payload` and leaves the error in `v`. */
  float16Squeeze(v: number, length: number, payload: number): void;
  /** out += factor · C(v), from the payload. */
  float16AddTo(out: number, length: number, payload: number, factor: number): void;
  /** 1 when no half is infinite or not a number, else 0. */
  float16Finite(payload: number, length: number): number;
}

const LARGEST = 65504;

function toHalf(x: number): number {
  const magnitude = Math.abs(x) < LARGEST ? Math.abs(x) : LARGEST;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  // Halves of exponent e are 2^(e − 10) apart; below 2^−14 they keep the spacing of that exponent.
  let exponent = -14;
  while (magnitude >= 2 ** (exponent + 1)) exponent++;
  const steps = magnitude / 2 ** (exponent - 10);
  let rounded = Math.floor(steps);
  const rest = steps - rounded;
  if (rest > 0.5 || (rest === 0.5 && rounded % 2 === 1)) rounded++;
  // A significand that carried into the next exponent does so in the code as well.
  return sign | ((exponent + 14) * 1024 + rounded);
}

function fromHalf(half: number): number {
  const field = (half >> 10) & 31;
  const significand = field === 0 ? half & 1023 : (half & 1023) | 1024;
  const magnitude = significand * 2 ** (Math.max(field, 1) - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

export function float16Kernels(buffer: ArrayBuffer): Float16Kernels {
  return {
    float16Squeeze(v, length, payload) {
      const a = floats(buffer, v, length);
      const view = new DataView(buffer, payload >>> 0, 2 * length);
      for (let k = 0; k < length; k++) {
        const half = toHalf(a[k]!);
        view.setUint16(2 * k, half, true);
        a[k] = a[k]! - fromHalf(half);
      }
    },
    float16AddTo(out, length, payload, factor) {
      const o = floats(buffer, out, length);
      const view = new DataView(buffer, payload >>> 0, 2 * length);
      const scale = Math.fround(factor);
      for (let k = 0; k < length; k++) o[k]! += Math.fround(scale * fromHalf(view.getUint16(2 * k, true)));
    },
    float16Finite(payload, length) {
      const view = new DataView(buffer, payload >>> 0, 2 * length);
      for (let k = 0; k < length; k++) if ((view.getUint16(2 * k, true) & 0x7c00) === 0x7c00) return 0;
      return 1;
    },
  };
}
