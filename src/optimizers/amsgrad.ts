import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { adam } from "./adam.js";
import { correctedRate, correctedSpread, countStep, noSteps } from "./moments.js";
import { clipFactor, penalised } from "./settings.js";

const { beta1, beta2, epsilon } = adam.settings.shape;

const settings = z.strictObject({ kind: z.literal("amsgrad"), beta1, beta2, epsilon, ...penalised });

/**
 * Adam with a denominator that never falls: n ← max(n, v), u = −γ·m̂ / (√(n/(1 − β₂ᵗ)) + ε). Reddi, Kale and Kumar
 * 2018, arXiv:1904.09237, algorithm 2; the bias corrections, which the paper leaves out, and ε are PyTorch's.
 */
export const amsgrad: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 3,
  create({ beta1, beta2, epsilon, weightDecay, clipNorm }, { length, space }) {
    const first = space.vector(length);
    const second = space.vector(length);
    const largest = space.vector(length);
    const scalars = noSteps();
    return {
      state: { vectors: { first, second, largest }, scalars },
      step(update, point, learningRate) {
        countStep(scalars, beta1, beta2);
        space.kernels.amsgrad(
          update.byteOffset,
          point.byteOffset,
          first.byteOffset,
          second.byteOffset,
          largest.byteOffset,
          length,
          correctedRate(learningRate, scalars),
          clipFactor(space, update, clipNorm),
          weightDecay,
          beta1,
          beta2,
          correctedSpread(scalars),
          epsilon,
        );
      },
    };
  },
};
