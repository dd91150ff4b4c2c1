import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { createPieces, piecesBytes, requireFinite, requireLength } from "./ranges.js";

const settings = z.strictObject({ kind: z.literal("identity") });

/** No compression: C(v) = v as float32, little-endian. Four bytes a number; α = 1. The norm bound is the norm. */
export const identity: CompressorKind<typeof settings> = {
  settings,
  scratchBytes: (_settings, layout) => piecesBytes(layout.length, 4),
  create(_settings, { layout, space }) {
    const name = "identity";
    const { kernels } = space;
    const numbers = space.vector(layout.length);
    const end = numbers.byteLength;
    const payload = new Uint8Array(space.buffer, numbers.byteOffset, end);
    const forEachPiece = createPieces(space, layout.length, 4);

    const check = (received: Uint8Array): void => {
      requireLength(name, received, end);
      forEachPiece(received, (pointer, _first, count) => {
        requireFinite(name, kernels.allFinite(pointer, count));
      });
    };

    return {
      name,
      contraction: 1,
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector) {
        kernels.moveTo(numbers.byteOffset, vector.byteOffset, layout.length);
        return payload;
      },
      check,
      normBound(received) {
        let squares = 0;
        forEachPiece(received, (pointer, _first, count) => {
          squares += kernels.sumOfSquares(pointer, count);
        });
        return Math.sqrt(squares);
      },
      addTo(out, received, scale) {
        check(received);
        forEachPiece(received, (pointer, first, count) => {
          kernels.addScaled(out.byteOffset + 4 * first, pointer, count, scale);
        });
      },
    };
  },
};
