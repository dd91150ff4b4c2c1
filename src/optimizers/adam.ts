import { z } from "zod";
import type { Optimizer, OptimizerContext, OptimizerKind } from "../optimizer.js";
import { correctedRate, correctedSpread, countStep, noSteps } from "./moments.js";
import { clipFactor, epsilon, fraction, penalised } from "./settings.js";

const settings = z.strictObject({
  kind: z.literal("adam"),
  beta1: fraction.default(0.9).describe("β₁: share of the mean of gradients that is kept"),
  beta2: fraction.default(0.999).describe("β₂: share of the mean of their squares that is kept"),
  epsilon,
  ...penalised,
});

/**
 * Adam: m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², u = −γ·m̂ / (√v̂ + ε) with m̂ = m/(1 − β₁ᵗ) and
 * v̂ = v/(1 − β₂ᵗ). Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; ε as there, in tfjs and in PyTorch: outside
 * of the root and after the correction.
 */
export const adam: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 2,
  create: (settings, context) => createAdam({ ...settings, decoupledDecay: 0 }, context),
};

interface AdamSettings extends Omit<z.output<typeof settings>, "kind"> {
  /** λ of AdamW, beside that of the L2 penalty. */
  readonly decoupledDecay: number;
}

/** Adam with either weight decay. */
export function createAdam(settings: AdamSettings, { length, space }: OptimizerContext): Optimizer {
  const { beta1, beta2, epsilon, weightDecay, clipNorm, decoupledDecay } = settings;
  const first = space.vector(length);
  const second = space.vector(length);
  const scalars = noSteps();
  return {
    state: { vectors: { first, second }, scalars },
    step(update, point, learningRate) {
      countStep(scalars, beta1, beta2);
      space.kernels.adam(
        update.byteOffset,
        point.byteOffset,
        first.byteOffset,
        second.byteOffset,
        length,
        correctedRate(learningRate, scalars),
        clipFactor(space, update, clipNorm),
        weightDecay,
        beta1,
        beta2,
        correctedSpread(scalars),
        epsilon,
        learningRate * decoupledDecay,
      );
    },
  };
}
