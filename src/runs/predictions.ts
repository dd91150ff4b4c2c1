/** Predictions of a trained model, and their evaluation against labels. */
import { InvalidModel } from "../foundation/errors.js";
import { EVALUATION_BATCH } from "../trainers/batches.js";
import type { Classifier } from "../trainers/classifier.js";
import { softmaxCrossEntropy } from "../trainers/cross-entropy.js";

export interface ModelEvaluation {
  /** Mean cross entropy over the labels. */
  readonly loss: number;
  /** Share of correct predictions in [0, 1]. */
  readonly accuracy: number;
  /** Count of labels: examples times positions. */
  readonly labels: number;
  /** `confusion[label][class]`: how often `class` was predicted where `label` is correct. */
  readonly confusion: readonly (readonly number[])[];
}

/** @param labels one per position of each example, below the model's count of classes */
export async function evaluateModel(
  model: Classifier,
  features: Float32Array,
  labels: Int32Array,
): Promise<ModelEvaluation> {
  const { classes } = model;
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let loss = 0;
  let correct = 0;
  for await (const { logits, first } of batches(model, features)) {
    const own = labels.subarray(first, first + logits.length / classes);
    const score = softmaxCrossEntropy(logits, own, classes);
    loss += score.loss;
    correct += score.correct;
    own.forEach((label, row) => {
      confusion[label]![largest(logits, row * classes, classes)]!++;
    });
  }
  const count = labels.length;
  return { loss: loss / count, accuracy: correct / count, labels: count, confusion };
}

/** The prediction for one position of an example. */
export interface Prediction {
  /** Number of the example. */
  readonly row: number;
  /** Position within the example, from 0. */
  readonly position: number;
  readonly label: number;
  /** Of each class; they sum to 1. */
  readonly probabilities: Float64Array;
}

export async function* predict(model: Classifier, features: Float32Array): AsyncGenerator<Prediction, void> {
  const { classes, positions } = model;
  for await (const { logits, first } of batches(model, features)) {
    for (let start = 0; start < logits.length; start += classes) {
      const number = first + start / classes;
      const label = largest(logits, start, classes);
      const probabilities = softmax(logits.subarray(start, start + classes), logits[start + label]!);
      yield { row: Math.floor(number / positions), position: number % positions, label, probabilities };
    }
  }
}

/**
 * Logits of all examples; `first` counts the positions before a batch.
 * @throws InvalidModel logits that have no softmax
 */
async function* batches({ inputSize, positions, logits: of }: Classifier, features: Float32Array) {
  const examples = features.length / inputSize;
  for (let first = 0; first < examples; first += EVALUATION_BATCH) {
    const batch = features.subarray(first * inputSize, (first + EVALUATION_BATCH) * inputSize);
    const logits = await of(batch);
    // NaN is not less either.
    if (!logits.every((logit) => logit < Number.POSITIVE_INFINITY)) {
      throw new InvalidModel(
        "the model predicts nothing: its logits are not finite; use another model, or check how the data are scaled",
        { code: "logits-not-finite", field: "model" },
      );
    }
    yield { logits, first: first * positions };
  }
}

/** The first of the largest of `count` numbers. */
function largest(numbers: Float32Array, start: number, count: number): number {
  let best = 0;
  for (let k = 1; k < count; k++) if (numbers[start + k]! > numbers[start + best]!) best = k;
  return best;
}

/** e^(z − max) / Σ, in float64. */
function softmax(logits: Float32Array, most: number): Float64Array {
  const probabilities = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = probabilities.reduce((total, value) => total + value, 0);
  return probabilities.map((value) => value / sum);
}
