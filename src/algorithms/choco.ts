import type { AlgorithmKind } from "../algorithm.js";
import { createPublicCopy } from "./public-copy.js";

/**
 * CHOCO-SGD: what travels is the compressed difference to a public copy x̂ that sender and receivers keep equal.
 *
 *     q = C(h − x̂)      x̂ ← x̂ + q      x ← h + η Σ_j w_ij (x̂_j − x̂)
 *
 * The neighbours' copies are only ever needed as s = Σ_j w_ij (x̂_j − x̂), so two vectors beside the model are
 * enough while the weights stay the same. There is no floor, but an exchange that is skipped stays missing in s.
 *
 * @see Koloskova et al. 2020, “Decentralized Deep Learning with Arbitrary Communication Compression”, Algorithm 1
 */
export const choco: AlgorithmKind = {
  name: "choco",
  vectors: () => 2,
  steps: 1,
  compresses: true,
  sends: "difference",
  needs: { graph: "symmetric", everyEdge: true, edgeHistory: true, contraction: true },
  usesRate: true,
  create({ model, space, compressor, edges }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const known = createPublicCopy(length, space, compressor);
    const { copy: publicCopy, disagreement } = known;
    const sum = edges.reduce((total, { weight }) => total + weight, 0);
    const squares = edges.reduce((total, { weight }) => total + weight ** 2, 0);
    return {
      state: { vectors: { publicCopy, disagreement }, scalars: {} },
      point: model,
      *round(update, { random, consensusRate }) {
        kernels.add(byteOffset, update.byteOffset, length);
        known.settle(yield known.squeeze(model, random()));
        kernels.addScaled(byteOffset, disagreement.byteOffset, length, consensusRate);
      },
      // Independent models scatter as Σ_j w_ij (x̂_j − x̂) does, with (s² + r) times the variance.
      observe: () => ({
        consensus: kernels.sumOfSquares(disagreement.byteOffset, length) / (sum ** 2 + squares || 1),
      }),
    };
  },
};
