/** Evaluations of a layers model on the test examples. */
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { withMath } from "../backends/wasm-training/math.js";
import type { Examples } from "../dataset.js";
import type { Evaluation } from "../evaluation.js";
import type { Loss } from "../loss.js";
import type { Vector } from "../vectors/vector.js";
import type { ModelShapes } from "./layers-checks.js";
import { labelsTensor, numberOf, type TensorLoss } from "./layers-computation.js";
import { createScoring, testBatchesOf } from "./scoring.js";

/**
 * Evaluates by a model's outputs. Sums are in the order of the examples, so they do not depend on how many batches are
 * computed side by side.
 *
 * @param width batches that `outputs` takes at a time
 * @param outputs of the batches, in their order
 */
export async function evaluateOutputs(
  test: Examples,
  { inputSize }: ModelShapes,
  loss: Loss,
  width: number,
  outputs: (features: readonly Vector[]) => Promise<readonly Float32Array[]>,
): Promise<Evaluation> {
  const batches = testBatchesOf(test, inputSize);
  const scoring = createScoring(loss);
  for (let first = 0; first < batches.length; first += width) {
    const group = batches.slice(first, first + width);
    const results = await outputs(group.map(({ features }) => features));
    for (const [k, { labels }] of group.entries()) scoring.add(results[k]!, labels);
  }
  return scoring.evaluation();
}

/** The mean of a loss of the user's own. */
export async function evaluateTensors(
  { model, fastMath }: { readonly model: LayersModel; readonly fastMath: boolean },
  test: Examples,
  { inputShape, inputSize }: ModelShapes,
  loss: TensorLoss,
): Promise<Evaluation> {
  let sum = 0;
  for (const { features, labels } of testBatchesOf(test, inputSize)) {
    const count = features.length / inputSize;
    const mean = tf.tidy(() => {
      const given = tf.tensor(features, [count, ...inputShape]);
      const predictions = withMath(fastMath, () => model.apply(given, { training: false }));
      return loss(labelsTensor(labels, count), predictions as tf.Tensor);
    });
    sum += (await numberOf(mean)) * labels.length;
  }
  return { loss: sum / test.labels.length };
}
