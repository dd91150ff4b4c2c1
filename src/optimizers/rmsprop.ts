import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { clipFactor, epsilon, fraction, penalised } from "./settings.js";

const settings = z.strictObject({
  kind: z.literal("rmsprop"),
  decay: fraction.default(0.9).describe("ρ: share of the moving averages that is kept"),
  momentum: fraction.default(0).describe("μ: share of the last step that is kept"),
  epsilon,
  centered: z.boolean().default(false).describe("divide by the deviation of gradients from their mean"),
  ...penalised,
});

/**
 * RMSProp: s ← ρ·s + (1 − ρ)·g², w ← μ·w + γ·g / √(s + ε), u = −w. Tieleman and Hinton 2012, COURSERA: Neural
 * Networks for Machine Learning, lecture 6.5; ε inside of the root and γ inside of the momentum, as in tfjs.
 *
 * Centred, the mean a ← ρ·a + (1 − ρ)·g is taken off: √(max(s − a², 0) + ε), Graves 2013, arXiv:1308.0850, equations
 * 38 to 42. tfjs has −ε there, which is NaN wherever gradients do not change.
 */
export const rmsprop: OptimizerKind<typeof settings> = {
  settings,
  vectors: ({ centered, momentum }) => 1 + (centered ? 1 : 0) + (momentum > 0 ? 1 : 0),
  create({ decay, momentum, epsilon, centered, weightDecay, clipNorm }, { length, space }) {
    const squares = space.vector(length);
    const means = centered ? space.vector(length) : undefined;
    const velocity = momentum > 0 ? space.vector(length) : undefined;
    return {
      state: { vectors: { squares, ...(means && { means }), ...(velocity && { velocity }) }, scalars: {} },
      step(update, point, learningRate) {
        space.kernels.rmsprop(
          update.byteOffset,
          point.byteOffset,
          squares.byteOffset,
          means?.byteOffset ?? 0,
          velocity?.byteOffset ?? 0,
          length,
          learningRate,
          clipFactor(space, update, clipNorm),
          weightDecay,
          decay,
          epsilon,
          momentum,
          centered ? 1 : 0,
        );
      },
    };
  },
};
