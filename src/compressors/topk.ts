import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import {
  createStaging,
  type Range,
  rangesOf,
  requireCodes,
  requireFinite,
  requireLengthWithin,
  scopeName,
  shareSettings,
} from "./ranges.js";

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

/** A range, and where its values and remainders are: offsets into those of all ranges. */
interface Part {
  readonly offset: number;
  readonly length: number;
  /** k. */
  readonly count: number;
  /** The Golomb–Rice parameter of its gaps. */
  readonly rice: number;
  readonly first: number;
  readonly remainders: number;
  /** Most bytes of its quotients. */
  readonly most: number;
}

/** How payloads are laid out: the parts, then sums over all of them, in values and in bytes. */
function layOut(ranges: readonly Range[], ratio: number) {
  let values = 0;
  let remainderBytes = 0;
  let fewestQuotientBytes = 0;
  let mostQuotientBytes = 0;
  const parts = ranges.map(({ offset, length }): Part => {
    const count = Math.max(1, Math.floor(ratio * length));
    const rice = riceParameter(count, length);
    // Every quotient takes a bit and one more for each 2^rice numbers skipped, of which there are
    // none at best and length − count in one gap at worst.
    const most = Math.ceil((count + Math.floor((length - count) / 2 ** rice)) / 8);
    const part = { offset, length, count, rice, first: values, remainders: remainderBytes, most };
    values += count;
    remainderBytes += Math.ceil((count * rice) / 8);
    fewestQuotientBytes += Math.ceil(count / 8);
    mostQuotientBytes += most;
    return part;
  });
  return { parts, values, remainderBytes, fewestQuotientBytes, mostQuotientBytes };
}

/**
 * Top-k: the k = max(1, ⌊ratio · n⌋) numbers of largest magnitude of each range, as they are; of equals the
 * first. 32 bits a value, and a gap in Golomb–Rice code (8.1 bits at 1 %).
 *
 * Contraction: what is left is no more than the mean of what could be left, ‖v − C(v)‖² ≤ (1 − k/n)‖v‖²,
 * so α = k/n of the range where that is least. The norm bound is the norm.
 *
 * Payload: the values of every range as float32, then the low bits of every range's gaps, then their high bits, each
 * range's from a byte of its own.
 *
 * @see Stich, Cordonnier, Jaggi 2018, “Sparsified SGD with Memory”, Lemma A.1
 */
export const topk: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const name = `topk(${settings.ratio}, ${scopeName(settings)})`;
    const { kernels } = space;
    const { parts, values, ...sizes } = layOut(rangesOf(layout, settings), settings.ratio);
    const remaindersStart = 4 * values;
    const quotientsStart = remaindersStart + sizes.remainderBytes;
    const minimum = quotientsStart + sizes.fewestQuotientBytes;
    const maximum = quotientsStart + sizes.mostQuotientBytes;
    const payload = space.bytes(maximum);
    const table = space.bytes(TABLE_BYTES).byteOffset;
    /** Where the quotients of every range of a checked payload begin. */
    const starts = new Uint32Array(parts.length);
    const stage = createStaging(space, maximum);

    /**
     * Leaves in `starts` where each section's quotients begin.
     * @returns where the payload lies in the space
     */
    const check = (received: Uint8Array): number => {
      requireLengthWithin(name, received, minimum, maximum);
      const bytes = stage(received).byteOffset;
      const end = bytes + received.length;
      requireFinite(name, kernels.allFinite(bytes, values));
      let quotients = bytes + quotientsStart;
      parts.forEach(({ length, count, rice, remainders, most }, s) => {
        starts[s] = quotients;
        const low = bytes + remaindersStart + remainders;
        const last = Math.min(end, quotients + most);
        quotients = kernels.topkCheck(length, count, rice, low, quotients, last) >>> 0;
        requireCodes(name, quotients);
      });
      requireCodes(name, quotients === end);
      return bytes;
    };

    return {
      name,
      contraction: Math.min(1, ...parts.map(({ count, length }) => count / length)),
      minimumPayloadBytes: minimum,
      maximumPayloadBytes: maximum,
      squeeze(vector) {
        const bytes = payload.byteOffset;
        let quotients = bytes + quotientsStart;
        for (const { offset, length, count, rice, first, remainders } of parts) {
          const v = vector.byteOffset + 4 * offset;
          const low = bytes + remaindersStart + remainders;
          quotients =
            kernels.topkSqueeze(v, length, count, rice, bytes + 4 * first, low, quotients, table) >>> 0;
        }
        return payload.subarray(0, quotients - bytes);
      },
      check,
      normBound(received) {
        const { byteOffset } = stage(received.subarray(0, 4 * values));
        return Math.sqrt(kernels.sumOfSquares(byteOffset, values));
      },
      addTo(out, received, scale) {
        const bytes = check(received);
        const end = bytes + received.length;
        parts.forEach(({ offset, count, rice, first, remainders }, s) => {
          const target = out.byteOffset + 4 * offset;
          const low = bytes + remaindersStart + remainders;
          kernels.topkAddTo(target, count, rice, bytes + 4 * first, low, starts[s]!, end, scale);
        });
      },
    };
  },
};
