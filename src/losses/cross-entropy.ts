import { z } from "zod";
import { ACCURACY } from "../evaluation.js";
import type { LossKind } from "../loss.js";
import { createClassTally } from "./class-tally.js";

const settings = z.strictObject({ kind: z.literal("cross-entropy") });

/**
 * Softmax cross entropy of classes: −log softmax(z)[class] of one logit z per class. Its gradient is softmax(z) − onehot.
 * The largest logit is subtracted first, so that no exponential overflows.
 */
export const crossEntropy: LossKind<typeof settings> = {
  settings,
  targets: "classes",
  outputsFor: ({ count }) => count,
  create: ({ kind }, targets) => ({
    name: kind,
    targets,
    metric: ACCURACY,
    outputs: "logits",
    score,
    mean: (tf, outputs, labels) => {
      const classes = outputs.size / labels.length;
      return tf.losses.softmaxCrossEntropy(
        tf.oneHot(tf.tensor(labels, [labels.length], "int32"), classes),
        tf.reshape(outputs, [labels.length, classes]),
      );
    },
    createTally() {
      const tally = createClassTally(targets);
      return {
        add(outputs, labels) {
          const classes = outputs.length / labels.length;
          for (let row = 0; row < labels.length; row++) {
            const label = labels[row]!;
            tally.add(label, largest(outputs, row * classes, classes) === label);
          }
        },
        figures: tally.figures,
        byTarget: () => [],
      };
    },
  }),
};

function score(outputs: ArrayLike<number>, labels: ArrayLike<number>, gradient?: Float32Array): number {
  const rows = labels.length;
  const classes = outputs.length / rows;
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    const label = labels[row]!;
    const most = outputs[start + largest(outputs, start, classes)]!;
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += Math.exp(outputs[start + k]! - most);
    loss += Math.log(sum) + most - outputs[start + label]!;
    if (!gradient) continue;
    const scale = 1 / (sum * rows);
    for (let k = 0; k < classes; k++) {
      gradient[start + k] = Math.exp(outputs[start + k]! - most) * scale - (k === label ? 1 / rows : 0);
    }
  }
  return loss;
}

/** Place of the largest of `count` numbers, from `start`; the first of equal ones. */
export function largest(numbers: ArrayLike<number>, start: number, count: number): number {
  let best = 0;
  for (let k = 1; k < count; k++) if (numbers[start + k]! > numbers[start + best]!) best = k;
  return best;
}
