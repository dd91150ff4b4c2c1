import type { AlgorithmKind } from "../algorithm.js";
import { addDisagreement } from "./mix.js";

/**
 * DCD-PSGD: what travels is the compressed difference of two models, and a peer moves by that alone, so that its neighbours
 * always know its model. With s_i = Σ_j w_ij (x_j − x_i):
 *
 *     q = C(u + ηs)      x ← x + q      s ← s + Σ_j w_ij (q_j − q)
 *
 * What compression leaves out is lost, so it works with accurate, unbiased compressors (8 bits), and not with few bits.
 *
 * @see Tang et al. 2018, “Communication Compression for Decentralized Training”, Algorithm 1
 */
export const dcd: AlgorithmKind = {
  name: "dcd",
  vectors: () => 1,
  steps: 1,
  compresses: true,
  sends: "difference",
  needs: {
    ...{ graph: "symmetric", everyEdge: true, edgeHistory: true },
    ...{ equalStart: true, contraction: false },
  },
  usesRate: true,
  movesMean: true,
  create({ model, space, compressor }) {
    const { kernels } = space;
    const disagreement = space.vector(model.length);
    return {
      state: { vectors: { disagreement }, scalars: {} },
      point: model,
      *round(update, { random, consensusRate }) {
        kernels.addScaled(update.byteOffset, disagreement.byteOffset, model.length, consensusRate);
        const own = compressor.squeeze(update, random());
        compressor.addTo(model, own, 1);
        addDisagreement(compressor, disagreement, yield own);
      },
    };
  },
};
