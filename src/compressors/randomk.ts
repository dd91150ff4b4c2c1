import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { createStaging, rangesOf, requireFinite, requireLength, scopeName, shareSettings } from "./ranges.js";

const settings = z.strictObject({ kind: z.literal("randomk"), ...shareSettings(0.1) });

const KEY_BYTES = 8;

/**
 * Random-k: k = max(1, ⌊ratio · n⌋) numbers of each range, one drawn from each of k strata of nearly equal
 * length. Which they were is not sent: the payload carries the key of the draws. 32 bits a value and 64 in all.
 *
 * Contraction: a number of a stratum of m is sent with probability 1/m, as it is (not times m, which would be
 * unbiased but no contraction), so E‖v − C(v)‖² = Σ (1 − 1/m) v² and α = 1/m of the longest stratum. The norm
 * bound is the norm.
 *
 * Payload: the key's two halves as uint32, then the values of every range as float32.
 *
 * @see Stich, Cordonnier, Jaggi 2018, “Sparsified SGD with Memory”, Definition 2.1 (without the strata)
 */
export const randomk: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const name = `randomk(${settings.ratio}, ${scopeName(settings)})`;
    const { kernels } = space;
    let end = KEY_BYTES;
    const sections = rangesOf(layout, settings).map(({ offset, length }) => {
      const count = Math.max(1, Math.floor(settings.ratio * length));
      const start = end;
      end += 4 * count;
      return { offset, length, count, start };
    });
    const payload = space.bytes(end);
    const header = new DataView(space.buffer, payload.byteOffset, KEY_BYTES);
    const stage = createStaging(space, end);

    /** @returns where the payload lies in the space */
    const check = (received: Uint8Array): number => {
      requireLength(name, received, end);
      const bytes = stage(received).byteOffset;
      requireFinite(name, kernels.allFinite(bytes + KEY_BYTES, (end - KEY_BYTES) / 4));
      return bytes;
    };

    return {
      name,
      contraction: 1 / Math.max(1, ...sections.map(({ length, count }) => Math.ceil(length / count))),
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector, { low, high }) {
        header.setUint32(0, low, true);
        header.setUint32(4, high, true);
        for (const { offset, length, count, start } of sections) {
          const v = vector.byteOffset + 4 * offset;
          kernels.randomkSqueeze(v, length, count, offset, low, high, payload.byteOffset + start);
        }
        return payload;
      },
      check,
      normBound(received) {
        const { byteOffset } = stage(received);
        return Math.sqrt(kernels.sumOfSquares(byteOffset + KEY_BYTES, (end - KEY_BYTES) / 4));
      },
      addTo(out, received, scale) {
        const bytes = check(received);
        const key = new DataView(space.buffer, bytes, KEY_BYTES);
        const low = key.getUint32(0, true);
        const high = key.getUint32(4, true);
        for (const { offset, length, count, start } of sections) {
          const target = out.byteOffset + 4 * offset;
          kernels.randomkAddTo(target, length, count, offset, low, high, bytes + start, scale);
        }
      },
    };
  },
};
