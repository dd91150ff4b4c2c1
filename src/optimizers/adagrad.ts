import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { clipFactor, penalised } from "./settings.js";

/** As in tfjs, on its float32 backends. */
const EPSILON = 1e-7;

const settings = z.strictObject({
  kind: z.literal("adagrad"),
  initialAccumulator: z.number().positive().default(0.1).describe("what the sums of squares start from"),
  ...penalised,
});

/**
 * AdaGrad: s ← s + g², u = −γ·g / √(s + ε), with ε = 10⁻⁷ inside of the root as in tfjs. Duchi, Hazan and Singer
 * 2011, JMLR 12, figure 1, with diagonal matrices.
 */
export const adagrad: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 1,
  create({ initialAccumulator, weightDecay, clipNorm }, { length, space }) {
    const squares = space.vector(length).fill(initialAccumulator);
    return {
      state: { vectors: { squares }, scalars: {} },
      step(update, point, learningRate) {
        space.kernels.adagrad(
          update.byteOffset,
          point.byteOffset,
          squares.byteOffset,
          length,
          learningRate,
          clipFactor(space, update, clipNorm),
          weightDecay,
          EPSILON,
        );
      },
    };
  },
};
