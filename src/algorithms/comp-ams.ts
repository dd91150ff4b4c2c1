import type { AlgorithmKind } from "../algorithm.js";
import { addMean } from "./aggregate.js";

const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-8;

/**
 * COMP-AMS: compressed gradients with error feedback, and AMSGrad on their mean, every peer playing the server. Takes plain
 * SGD as the local optimiser, whose update is −γg.
 *
 *     g̃ = C(g + e)      e ← g + e − g̃      ḡ = (1/n) Σ_j g̃_j
 *     m ← β₁m + (1 − β₁)ḡ      v ← β₂v + (1 − β₂)ḡ²      v̂ ← max(v̂, v)      x ← x − γ m / √(v̂ + ε)
 *
 * @see Li, Karimi & Li 2022, “On Distributed Adaptive Optimization with Gradient Compression”, Algorithm 2
 */
export const compAms: AlgorithmKind = {
  name: "comp-ams",
  vectors: () => 4,
  steps: 1,
  compresses: true,
  sends: "update",
  needs: { graph: "complete", everyEdge: true, contraction: true },
  usesRate: false,
  movesMean: true,
  keeps: ["error", "first", "second", "largest"],
  create({ id, model, space, compressor }) {
    const { kernels } = space;
    const { length } = model;
    const [error, first] = [space.vector(length), space.vector(length)];
    const [second, largest] = [space.vector(length), space.vector(length)];
    return {
      state: { vectors: { error, first, second, largest }, scalars: {} },
      point: model,
      *round(update, { random, learningRate }) {
        // In a round with γ = 0 nothing moves.
        if (learningRate > 0)
          kernels.addScaled(error.byteOffset, update.byteOffset, length, -1 / learningRate);
        const own = compressor.squeeze(error, random());
        const settled = yield own;
        update.fill(0);
        addMean(compressor, update, id, own, settled);
        for (let k = 0; k < length; k++) {
          const g = update[k]!;
          first[k] = BETA_1 * first[k]! + (1 - BETA_1) * g;
          second[k] = BETA_2 * second[k]! + (1 - BETA_2) * g * g;
          largest[k] = Math.max(largest[k]!, second[k]!);
          model[k]! -= (learningRate * first[k]!) / Math.sqrt(largest[k]! + EPSILON);
        }
      },
    };
  },
};
