/** Cross entropy of a logit z with a label y of 0 or 1: −y · log σ(z) − (1 − y) · log(1 − σ(z)). */
import type { Loss } from "../loss.js";

/** σ(z) = 1 / (1 + e^−z), without an exponential that overflows. */
export function sigmoid(logit: number): number {
  const tail = Math.exp(-Math.abs(logit));
  return (logit >= 0 ? 1 : tail) / (1 + tail);
}

/** One logit per label: max(z, 0) − z · y + log(1 + e^−|z|), with the gradient σ(z) − y. */
export const sigmoidCrossEntropy: Pick<Loss, "score" | "mean"> = {
  score(outputs, labels, gradient) {
    const count = labels.length;
    let loss = 0;
    for (let i = 0; i < count; i++) {
      const logit = outputs[i]!;
      const label = labels[i]!;
      loss += Math.max(logit, 0) - logit * label + Math.log1p(Math.exp(-Math.abs(logit)));
      if (gradient) gradient[i] = (sigmoid(logit) - label) / count;
    }
    return loss;
  },
  mean: (tf, outputs, labels) =>
    tf.losses.sigmoidCrossEntropy(
      tf.tensor(labels, [labels.length], "float32"),
      tf.reshape(outputs, [labels.length]),
    ),
};
