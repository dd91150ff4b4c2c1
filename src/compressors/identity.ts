import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { createStaging, requireFinite, requireLength } from "./ranges.js";

const settings = z.strictObject({ kind: z.literal("identity") });

/** Bytes of a received payload that are in the vector space at a time; a multiple of 4. */
const STAGED_BYTES = 1 << 16;

/** No compression: C(v) = v as float32, little-endian. Four bytes a number; α = 1. */
export const identity: CompressorKind<typeof settings> = {
  settings,
  create(_settings, { layout, space }) {
    const name = "identity";
    const { kernels } = space;
    const numbers = space.vector(layout.length);
    const end = numbers.byteLength;
    const payload = new Uint8Array(space.buffer, numbers.byteOffset, end);
    const stage = createStaging(space, Math.min(end, STAGED_BYTES));

    /** Calls `visit` with the address of every piece of the payload, the index of its first number and their count. */
    function forEachPiece(
      received: Uint8Array,
      visit: (pointer: number, first: number, count: number) => void,
    ) {
      const step = received.buffer === space.buffer ? Math.max(end, 1) : STAGED_BYTES;
      for (let byte = 0; byte < end; byte += step) {
        const piece = stage(received.subarray(byte, byte + step));
        visit(piece.byteOffset, byte / 4, piece.length / 4);
      }
    }

    return {
      name,
      contraction: 1,
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector) {
        kernels.moveTo(numbers.byteOffset, vector.byteOffset, layout.length);
        return payload;
      },
      addTo(out, received, scale) {
        requireLength(name, received, end);
        forEachPiece(received, (pointer, _first, count) => {
          requireFinite(name, kernels.allFinite(pointer, count));
        });
        forEachPiece(received, (pointer, first, count) => {
          kernels.addScaled(out.byteOffset + 4 * first, pointer, count, scale);
        });
      },
    };
  },
};
