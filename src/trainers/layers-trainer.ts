import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { readInto, readsAtOnce } from "../backends/memory.js";
import { withMath } from "../backends/wasm-training/math.js";
import { countExamples, type Examples, type ExamplesDescription } from "../dataset.js";
import type { Augmentation } from "../datasets/augmentation.js";
import type { Evaluation } from "../evaluation.js";
import type { Fingerprint } from "../exchange/fingerprint.js";
import { InvalidExperiment, MurmurationError } from "../foundation/errors.js";
import { random } from "../foundation/random.js";
import type { Loss } from "../loss.js";
import { createLoss } from "../losses/index.js";
import type { Vector } from "../vectors/vector.js";
import { createBatchReader } from "./batch-reader.js";
import { EVALUATION_BATCH } from "./batches.js";
import { mathFingerprint } from "./fast-math.js";
import {
  checkData,
  type ModelShapes,
  refuseAmbientNoise,
  refuseIgnoredSettings,
  requireCount,
  requireOutputs,
  shapesOf,
} from "./layers-checks.js";
import { modelFingerprint } from "./layers-fingerprint.js";
import { weightsOf } from "./layers-weights.js";
import type { Trainer, TrainerPooling } from "./trainer.js";

/** A loss of the user's own: the mean of a batch from its labels, shape [batch, …], and the model's output for it. */
export type TensorLoss = (labels: tf.Tensor, predictions: tf.Tensor) => tf.Scalar;

/** Settings of `createLayersTrainer`. */
export interface LayersTrainerOptions {
  /** One input and one output; ends in logits unless `loss` says otherwise. The trainer disposes of it. */
  readonly model: LayersModel;
  /** What this peer learns from. */
  readonly train: Examples;
  /** What every peer is evaluated on. */
  readonly test: Examples;
  /** Softmax cross entropy over the last axis where left out; with one of the user's own, evaluations have no figure but it. */
  readonly loss?: Loss | TensorLoss;
  /** Outputs that the model must have at each position; any number where left out. */
  readonly outputs?: number;
  /** Examples per step; 32 where left out. */
  readonly batchSize?: number;
  /** Whether convolutions and products of backend wasm may have other last bits, to be faster; not where left out. */
  readonly fastMath?: boolean;
  /** Changes a batch's features in place before they are learned from; none where left out. */
  readonly augment?: Augmentation;
  /**
   * Patterns of the layers (`dense2`) or tensors (`dense2/kernel`) that learn, with `*` for any characters; all where left
   * out. The others are frozen in the model.
   */
  readonly trainable?: readonly string[];
  /** What the model takes and predicts, for its saved file. */
  readonly examples?: ExamplesDescription;
  /** What is asked of all peers' examples before the first gradient. */
  readonly pooling?: TrainerPooling;
  /** What peers of a run compare of the data that the examples are from; the model is compared in any case. */
  readonly fingerprint?: () => Promise<Fingerprint>;
  readonly seed: number;
  readonly peer: number;
}

/**
 * A trainer for any tf.LayersModel, on the backend that is active.
 *
 * Trainable weights are the model vector, in the order of `model.trainableWeights`. Weights that layers update themselves,
 * such as the running statistics of batch normalisation, stay with the peer. Frozen weights, by `trainable` or by a layer's
 * own flag, stay as they are, and no gradient is computed below the first layer that learns. The vector is the truth: every
 * gradient and evaluation starts by writing it into the model.
 *
 * Give every initialiser a seed, or load the weights, so that all peers start alike. Same seed, same bits on
 * one backend: dropout layers get their seeds from here, and layers whose noise cannot be seeded are refused.
 *
 * @throws InvalidExperiment a model or setting that this cannot train
 * @throws InvalidData examples that do not fit the model
 */
export function createLayersTrainer(options: LayersTrainerOptions): Trainer {
  const { model, batchSize = 32, fastMath = false, seed, peer } = options;
  const ownLoss = typeof options.loss === "function" ? options.loss : undefined;
  const loss = typeof options.loss === "function" ? undefined : (options.loss ?? usualLoss(model));
  const shapes = shapesOf(model, loss);
  requireOutputs(model, shapes, options.outputs, loss);
  const labelsPerExample = checkData({ ...options, name: model.name }, shapes, loss);
  requireCount("batchSize", batchSize);

  const weights = weightsOf(model, options.trainable);
  const { layers, layout, variables, local, frozen } = weights;
  refuseAmbientNoise(layers);
  refuseIgnoredSettings(layers);
  const dropouts = layers.filter((layer) => "rate" in layer && "seed" in layer) as unknown as SeededLayer[];
  // Asked of the layers, because a sequential model forgets its own.
  const penalties = () => layers.flatMap((layer) => layer.calculateLosses());
  const isRegularised = tf.tidy(() => penalties().length > 0);

  const batch = createBatchReader({ ...options, batchSize }, shapes.inputSize, labelsPerExample);
  const batchShape = [batch.size, ...shapes.inputShape];
  const lossOf = loss
    ? createMeanLoss(loss, batch.labels)
    : (predictions: tf.Tensor) => ownLoss!(labelsTensor(batch.labels, labelsPerExample), predictions);
  const evaluateOn = createEvaluation(options, shapes, labelsPerExample, loss ?? ownLoss!);

  function batchLoss(): tf.Scalar {
    const features = tf.tensor(batch.features, batchShape);
    const predictions = model.apply(features, { training: true }) as tf.Tensor;
    let total = lossOf(predictions);
    if (isRegularised) for (const penalty of penalties()) total = tf.add(total, penalty);
    return total;
  }

  /** Copies the gradients into `out`; of weights that the loss does not depend on they are 0. */
  async function download(gradients: tf.NamedTensorMap, out: Vector): Promise<void> {
    await Promise.all(
      layout.tensors.map(({ offset, length }, i) => {
        const gradient = gradients[variables[i]!.name];
        const part = out.subarray(offset, offset + length);
        return gradient ? readInto(gradient, part) : part.fill(0);
      }),
    );
  }

  return {
    layout,
    ...(options.examples && { examples: options.examples }),
    ...(options.pooling && { pooling: options.pooling }),
    counts: countExamples(options.train, options.test, shapes.inputSize, loss?.targets),
    stateShapes: local.shapes,
    ...(Object.keys(frozen.shapes).length > 0 && { frozen }),
    initialize: weights.initialize,
    async gradient(point, out, step) {
      weights.upload(point);
      batch.load(step);
      dropouts.forEach((layer, i) => {
        layer.seed = random(seed, "dropout", peer, step, i).bits(0);
      });
      const { value, grads } = withMath(fastMath, () =>
        differentiated(() => tf.variableGrads(batchLoss, variables as tf.Variable[])),
      );
      await download(grads, out);
      tf.dispose(grads);
      return numberOf(value);
    },
    evaluate(point) {
      weights.upload(point);
      return evaluateOn();
    },
    state: local.read,
    async restore(state) {
      local.write(state);
    },
    fingerprint: async () => ({
      ...(await modelFingerprint(model, weights)),
      ...mathFingerprint(fastMath),
      ...(await options.fingerprint?.()),
    }),
    dispose() {
      model.dispose();
    },
  };
}

/** @throws InvalidExperiment a layer or loss without a gradient */
function differentiated<Result>(gradient: () => Result): Result {
  try {
    return gradient();
  } catch (cause) {
    if (cause instanceof MurmurationError) throw cause;
    const [reason] = (cause as Error).message.split("\n");
    throw new InvalidExperiment(`the model cannot be trained: ${reason}; use layers that have gradients`, {
      code: "model-without-gradient",
      field: "model",
      cause,
    });
  }
}

/** Softmax cross entropy of as many classes as the model has outputs. */
function usualLoss(model: LayersModel): Loss {
  const count = model.outputs[0]?.shape.at(-1) ?? 1;
  return createLoss({ kind: "cross-entropy" }, { kind: "classes", count }).loss;
}

/** Mean loss of predictions for these labels, whatever they are by then. */
function createMeanLoss(
  loss: Loss,
  labels: Int32Array | Float32Array,
): (predictions: tf.Tensor) => tf.Scalar {
  let gradient = new Float32Array(0);
  /** With its gradient computed in one go, as one node of the tape. */
  const fused = tf.customGrad((outputs) => {
    const predictions = outputs as tf.Tensor;
    if (gradient.length !== predictions.size) gradient = new Float32Array(predictions.size);
    const sum = loss.score(predictions.dataSync(), labels, gradient);
    return {
      value: tf.scalar(sum / labels.length),
      // Penalties are only ever added to this loss, so what comes from upstream is 1.
      gradFunc: () => tf.tensor(gradient, predictions.shape),
    };
  });
  return (predictions) =>
    readsAtOnce() ? (fused(predictions) as tf.Scalar) : loss.mean(tf, predictions, labels);
}

/** Evaluates the weights that the model has, on the test examples. */
function createEvaluation(
  { model, test, fastMath = false }: LayersTrainerOptions,
  { inputShape, inputSize }: ModelShapes,
  labelsPerExample: number,
  loss: Loss | TensorLoss,
): () => Promise<Evaluation> {
  return async () => {
    const count = test.features.length / inputSize;
    const tally = typeof loss === "function" ? undefined : loss.createTally();
    let sum = 0;
    for (let first = 0; first < count; first += EVALUATION_BATCH) {
      const last = Math.min(count, first + EVALUATION_BATCH);
      const labels = test.labels.subarray(first * labelsPerExample, last * labelsPerExample);
      const result = tf.tidy(() => {
        const numbers = test.features.subarray(first * inputSize, last * inputSize);
        const features = tf.tensor(numbers, [last - first, ...inputShape]);
        const predictions = withMath(fastMath, () => model.apply(features, { training: false })) as tf.Tensor;
        return typeof loss === "function"
          ? loss(labelsTensor(labels, labelsPerExample), predictions)
          : predictions;
      });
      if (typeof loss === "function") {
        sum += (await numberOf(result)) * labels.length;
      } else {
        const outputs = await result.data();
        result.dispose();
        sum += loss.score(outputs, labels);
        tally!.add(outputs, labels);
      }
    }
    return { loss: sum / test.labels.length, ...tally?.figures() };
  };
}

/** The number in a tensor of one, which is disposed of. */
async function numberOf(tensor: tf.Tensor): Promise<number> {
  const [number] = await tensor.data();
  tensor.dispose();
  return number!;
}

function labelsTensor(labels: Int32Array | Float32Array, perExample: number): tf.Tensor {
  const shape = perExample === 1 ? [labels.length] : [labels.length / perExample, perExample];
  return tf.tensor(labels, shape, labels instanceof Int32Array ? "int32" : "float32");
}

/** A dropout layer. tfjs keeps its seed private, and would drop the same units in every step. */
interface SeededLayer {
  seed: number;
}
