/** What a trained model answers: evaluated against labels, or as predictions. */
import { EVALUATION_BATCH } from "../trainers/batches.js";
import type { Classifier } from "../trainers/classifier.js";
import { softmaxCrossEntropy } from "../trainers/cross-entropy.js";

export interface ModelEvaluation {
  /** Mean cross entropy of an answer. */
  readonly loss: number;
  /** Share of right answers in [0, 1]. */
  readonly accuracy: number;
  readonly answers: number;
  /** `confusion[label][class]`: answers of `class` where `label` is right. */
  readonly confusion: readonly (readonly number[])[];
}

/** @param labels one per answer, below the model's count of classes */
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
  const answers = labels.length;
  return { loss: loss / answers, accuracy: correct / answers, answers, confusion };
}

/** One answer of a model. */
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
  const { classes, answers } = model;
  for await (const { logits, first } of batches(model, features)) {
    for (let start = 0; start < logits.length; start += classes) {
      const answer = first + start / classes;
      const label = largest(logits, start, classes);
      const probabilities = softmax(logits.subarray(start, start + classes), logits[start + label]!);
      yield { row: Math.floor(answer / answers), position: answer % answers, label, probabilities };
    }
  }
}

/** Logits of all examples; `first` is the number of a batch's first answer. */
async function* batches({ inputSize, answers, logits }: Classifier, features: Float32Array) {
  const examples = features.length / inputSize;
  for (let first = 0; first < examples; first += EVALUATION_BATCH) {
    const batch = features.subarray(first * inputSize, (first + EVALUATION_BATCH) * inputSize);
    yield { logits: await logits(batch), first: first * answers };
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
