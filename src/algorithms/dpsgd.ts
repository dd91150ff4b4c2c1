import type { AlgorithmKind } from "../algorithm.js";
import { mixCompressed } from "./mix-compressed.js";

/**
 * D-PSGD: exact gossip of full models, x ← h + η Σ_j w_ij (h_j − h), the baseline of every comparison.
 *
 * It shares the model itself. Squeezing takes C(h) out of the model and leaves the error there; adding the
 * payload back restores it, so no second vector is needed. With identity the error is zero.
 *
 * @see Lian et al. 2017, “Can Decentralized Algorithms Outperform Centralized Algorithms?”, Algorithm 1
 */
export const dpsgd: AlgorithmKind = {
  name: "dpsgd",
  compresses: false,
  create({ model, compressor }) {
    return {
      name: "dpsgd",
      state: {},
      share: () => model,
      mix(own, heard, consensusRate) {
        compressor.addTo(model, own, 1);
        mixCompressed(compressor, model, own, heard, consensusRate);
      },
    };
  },
};
