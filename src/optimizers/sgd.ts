import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { clipFactor, penalised } from "./settings.js";

const settings = z.strictObject({ kind: z.literal("sgd"), ...penalised });

/** Stochastic gradient descent: u = −γ·g. Robbins and Monro 1951. */
export const sgd: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 0,
  create({ weightDecay, clipNorm }, { length, space }) {
    return {
      state: { vectors: {}, scalars: {} },
      step(update, point, learningRate) {
        const clip = clipFactor(space, update, clipNorm);
        space.kernels.sgd(update.byteOffset, point.byteOffset, length, learningRate, clip, weightDecay);
      },
    };
  },
};
