import type { AlgorithmKind } from "../algorithm.js";

/**
 * DeepSqueeze: what travels is the error-compensated model.
 *
 *     v = h + δ      q = C(v)      δ ← v − q      x ← h + η Σ_j w_ij (q_j − q)
 *
 * with h the model after the local update, so that X⁺ = H·W_eff up to the compression error, where
 * W_eff = (1 − η)I + ηW. It keeps nothing about its neighbours, so a skipped exchange costs only itself.
 *
 * The disagreement that compression keeps alive grows with (η·‖δ‖)².
 *
 * @see Tang et al. 2019, “DeepSqueeze: Decentralization Meets Error-Compensated Compression”, Algorithm 1
 */
export const deepsqueeze: AlgorithmKind = {
  name: "deepsqueeze",
  vectors: () => 1,
  steps: 1,
  compresses: true,
  sends: "model",
  needs: { graph: "symmetric", everyEdge: false, contraction: true },
  usesRate: true,
  keeps: ["residual"],
  usesMixing: true,
  create({ model, space, compressor, mixing }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const residual = space.vector(length);
    return {
      state: { vectors: { residual }, scalars: mixing.scalars },
      point: model,
      *round(update, { random }) {
        // x ← x + u, δ ← δ + x
        kernels.addThrough(residual.byteOffset, byteOffset, update.byteOffset, length);
        mixing.mix(model, yield compressor.squeeze(residual, random()));
      },
    };
  },
};
