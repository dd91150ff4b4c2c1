import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { clipFactor, penalised } from "./settings.js";

const settings = z.strictObject({
  kind: z.literal("adagrad-norm"),
  initialNorm: z
    .number()
    .positive()
    .default(0.1)
    .describe("b₀: the norm that the sum of squares starts from"),
  ...penalised,
});

/**
 * Gradient descent with one step size that falls with the norms of the gradients: b² ← b² + ‖g‖², u = −(γ/b)·g. No
 * coordinate has a step size of its own. Ward, Wu and Bottou 2019, arXiv:1806.01811, algorithm 1.
 */
export const adagradNorm: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 0,
  create({ initialNorm, weightDecay, clipNorm }, { length, space }) {
    const { kernels } = space;
    const scalars = { sumOfSquares: initialNorm * initialNorm };
    return {
      state: { vectors: {}, scalars },
      step(update, point, learningRate) {
        const [u, x] = [update.byteOffset, point.byteOffset];
        // g, clipped and penalised
        kernels.sgd(u, x, length, -1, clipFactor(space, update, clipNorm), weightDecay);
        scalars.sumOfSquares += kernels.sumOfSquares(u, length);
        kernels.sgd(u, x, length, learningRate / Math.sqrt(scalars.sumOfSquares), 1, 0);
      },
    };
  },
};
