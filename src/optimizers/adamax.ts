import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { adam } from "./adam.js";
import { clipFactor, fraction, penalised } from "./settings.js";

const { beta1, epsilon } = adam.settings.shape;

const settings = z.strictObject({
  kind: z.literal("adamax"),
  beta1,
  beta2: fraction.default(0.999).describe("β₂: share of the largest gradient that is kept"),
  epsilon,
  ...penalised,
});

/**
 * AdaMax: m ← β₁·m + (1 − β₁)·g, n ← max(β₂·n, |g|), u = −γ/(1 − β₁ᵗ) · m / (n + ε). Kingma and Ba 2015,
 * arXiv:1412.6980, algorithm 2; ε, which the paper does without, is where tfjs has it.
 */
export const adamax: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 2,
  create({ beta1, beta2, epsilon, weightDecay, clipNorm }, { length, space }) {
    const first = space.vector(length);
    const largest = space.vector(length);
    const scalars = { beta1Power: 1 };
    return {
      state: { vectors: { first, largest }, scalars },
      step(update, point, learningRate) {
        scalars.beta1Power *= beta1;
        space.kernels.adamax(
          update.byteOffset,
          point.byteOffset,
          first.byteOffset,
          largest.byteOffset,
          length,
          learningRate / (1 - scalars.beta1Power),
          clipFactor(space, update, clipNorm),
          weightDecay,
          beta1,
          beta2,
          epsilon,
        );
      },
    };
  },
};
