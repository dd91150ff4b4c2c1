import { z } from "zod";
import type { LossKind } from "../loss.js";
import { asTensors, createRegressionTally, differenceScore, MAE } from "./regression.js";

const settings = z.strictObject({
  kind: z.literal("huber"),
  delta: z
    .number()
    .gt(0)
    .max(1e6)
    .default(1)
    .describe("error from which the loss grows linearly; in deviations where targets are standardised"),
});

/**
 * Huber's loss of numbers: d² / 2 up to |d| = δ, and δ · (|d| − δ / 2) beyond.
 *
 * @see Huber 1964, “Robust Estimation of a Location Parameter”
 */
export const huber: LossKind<typeof settings> = {
  settings,
  targets: "numbers",
  outputsFor: ({ count }) => count,
  create: ({ kind, delta }, targets) => ({
    name: kind,
    ...{ targets, metric: MAE, outputs: "numbers" },
    score: differenceScore({
      of(d) {
        const size = Math.abs(d);
        return size <= delta ? (d * d) / 2 : delta * (size - delta / 2);
      },
      slope: (d) => Math.max(-delta, Math.min(delta, d)),
    }),
    mean: (tf, outputs, labels) => {
      const [targets, predictions] = asTensors(tf, outputs, labels);
      return tf.losses.huberLoss(targets, predictions, undefined, delta);
    },
    createTally: () => createRegressionTally(targets, MAE),
  }),
};
