import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { clipFactor, fraction, penalised } from "./settings.js";

const settings = z.strictObject({
  kind: z.literal("momentum"),
  momentum: fraction.default(0.9).describe("μ: share of the last velocity that is kept"),
  nesterov: z.boolean().default(false).describe("step from where the velocity leads"),
  ...penalised,
});

/**
 * The heavy ball, m ← μ·m + g, u = −γ·m (Polyak 1964), or with `nesterov` u = −γ·(g + μ·m).
 *
 * As in tfjs and PyTorch γ is outside the velocity, so a change of γ acts at once. The form of Nesterov's method is
 * that of Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", rewritten for
 * gradients at the model itself.
 */
export const momentum: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 1,
  create({ momentum, nesterov, weightDecay, clipNorm }, { length, space }) {
    const velocity = space.vector(length);
    return {
      state: { vectors: { velocity }, scalars: {} },
      step(update, point, learningRate) {
        space.kernels.momentum(
          update.byteOffset,
          point.byteOffset,
          velocity.byteOffset,
          length,
          learningRate,
          clipFactor(space, update, clipNorm),
          weightDecay,
          momentum,
          nesterov ? 1 : 0,
        );
      },
    };
  },
};
