import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { createStaging, rangesOf, requireCodes, requireLength, sectionsOf } from "./ranges.js";

const settings = z.strictObject({ kind: z.literal("natural") });

/** Largest base that keeps every power of two finite. */
const LARGEST_BASE = 127;

/**
 * Natural compression: every number goes to one of the powers of two around it, up with the probability that
 * keeps the mean. One byte a number (sign and exponent) and one a tensor.
 *
 * Contraction: with |v| = 2^a (1 + f) the expected squared error is f(1 − f) 4^a ≤ v²/8, so ω = 1/8 and
 * α = 1 − ω = 7/8. Numbers more than 125 octaves below the tensor's largest become 0; the share of ‖v‖² they
 * can hold, n · 2⁻²⁵⁰, is beyond float32. So do numbers below 2⁻¹²⁶, where a tensor of nothing else is left as
 * it is; and numbers above 2¹²⁷ go to 2¹²⁷, an error of at most half.
 *
 * @see Horváth et al. 2019, “Natural Compression for Distributed Deep Learning”, Theorem 3
 */
export const natural: CompressorKind<typeof settings> = {
  settings,
  create(_settings, { layout, space }) {
    const name = "natural";
    const { kernels } = space;
    const { sections, end } = sectionsOf(rangesOf(layout, { scope: "tensor" }), (count) => 1 + count);
    const payload = space.bytes(end);
    const stage = createStaging(space, end);

    return {
      name,
      contraction: 7 / 8,
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector, { low, high }) {
        for (const { offset, length, start } of sections) {
          const v = vector.byteOffset + 4 * offset;
          kernels.naturalSqueeze(v, length, offset, low, high, payload.byteOffset + start);
        }
        return payload;
      },
      addTo(out, received, scale) {
        requireLength(name, received, end);
        for (const { start } of sections) requireCodes(name, received[start]! <= LARGEST_BASE);
        const bytes = stage(received).byteOffset;
        for (const { offset, length, start } of sections) {
          kernels.naturalAddTo(out.byteOffset + 4 * offset, length, bytes + start, scale);
        }
      },
    };
  },
};
