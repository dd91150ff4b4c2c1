import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { adam } from "./adam.js";
import { correctedSpread, countStep, noSteps } from "./moments.js";
import { clipFactor, penalised } from "./settings.js";

const { beta1, beta2, epsilon } = adam.settings.shape;

const settings = z.strictObject({
  kind: z.literal("generalized-sign"),
  beta1,
  beta2: beta2.describe(
    "β₂: share of the mean of squares of m that is kept; with 0 the step is the sign of m",
  ),
  epsilon,
  ...penalised,
});

/**
 * Generalized SignSGD: m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·m², u = −γ·m / (√v̂ + ε): Adam whose denominator is of the
 * momentum. It adapts to where the smoothness grows with the gradient, as clipping does. Crawshaw et al. 2022,
 * arXiv:2208.11195, algorithm 1; v̂ = v/(1 − β₂ᵗ) is ours, without which the first steps are 1/√(1 − β₂) times as long.
 */
export const generalizedSign: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 2,
  create({ beta1, beta2, epsilon, weightDecay, clipNorm }, { length, space }) {
    const { kernels } = space;
    const velocity = space.vector(length);
    const squares = space.vector(length);
    const scalars = noSteps();
    return {
      state: { vectors: { velocity, squares }, scalars },
      step(update, point, learningRate) {
        countStep(scalars, beta1, beta2);
        const [u, x, m, v] = [update, point, velocity, squares].map(({ byteOffset }) => byteOffset);
        const clip = clipFactor(space, update, clipNorm);
        // M ← β₁M + g with M = m/(1 − β₁), of which m/√v is the same; then u ← M.
        kernels.momentum(u!, x!, m!, length, -1, clip, weightDecay, beta1, 0);
        // Adam with β₁ = 0, whose first moment is M.
        const spread = correctedSpread(scalars);
        const epsilonOfM = epsilon / (1 - beta1);
        kernels.adam(u!, x!, m!, v!, length, learningRate, 1, 0, 0, beta2, spread, epsilonOfM, 0);
      },
    };
  },
};
