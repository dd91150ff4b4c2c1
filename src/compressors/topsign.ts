import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { blockRangesOf, blockShareSettings, keptOf, scopeName, shareName } from "./ranges.js";
import { sign } from "./sign.js";
import { createSparse, sparseBytes } from "./sparse.js";

const settings = z.strictObject({
  kind: z.literal("topsign"),
  ...blockShareSettings({ ratio: 0.05, block: 1024 }),
});

/**
 * Top-k by sign: of the k = max(1, ⌊ratio · n⌋) numbers of largest magnitude of each range, of equals the first, only the
 * signs and one magnitude s, the mean of theirs. One bit a value, 32 a range and a gap in Golomb–Rice code: 0.34 bits a
 * number at 5 %.
 *
 * Contraction: C(v) is the projection of v onto the direction of these signs, so ‖v − C(v)‖² = ‖v‖² − ‖v_K‖₁²/k. Let
 * m be the least magnitude kept; ‖v‖² ≤ ‖v_K‖² + (n − k) m². Where ‖v_K‖₁ = 1 that is a convex function on a simplex
 * whose corners are one number with m = 0, and k equal ones: at most max(1, n/k²). So α = min(1/k, k/n), of the range
 * where that is least, and it is attained. The norm bound is the norm.
 *
 * @see Basu et al. 2019, “Qsparse-local-SGD”, Lemma 3 (the composition of sparsification and sign)
 */
export const topsign: CompressorKind<typeof settings> = {
  settings,
  scratchBytes: sparseBytes,
  create(settings, { layout, space }) {
    return createSparse({
      name: () => `topsign(${shareName(settings)}, ${scopeName(settings)})`,
      space,
      ranges: blockRangesOf(layout, settings),
      countOf: (length) => keptOf(length, settings),
      values: (context) => sign.create({ kind: "sign", scope: "tensor", block: 256 }, context),
      contractionOf: (count, length) => Math.min(1 / count, count / length),
    });
  },
};
