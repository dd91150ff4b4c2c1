import { z } from "zod";
import type { LossKind } from "../loss.js";
import { asTensors, createRegressionTally, differenceScore, R2 } from "./regression.js";

const settings = z.strictObject({ kind: z.literal("mse") });

/** Squared error d² of numbers; its mean over all numbers is minimised, which makes outputs conditional means. */
export const mse: LossKind<typeof settings> = {
  settings,
  targets: "numbers",
  outputsFor: ({ count }) => count,
  create: ({ kind }, targets) => ({
    name: kind,
    ...{ targets, metric: R2, outputs: "numbers" },
    score: differenceScore({ of: (d) => d * d, slope: (d) => 2 * d }),
    mean: (tf, outputs, labels) => tf.losses.meanSquaredError(...asTensors(tf, outputs, labels)),
    createTally: () => createRegressionTally(targets, R2),
  }),
};
