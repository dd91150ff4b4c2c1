/** Models written out by hand in double precision, to compare tfjs with. */
import type { Examples } from "../../src/dataset.js";

export interface LossAndGradient {
  readonly loss: number;
  /** Of the mean loss plus decay/2 · ‖x‖², in the order kernel (inputs × classes), bias. */
  readonly gradient: Float64Array;
}

/** Softmax regression on all of these examples. */
export function softmaxRegression(
  model: ArrayLike<number>,
  { features, labels }: Examples,
  inputs: number,
  classes: number,
  decay = 0,
): LossAndGradient {
  const gradient = Float64Array.from({ length: model.length }, (_, k) => decay * model[k]!);
  let loss = 0;
  labels.forEach((label: number, example: number) => {
    const x = Array.from(features.subarray(example * inputs, (example + 1) * inputs));
    const logits = Array.from({ length: classes }, (_, c) =>
      x.reduce((sum, value, k) => sum + value * model[k * classes + c]!, model[inputs * classes + c]!),
    );
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    loss += (Math.log(total) - logits[label]!) / labels.length;
    logits.forEach((logit, c) => {
      const slope = (Math.exp(logit) / total - (c === label ? 1 : 0)) / labels.length;
      gradient[inputs * classes + c]! += slope;
      x.forEach((value, k) => {
        gradient[k * classes + c]! += slope * value;
      });
    });
  });
  return { loss, gradient };
}
