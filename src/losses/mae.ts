import { z } from "zod";
import type { LossKind } from "../loss.js";
import { asTensors, createRegressionTally, differenceScore, MAE } from "./regression.js";

const settings = z.strictObject({ kind: z.literal("mae") });

/** Absolute error |d| of numbers, whose gradient is the sign of d: outliers pull no more than others; outputs become medians. */
export const mae: LossKind<typeof settings> = {
  settings,
  targets: "numbers",
  outputsFor: ({ count }) => count,
  create: ({ kind }, targets) => ({
    name: kind,
    ...{ targets, metric: MAE, outputs: "numbers" },
    score: differenceScore({ of: Math.abs, slope: Math.sign }),
    mean: (tf, outputs, labels) => tf.losses.absoluteDifference(...asTensors(tf, outputs, labels)),
    createTally: () => createRegressionTally(targets, MAE),
  }),
};
