import { z } from "zod";
import type { Compressor, CompressorKind } from "../compressor.js";
import { blockRangesOf, blockShareSettings, keptOf, scopeName, shareName } from "./ranges.js";
import { createSparse, sparseBytes } from "./sparse.js";
import { createValues, valueSettings } from "./values.js";

const settings = z.strictObject({
  kind: z.literal("topk"),
  ...blockShareSettings({ ratio: 0.01, block: 1024 }),
  values: valueSettings,
});

/**
 * Top-k: the k = max(1, ⌊ratio · n⌋) numbers of largest magnitude of each range, of equals the first, as they are or
 * compressed once more. 32, 16 or 8 bits a value or those of another compressor, and a gap in Golomb–Rice code (8.1 bits at 1 %).
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
  scratchBytes: sparseBytes,
  create(settings, { layout, space }) {
    const { values } = settings;
    const nameOf = (inner: Compressor) => (typeof values === "string" ? values : inner.name);
    return createSparse({
      name: (inner) =>
        `topk(${shareName(settings)}, ${scopeName(settings)}${values === "float32" ? "" : `, ${nameOf(inner)}`})`,
      space,
      ranges: blockRangesOf(layout, settings),
      countOf: (length) => keptOf(length, settings),
      values: (context) => createValues(values, context),
      contractionOf: (count, length, { contraction }) => (contraction * count) / length,
    });
  },
};
