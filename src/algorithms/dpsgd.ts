import type { AlgorithmKind } from "../algorithm.js";
import { exactly } from "./exactly.js";

/**
 * D-PSGD: exact gossip of full models, x ← h + η Σ_j w_ij (h_j − h) with h = x + u, the baseline of every comparison. The
 * published order is that of `dpsgd-combine-first`.
 *
 * @see Lian et al. 2017, “Can Decentralized Algorithms Outperform Centralized Algorithms?”, Algorithm 1
 */
export const dpsgd: AlgorithmKind = {
  name: "dpsgd",
  vectors: () => 0,
  steps: 1,
  compresses: false,
  sends: "model",
  needs: { graph: "symmetric", everyEdge: false, contraction: false },
  usesRate: true,
  usesMixing: true,
  create: ({ model, space: { kernels }, compressor, mixing }) => ({
    state: { vectors: {}, scalars: mixing.scalars },
    point: model,
    *round(update) {
      kernels.add(model.byteOffset, update.byteOffset, model.length);
      mixing.mix(model, yield exactly(compressor, model));
    },
  }),
};
