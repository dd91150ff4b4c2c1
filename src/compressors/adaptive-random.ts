import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { identity } from "./identity.js";
import { blockRangesOf, blockShareSettings, keptOf, scopeName, shareName } from "./ranges.js";
import { createSparse, sparseBytes } from "./sparse.js";

const settings = z.strictObject({
  kind: z.literal("adaptive-random"),
  ...blockShareSettings({ ratio: 0.01, block: 1024 }),
});

/**
 * Adaptive random sparsification: k = max(1, ⌊ratio · n⌋) numbers of each range, drawn one after another without
 * replacement, each with a probability in proportion to its magnitude among those left; as they are. 32 bits a value and a
 * gap in Golomb–Rice code, as `topk`.
 *
 * Contraction: a larger number is sent no less likely than a smaller one, and k are sent, so by Chebyshev's sum inequality
 * E‖C(v)‖² = Σ π_i v_i² ≥ (k/n)‖v‖²: α = k/n of the range where that is least, as for `randomk`, and more than it for
 * numbers of unequal size. The norm bound is the norm.
 *
 * @see Beznosikov et al. 2020, “On Biased Compression for Distributed Learning”, §2.2 (c), which has k = 1; Efraimidis &
 *   Spirakis 2006, “Weighted random sampling with a reservoir” (the draws)
 */
export const adaptiveRandom: CompressorKind<typeof settings> = {
  settings,
  scratchBytes: (settings, layout) => sparseBytes(settings, layout) + 4 * layout.length,
  create(settings, { layout, space }) {
    const keys = space.vector(layout.length);
    const ranges = blockRangesOf(layout, settings);
    return createSparse({
      name: () => `adaptive-random(${shareName(settings)}, ${scopeName(settings)})`,
      space,
      ranges,
      countOf: (length) => keptOf(length, settings),
      keys(vector, { low, high }) {
        space.kernels.raceKeys(vector.byteOffset, layout.length, 0, low, high, keys.byteOffset);
        return keys;
      },
      values: (context) => identity.create({ kind: "identity" }, context),
      contractionOf: (count, length) => count / length,
    });
  },
};
