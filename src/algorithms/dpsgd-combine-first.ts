import type { AlgorithmKind } from "../algorithm.js";
import { dpsgd } from "./dpsgd.js";
import { exactly } from "./exactly.js";

/**
 * D-PSGD in its other order: models are sent before the local update, so that a gradient may be computed while they travel.
 *
 *     x ← x + η Σ_j w_ij (x_j − x) + u
 *
 * Peers stay further apart by one update than where the update comes first.
 *
 * @see Lian et al. 2017, “Can Decentralized Algorithms Outperform Centralized Algorithms?”, Algorithm 1
 */
export const dpsgdCombineFirst: AlgorithmKind = {
  ...dpsgd,
  name: "dpsgd-combine-first",
  create: ({ model, space: { kernels }, compressor, mixing }) => ({
    state: { vectors: {}, scalars: mixing.scalars },
    point: model,
    *round(update) {
      const own = exactly(compressor, model);
      kernels.add(model.byteOffset, update.byteOffset, model.length);
      mixing.mix(model, yield own);
    },
  }),
};
