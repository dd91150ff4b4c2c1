import type { Algorithm, AlgorithmContext, AlgorithmKind } from "../algorithm.js";
import { createPublicCopy } from "./public-copy.js";

/**
 * BEER: gradient tracking in which both messages are compressed differences to public copies. With s_x and s_y what the
 * copies of x and of the tracker y show of the neighbours:
 *
 *     y ← y + η s_y + u − u⁻      x ← x + η s_x + y      then the copies of both follow
 *
 * @see Zhao et al. 2022, “BEER: Fast O(1/T) Rate for Decentralized Nonconvex Optimization with Communication Compression”,
 *   Algorithm 1
 */
export const beer: AlgorithmKind = {
  name: "beer",
  vectors: () => 6,
  steps: 2,
  compresses: true,
  sends: "difference",
  needs: { graph: "symmetric", everyEdge: true, edgeHistory: true, contraction: true },
  usesRate: true,
  create: (context) => createBeer(context, 1),
};

/** @param share λ of m ← (1 − λ)m + λu; what is tracked is m */
export function createBeer({ model, space, compressor }: AlgorithmContext, share: number): Algorithm {
  const { kernels } = space;
  const { byteOffset, length } = model;
  const [tracker, previous] = [space.vector(length), space.vector(length)];
  const ofModel = createPublicCopy(length, space, compressor);
  const ofTracker = createPublicCopy(length, space, compressor);
  const vectors = {
    ...{ tracker, previous, modelCopy: ofModel.copy, modelDisagreement: ofModel.disagreement },
    ...{ trackerCopy: ofTracker.copy, trackerDisagreement: ofTracker.disagreement },
  };
  return {
    state: { vectors, scalars: {} },
    point: model,
    *round(update, { random, consensusRate }) {
      const follow = (vector: typeof model, s: typeof model) =>
        kernels.addScaled(vector.byteOffset, s.byteOffset, length, consensusRate);
      follow(tracker, ofTracker.disagreement);
      // m − m⁻ = λ(u − m⁻), in the update's memory
      kernels.addScaled(update.byteOffset, previous.byteOffset, length, -1);
      kernels.addScaled(tracker.byteOffset, update.byteOffset, length, share);
      kernels.addScaled(previous.byteOffset, update.byteOffset, length, share);
      follow(model, ofModel.disagreement);
      kernels.add(byteOffset, tracker.byteOffset, length);
      ofTracker.settle(yield ofTracker.squeeze(tracker, random("tracker")));
      ofModel.settle(yield ofModel.squeeze(model, random("model")));
    },
  };
}
