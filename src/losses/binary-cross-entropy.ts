import { z } from "zod";
import type { Targets } from "../dataset.js";
import { ACCURACY } from "../evaluation.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { LossKind, Tally } from "../loss.js";
import { createClassTally } from "./class-tally.js";
import { sigmoidCrossEntropy } from "./sigmoid.js";

const settings = z.strictObject({ kind: z.literal("binary-cross-entropy") });

/** Sigmoid cross entropy of two classes: one logit, positive for the second class. Evaluations have the area under the ROC curve too. */
export const binaryCrossEntropy: LossKind<typeof settings> = {
  settings,
  targets: "classes",
  outputsFor({ count }) {
    if (count === 2) return 1;
    throw new InvalidExperiment(
      `loss binary-cross-entropy is for two classes, and the data has ${count}: use loss cross-entropy`,
      { code: "loss-needs-two-classes", field: "loss.kind" },
    );
  },
  create: ({ kind }, targets) => ({
    name: kind,
    ...{ targets, metric: ACCURACY, outputs: "logits" as const },
    ...sigmoidCrossEntropy,
    createTally: () => createTally(targets),
  }),
};

function createTally(targets: Targets): Tally {
  const tally = createClassTally(targets);
  const positives: number[] = [];
  const negatives: number[] = [];
  return {
    add(outputs, labels) {
      for (let i = 0; i < labels.length; i++) {
        const [logit, label] = [outputs[i]!, labels[i]!];
        (label === 1 ? positives : negatives).push(logit);
        tally.add(label, logit > 0 === (label === 1));
      }
    },
    figures() {
      const auc = areaUnderCurve(positives, negatives);
      return {
        ...tally.figures(),
        ...(auc !== undefined && { metrics: { auc } }),
      };
    },
    byTarget: () => [],
  };
}

/**
 * The chance that a positive example has the larger logit than a negative one, equal ones counting half: the area under the
 * ROC curve, from ranks. Undefined without examples of both classes.
 *
 * @see Hanley and McNeil 1982, “The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve”
 */
export function areaUnderCurve(
  positives: readonly number[],
  negatives: readonly number[],
): number | undefined {
  if (positives.length === 0 || negatives.length === 0) return undefined;
  const [high, low] = [positives, negatives].map((logits) => Float64Array.from(logits).sort());
  let wins = 0;
  let below = 0;
  let upTo = 0;
  for (const logit of high!) {
    while (low![below]! < logit) below++;
    while (low![upTo]! <= logit) upTo++;
    wins += (below + upTo) / 2;
  }
  return wins / (high!.length * low!.length);
}
