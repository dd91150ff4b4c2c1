import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { createPieces, requireFinite, requireLength } from "./ranges.js";

const settings = z.strictObject({ kind: z.literal("float16") });

/** 2^(2(e − 25)) by the exponent field e of a half: the square of what one step of its significand is worth. */
const SQUARED_STEPS = Float64Array.from({ length: 32 }, (_, field) => 4 ** (Math.max(field, 1) - 25));

/** Σ of the squares of halves that are finite. */
function sumOfSquares(halves: Uint8Array): number {
  let sum = 0;
  for (let k = 0; k < halves.length; k += 2) {
    const high = halves[k + 1]!;
    const field = (high >> 2) & 31;
    const significand = ((high & 3) << 8) | halves[k]! | (field === 0 ? 0 : 1024);
    sum += significand * significand * SQUARED_STEPS[field]!;
  }
  return sum;
}

/**
 * Half precision: C(v) = v rounded to the nearest IEEE half, ties to even, held to ±65504. Two bytes a number.
 *
 * Contraction: a half keeps 11 significant bits, so |v − C(v)| ≤ 2⁻¹¹ |v| and α = 1 − 2⁻²², for magnitudes
 * from 2⁻¹⁴ to 65504. Smaller ones err by at most 2⁻²⁵, larger ones by what exceeds 65504: always less
 * than |v|, so there C is no expansion, but no contraction either.
 *
 * The norm bound is the norm.
 */
export const float16: CompressorKind<typeof settings> = {
  settings,
  create(_settings, { layout, space }) {
    const name = "float16";
    const { kernels } = space;
    const end = 2 * layout.length;
    const payload = space.bytes(end);
    const forEachPiece = createPieces(space, layout.length, 2);

    const check = (received: Uint8Array): void => {
      requireLength(name, received, end);
      forEachPiece(received, (pointer, _first, count) => {
        requireFinite(name, kernels.float16Finite(pointer, count));
      });
    };

    return {
      name,
      contraction: 1 - 2 ** -22,
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector) {
        kernels.float16Squeeze(vector.byteOffset, layout.length, payload.byteOffset);
        return payload;
      },
      check,
      normBound: (received) => Math.sqrt(sumOfSquares(received)),
      addTo(out, received, scale) {
        check(received);
        forEachPiece(received, (pointer, first, count) => {
          kernels.float16AddTo(out.byteOffset + 4 * first, count, pointer, scale);
        });
      },
    };
  },
};
