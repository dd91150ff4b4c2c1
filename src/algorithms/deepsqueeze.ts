import type { AlgorithmKind } from "../algorithm.js";
import { mixCompressed } from "./mix-compressed.js";

/**
 * DeepSqueeze: what travels is the error-compensated model.
 *
 *     v = h + δ      q = C(v)      δ ← v − q      x ← h + η Σ_j w_ij (q_j − q)
 *
 * with h the model after local learning, so that X⁺ = H·W_eff up to the compression error, where
 * W_eff = (1 − η)I + ηW. It keeps nothing about its neighbours, so a lost exchange costs only itself.
 *
 * @see Tang et al. 2019, “DeepSqueeze: Decentralization Meets Error-Compensated Compression”, Algorithm 1
 */
export const deepsqueeze: AlgorithmKind = {
  name: "deepsqueeze",
  compresses: true,
  create({ model, space, compressor }) {
    const residual = space.vector(model.length);
    return {
      name: "deepsqueeze",
      state: { residual },
      share() {
        space.kernels.add(residual.byteOffset, model.byteOffset, model.length);
        return residual;
      },
      mix(own, heard, consensusRate) {
        mixCompressed(compressor, model, own, heard, consensusRate);
      },
    };
  },
};
