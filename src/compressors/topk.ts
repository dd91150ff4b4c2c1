import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { float16 } from "./float16.js";
import { identity } from "./identity.js";
import { natural } from "./natural.js";
import { blockRangesOf, blockShareSettings, keptOf, scopeName, shareName } from "./ranges.js";
import { createSparse } from "./sparse.js";

/** How the numbers kept can be sent. */
const valueKinds = { float32: identity, float16, natural } as const;

const settings = z.strictObject({
  kind: z.literal("topk"),
  ...blockShareSettings({ ratio: 0.01, block: 1024 }),
  values: z
    .enum(["float32", "float16", "natural"])
    .default("float32")
    .describe("how the numbers kept are sent: 32, 16 or 8 bits each"),
});

/**
 * Top-k: the k = max(1, ⌊ratio · n⌋) numbers of largest magnitude of each range, of equals the first, as they are or
 * compressed once more. 32, 16 or 8 bits a value, and a gap in Golomb–Rice code (8.1 bits at 1 %).
 *
 * Contraction: what is left is no more than the mean of what could be left, ‖v − v_K‖² ≤ (1 − k/n)‖v‖². The two
 * errors lie on different numbers, so a compressor of the values with α₂ leaves ‖v‖² − α₂‖v_K‖² and α = α₂ k/n of the
 * range where that is least. The norm bound is the norm.
 *
 * @see Stich, Cordonnier, Jaggi 2018, “Sparsified SGD with Memory”, Lemma A.1
 * @see Horváth et al. 2019, “Natural Compression for Distributed Deep Learning”, Theorem 5 (the composition)
 */
export const topk: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const { values } = settings;
    const detail = values === "float32" ? "" : `, ${values}`;
    return createSparse({
      name: `topk(${shareName(settings)}, ${scopeName(settings)}${detail})`,
      space,
      ranges: blockRangesOf(layout, settings),
      countOf: (length) => keptOf(length, settings),
      values: (context) =>
        valueKinds[values].create({ kind: valueKinds[values].settings.shape.kind.value } as never, context),
      contractionOf: (count, length, { contraction }) => (contraction * count) / length,
    });
  },
};
