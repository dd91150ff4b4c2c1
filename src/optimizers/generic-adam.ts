import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { adam } from "./adam.js";
import { clipFactor, penalised } from "./settings.js";

/** tʳ for the powers that a setting may name; their roots are the same in every engine. */
const powers = {
  constant: () => 1,
  root: Math.sqrt,
  linear: (t: number) => t,
} as const;

const { beta1, epsilon } = adam.settings.shape;

const settings = z.strictObject({
  kind: z.literal("generic-adam"),
  beta1,
  share: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe("α of θ_t = 1 − α/tʳ, the share of the mean of squares that is kept"),
  decay: z
    .enum(["constant", "root", "linear"])
    .default("root")
    .describe(
      "tʳ: constant is 1, as in RMSProp; root is √t; linear is t, the mean of all squares, as in AdaGrad",
    ),
  epsilon,
  ...penalised,
});

/**
 * Generic Adam: m ← β₁·m + (1 − β₁)·g, v ← θ_t·v + (1 − θ_t)·g² with θ_t = 1 − α/tʳ, u = −γ·m / (√v + ε), without bias
 * corrections. It converges where Adam with a constant θ may not. Zou et al. 2019, arXiv:1811.09358, algorithm 1, with
 * ε beside the root instead of in v₀.
 */
export const genericAdam: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 2,
  create({ beta1, share, decay, epsilon, weightDecay, clipNorm }, { length, space }) {
    const first = space.vector(length);
    const second = space.vector(length);
    const scalars = { steps: 0 };
    return {
      state: { vectors: { first, second }, scalars },
      step(update, point, learningRate) {
        const kept = 1 - share / powers[decay](++scalars.steps);
        space.kernels.adam(
          update.byteOffset,
          point.byteOffset,
          first.byteOffset,
          second.byteOffset,
          length,
          learningRate,
          clipFactor(space, update, clipNorm),
          weightDecay,
          beta1,
          kept,
          1,
          epsilon,
          0,
        );
      },
    };
  },
};
