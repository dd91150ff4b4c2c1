import type { AlgorithmKind } from "../algorithm.js";
import { addDisagreement } from "./mix.js";

/** α: how far a peer's reference follows what it sent. */
const ALPHA = 0.5;

/**
 * LEAD: a dual variable removes what different data do, and what travels is the compressed difference to a reference h that
 * follows the model. With p = (I − W)h, e = γd and y = x + u − e:
 *
 *     q = C(y − h)      s = p + (I − W)q      p ← p + α(I − W)q      h ← h + αq      e ← e + η/2 · s      x ← x + u − e
 *
 * The references' weighted sum p supposes the same W in every round. e is of the size of γ and is scaled with it. Made for
 * unbiased compressors: with sign or top-k it may diverge.
 *
 * @see Liu et al. 2021, “Linear Convergent Decentralized Optimization with Compression”, Algorithm 1
 */
export const lead: AlgorithmKind = {
  name: "lead",
  vectors: () => 3,
  steps: 1,
  compresses: true,
  sends: "difference",
  needs: { graph: "symmetric", everyEdge: true, edgeHistory: true, contraction: false },
  usesRate: true,
  create({ model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const reference = space.vector(length);
    const disagreement = space.vector(length);
    const dual = space.vector(length);
    const scalars = { learningRate: 0 };
    return {
      state: { vectors: { reference, disagreement, dual }, scalars },
      point: model,
      *round(update, { random, consensusRate, learningRate }) {
        const before = scalars.learningRate || learningRate;
        if (before !== learningRate) {
          kernels.addScaled(dual.byteOffset, dual.byteOffset, length, learningRate / before - 1);
        }
        scalars.learningRate = learningRate;
        kernels.add(byteOffset, update.byteOffset, length);
        update.set(model);
        kernels.addScaled(update.byteOffset, dual.byteOffset, length, -1);
        kernels.addScaled(update.byteOffset, reference.byteOffset, length, -1);
        const own = compressor.squeeze(update, random());
        compressor.addTo(reference, own, ALPHA);
        const settled = yield own;
        // −(I − W)q, in the update's memory
        update.fill(0);
        addDisagreement(compressor, update, settled);
        kernels.addScaled(dual.byteOffset, disagreement.byteOffset, length, consensusRate / 2);
        kernels.addScaled(dual.byteOffset, update.byteOffset, length, -consensusRate / 2);
        kernels.addScaled(disagreement.byteOffset, update.byteOffset, length, -ALPHA);
        kernels.addScaled(byteOffset, dual.byteOffset, length, -1);
      },
    };
  },
};
