import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { MalformedPayload } from "../errors.js";
import { createStaging, rangesOf, requireCodes, requireFinite, scopeName, shareSettings } from "./ranges.js";

const settings = z.strictObject({ kind: z.literal("topk"), ...shareSettings(0.01) });

/** Counting room of the selection, in bytes: 2¹⁶ counters. */
const TABLE_BYTES = 4 << 16;

/** −ln(φ − 1), φ the golden ratio: where the Rice code of one parameter becomes as short as the next's. */
const RICE_BOUNDARY = 0.4812;

/**
 * The Golomb–Rice parameter for the gaps of `count` among `length`: the least r with 2^r ≥ 0.4812 / −ln(1 − p),
 * p = count / length, where 1/p − ½ stands for 1 / −ln(1 − p). Within a few hundredths of a bit of the entropy.
 *
 * @see Kiely 2004, “Selecting the Golomb Parameter in Rice Coding”
 */
function riceParameter(count: number, length: number): number {
  let parameter = 0;
  while (2 ** parameter < RICE_BOUNDARY * (length / count - 0.5)) parameter++;
  return parameter;
}

/**
 * Top-k: the k = max(1, ⌊ratio · n⌋) numbers of largest magnitude of each range, as they are; of equals the
 * first. 32 bits a value, and a gap in Golomb–Rice code (8.1 bits at 1 %).
 *
 * Contraction: what is left is no more than the mean of what could be left, ‖v − C(v)‖² ≤ (1 − k/n)‖v‖²,
 * so α = k/n of the range where that is least.
 *
 * Payload: the values of every range as float32, then the gaps of every range, each from a byte of its own.
 *
 * @see Stich, Cordonnier, Jaggi 2018, “Sparsified SGD with Memory”, Lemma A.1
 */
export const topk: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const name = `topk(${settings.ratio}, ${scopeName(settings)})`;
    const { kernels } = space;
    let values = 0;
    let fewestGapBytes = 0;
    let mostGapBytes = 0;
    const sections = rangesOf(layout, settings).map(({ offset, length }) => {
      const count = Math.max(1, Math.floor(settings.ratio * length));
      const rice = riceParameter(count, length);
      const section = { offset, length, count, rice, start: 4 * values };
      values += count;
      // Every gap takes rice + 1 bits and one more for each 2^rice numbers skipped, of which there are
      // none at best and length − count in one gap at worst.
      fewestGapBytes += Math.ceil((count * (rice + 1)) / 8);
      mostGapBytes += Math.ceil((count * (rice + 1) + Math.floor((length - count) / 2 ** rice)) / 8);
      return section;
    });
    const gapsStart = 4 * values;
    const minimum = gapsStart + fewestGapBytes;
    const maximum = gapsStart + mostGapBytes;
    const payload = space.bytes(maximum);
    const table = space.bytes(TABLE_BYTES).byteOffset;
    const stage = createStaging(space, maximum);

    return {
      name,
      contraction: Math.min(1, ...sections.map(({ count, length }) => count / length)),
      minimumPayloadBytes: minimum,
      maximumPayloadBytes: maximum,
      squeeze(vector) {
        let gaps = payload.byteOffset + gapsStart;
        for (const { offset, length, count, rice, start } of sections) {
          const v = vector.byteOffset + 4 * offset;
          gaps = kernels.topkSqueeze(v, length, count, rice, payload.byteOffset + start, gaps, table) >>> 0;
        }
        return payload.subarray(0, gaps - payload.byteOffset);
      },
      addTo(out, received, scale) {
        if (received.length < minimum || received.length > maximum) {
          throw new MalformedPayload(
            `${name}: payload of ${received.length} bytes where this model takes ${minimum} to ${maximum}: sender and receiver disagree about the model or the compressor`,
          );
        }
        const bytes = stage(received).byteOffset;
        const end = bytes + received.length;
        requireFinite(name, kernels.allFinite(bytes, values));
        let gaps = bytes + gapsStart;
        for (const { length, count, rice } of sections) {
          gaps = kernels.topkCheck(length, count, rice, gaps, end) >>> 0;
          requireCodes(name, gaps);
        }
        requireCodes(name, gaps === end);
        gaps = bytes + gapsStart;
        for (const { offset, count, rice, start } of sections) {
          const target = out.byteOffset + 4 * offset;
          gaps = kernels.topkAddTo(target, count, rice, bytes + start, gaps, end, scale) >>> 0;
        }
      },
    };
  },
};
