/** Predictions of a trained model, and their evaluation against labels. */
import { unscale } from "../datasets/parts.js";
import type { Evaluation } from "../evaluation.js";
import { InvalidModel } from "../foundation/errors.js";
import { largest } from "../losses/cross-entropy.js";
import { sigmoid } from "../losses/sigmoid.js";
import { EVALUATION_BATCH } from "../trainers/batches.js";
import type { Predictor } from "../trainers/predictor.js";
import { createScoring } from "../trainers/scoring.js";

export interface ModelEvaluation extends Evaluation {
  /** Count of labels: examples times positions, or times targets. */
  readonly labels: number;
  /** Of classes: `confusion[label][class]` is how often `class` was predicted where `label` is correct. */
  readonly confusion?: readonly (readonly number[])[];
  /** Of marks and numbers: figures of each, in the order of the targets. */
  readonly byTarget?: readonly Readonly<Record<string, number>>[];
}

/**
 * Loss and metrics of a model on labelled examples.
 * @param labels of each example, as the model was trained with: its classes, marks, or scaled numbers
 */
export async function evaluateModel(
  model: Predictor,
  features: Float32Array,
  labels: Int32Array | Float32Array,
): Promise<ModelEvaluation> {
  const { kind, count } = model.loss.targets;
  const confusion = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  const perPosition = kind === "classes" ? 1 : model.outputs;
  const scoring = createScoring(model.loss);
  for await (const { outputs, first } of batches(model, features)) {
    const last = first + outputs.length / model.outputs;
    const own = labels.subarray(first * perPosition, last * perPosition);
    scoring.add(outputs, own);
    if (kind !== "classes") continue;
    own.forEach((label, row) => {
      confusion[label]![classAt(outputs, row * model.outputs, model.outputs)]!++;
    });
  }
  return {
    ...scoring.evaluation(),
    labels: labels.length,
    ...(kind === "classes" ? { confusion } : { byTarget: scoring.byTarget() }),
  };
}

/** The prediction for one position of an example. */
export type Prediction = {
  /** Number of the example. */
  readonly row: number;
  /** Position within the example, from 0. */
  readonly position: number;
} & PredictedTarget;

/** What a model predicts for one position of an example, by the kind of its targets. */
export type PredictedTarget =
  | {
      readonly kind: "classes";
      readonly label: number;
      /** Of each class; they sum to 1. */
      readonly probabilities: Float64Array;
    }
  | {
      readonly kind: "marks";
      /** Of each mark; it is predicted where this is above 1/2. */
      readonly probabilities: Float64Array;
    }
  | {
      readonly kind: "numbers";
      /** In the units of the data's files. */
      readonly numbers: Float64Array;
    };

/** Predictions for unlabelled examples, in their order. */
export async function* predict(model: Predictor, features: Float32Array): AsyncGenerator<Prediction, void> {
  const { outputs: width, positions } = model;
  for await (const { outputs, first } of batches(model, features)) {
    for (let start = 0; start < outputs.length; start += width) {
      const number = first + start / width;
      const place = { row: Math.floor(number / positions), position: number % positions };
      yield { ...place, ...targetOf(model, outputs.subarray(start, start + width)) };
    }
  }
}

/** What a model's outputs at one position predict. */
function targetOf({ loss: { targets } }: Predictor, outputs: Float32Array): PredictedTarget {
  const { kind, scaling } = targets;
  if (kind === "numbers") {
    return { kind, numbers: scaling ? unscale(outputs, scaling) : Float64Array.from(outputs) };
  }
  if (kind === "marks") return { kind, probabilities: Float64Array.from(outputs, sigmoid) };
  const label = classAt(outputs, 0, outputs.length);
  const [logit] = outputs;
  const probabilities =
    outputs.length === 1
      ? Float64Array.of(sigmoid(-logit!), sigmoid(logit!))
      : softmax(outputs, outputs[label]!);
  return { kind, label, probabilities };
}

/**
 * Outputs of all examples; `first` counts the positions before a batch.
 * @throws InvalidModel outputs that predict nothing
 */
async function* batches(model: Predictor, features: Float32Array) {
  const { inputSize, positions, loss } = model;
  const examples = features.length / inputSize;
  // A class may have the logit −∞, whose probability is 0.
  const isUsable = loss.outputs === "logits" ? (z: number) => z < Number.POSITIVE_INFINITY : Number.isFinite;
  for (let first = 0; first < examples; first += EVALUATION_BATCH) {
    const batch = features.subarray(first * inputSize, (first + EVALUATION_BATCH) * inputSize);
    const outputs = await model.run(batch);
    if (!outputs.every(isUsable)) {
      throw new InvalidModel(
        "the model predicts nothing: its outputs are not finite; use another model, or check how the data are scaled",
        { code: "outputs-not-finite", field: "model" },
      );
    }
    yield { outputs, first: first * positions };
  }
}

/** The class that logits predict: that of the largest, or the second one where a single logit is positive. */
function classAt(outputs: Float32Array, start: number, count: number): number {
  return count === 1 ? Number(outputs[start]! > 0) : largest(outputs, start, count);
}

/** e^(z − max) / Σ, in float64. */
function softmax(logits: Float32Array, most: number): Float64Array {
  const probabilities = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = probabilities.reduce((total, value) => total + value, 0);
  return probabilities.map((value) => value / sum);
}
