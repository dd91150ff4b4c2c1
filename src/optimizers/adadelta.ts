import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { clipFactor, epsilon, fraction, penalised } from "./settings.js";

const settings = z.strictObject({
  kind: z.literal("adadelta"),
  decay: fraction.default(0.95).describe("ρ: share of the moving averages that is kept"),
  epsilon,
  ...penalised,
});

/**
 * AdaDelta: d = √(t + ε) / √(s + ε) · g, u = −γ·d, then s ← ρ·s + (1 − ρ)·g² and t ← ρ·t + (1 − ρ)·d². Zeiler 2012,
 * arXiv:1212.5701, algorithm 1, with a learning rate; as in tfjs the step divides by the s before this gradient, where
 * the paper takes the one after it.
 */
export const adadelta: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 2,
  create({ decay, epsilon, weightDecay, clipNorm }, { length, space }) {
    const squares = space.vector(length);
    const steps = space.vector(length);
    return {
      state: { vectors: { squares, steps }, scalars: {} },
      step(update, point, learningRate) {
        space.kernels.adadelta(
          update.byteOffset,
          point.byteOffset,
          squares.byteOffset,
          steps.byteOffset,
          length,
          learningRate,
          clipFactor(space, update, clipNorm),
          weightDecay,
          decay,
          epsilon,
        );
      },
    };
  },
};
