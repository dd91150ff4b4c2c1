import type { AlgorithmKind } from "../algorithm.js";

/**
 * D-PSGD: exact gossip of full models, x ← h + η Σ_j w_ij (h_j − h), the baseline of every comparison.
 *
 * The model itself is encoded: squeezing takes C(h) out of it and leaves the error there, and adding the payload
 * restores it before anything is awaited. So no second vector is needed. With identity the error is zero.
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
    *round(update, { random }) {
      kernels.add(model.byteOffset, update.byteOffset, model.length);
      const own = compressor.squeeze(model, random());
      compressor.addTo(model, own, 1);
      mixing.mix(model, yield own);
    },
  }),
};
