import type { AlgorithmKind } from "../algorithm.js";
import { withOwn } from "./aggregate.js";

/**
 * signSGD with majority vote, every peer playing the server: each coordinate moves by γ in the direction that most peers'
 * updates have. With the momentum optimiser it is Signum. Magnitudes that the compressor sends count for nothing, so that
 * less than half of the peers can be wrong, however far.
 *
 *     x ← x + γ sign(Σ_j sign C(u_j))
 *
 * @see Bernstein et al. 2019, “signSGD with Majority Vote is Communication Efficient and Fault Tolerant”, Algorithm 1
 */
export const majorityVote: AlgorithmKind = {
  name: "majority-vote",
  vectors: () => 1,
  steps: 1,
  compresses: true,
  sends: "update",
  needs: { graph: "complete", everyEdge: true, contraction: false },
  usesRate: false,
  movesMean: true,
  create({ id, model, space, compressor }) {
    const votes = space.vector(model.length);
    return {
      state: { vectors: {}, scalars: {} },
      point: model,
      *round(update, { random, learningRate }) {
        const own = compressor.squeeze(update, random());
        const settled = yield own;
        votes.fill(0);
        for (const { payload } of withOwn(id, own, settled)) {
          update.fill(0);
          compressor.addTo(update, payload, 1);
          for (let k = 0; k < update.length; k++) votes[k]! += Math.sign(update[k]!);
        }
        for (let k = 0; k < votes.length; k++) model[k]! += learningRate * Math.sign(votes[k]!);
      },
    };
  },
};
