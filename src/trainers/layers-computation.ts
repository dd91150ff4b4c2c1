/** What is computed with one copy of a layers model: gradients of a batch or a part of one, and outputs. */
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { readInto, readsAtOnce } from "../backends/memory.js";
import { withMath } from "../backends/wasm-training/math.js";
import { InvalidExperiment, MurmurationError } from "../foundation/errors.js";
import type { Loss } from "../loss.js";
import type { Vector } from "../vectors/vector.js";
import type { ModelShapes } from "./layers-checks.js";
import type { ModelWeights } from "./layers-weights.js";

/** A loss of the user's own: the mean of a batch from its labels, shape [batch, …], and the model's output for it. */
export type TensorLoss = (labels: tf.Tensor, predictions: tf.Tensor) => tf.Scalar;

/** Examples of a batch that one thread computes. */
export interface BatchPart {
  readonly features: Vector;
  readonly labels: Int32Array | Float32Array;
  /** Examples of the part ÷ examples of the batch; 1 with a {@link TensorLoss}. */
  readonly share: number;
  /** Whether it includes the penalties of layers, as one part of each batch does. */
  readonly isPenalised: boolean;
  /** A seed for each dropout layer. */
  readonly noise: readonly number[];
}

export interface LayersComputation {
  /** Layers that take a seed with each batch. */
  readonly dropouts: number;
  /**
   * Writes the part's term of a batch's gradient at `point` into `out`: of the mean loss of its examples × its share,
   * plus the penalties where it includes them.
   *
   * @returns its term of the loss
   * @throws InvalidExperiment a layer or loss without a gradient
   */
  gradient(point: Vector, part: BatchPart, out: Vector): Promise<number>;
  /** The model's outputs for examples, by the weights that it has, as in evaluations. */
  outputs(features: Vector): Promise<Float32Array>;
}

export interface ComputationOptions {
  readonly model: LayersModel;
  readonly weights: ModelWeights;
  readonly shapes: ModelShapes;
  readonly loss: Loss | TensorLoss;
  /** Whether fast kernels compute; see `backends/wasm-training/math.ts`. */
  readonly fastMath: boolean;
}

export function createComputation(options: ComputationOptions): LayersComputation {
  const { model, weights, shapes, loss, fastMath } = options;
  const { layers, layout, variables } = weights;
  const dropouts = layers.filter((layer) => "rate" in layer && "seed" in layer) as unknown as SeededLayer[];
  // Asked of the layers, because a sequential model forgets its own.
  const penalties = () => layers.flatMap((layer) => layer.calculateLosses());
  const isRegularised = tf.tidy(() => penalties().length > 0);
  const meanLoss = typeof loss === "function" ? ownMeanLoss(loss) : createMeanLoss(loss);

  const apply = (features: Vector, training: boolean) => {
    const shape = [features.length / shapes.inputSize, ...shapes.inputShape];
    return model.apply(tf.tensor(features, shape), { training }) as tf.Tensor;
  };

  function lossOf(part: BatchPart): tf.Scalar {
    let total = meanLoss(apply(part.features, true), part);
    if (isRegularised && part.isPenalised) for (const penalty of penalties()) total = tf.add(total, penalty);
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
    dropouts: dropouts.length,
    async gradient(point, part, out) {
      weights.upload(point);
      dropouts.forEach((layer, i) => {
        layer.seed = part.noise[i]!;
      });
      const { value, grads } = withMath(fastMath, () =>
        differentiated(() => tf.variableGrads(() => lossOf(part), variables as tf.Variable[])),
      );
      await download(grads, out);
      tf.dispose(grads);
      return numberOf(value);
    },
    async outputs(features) {
      const outputs = withMath(fastMath, () => tf.tidy(() => apply(features, false)));
      const numbers = (await outputs.data()) as Float32Array;
      outputs.dispose();
      return numbers;
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

type MeanLoss = (predictions: tf.Tensor, part: BatchPart) => tf.Scalar;

const ownMeanLoss =
  (loss: TensorLoss): MeanLoss =>
  (predictions, { labels }) =>
    loss(labelsTensor(labels, predictions.shape[0]!), predictions);

/** Mean loss of a part × its share. */
function createMeanLoss(loss: Loss): MeanLoss {
  let gradient = new Float32Array(0);
  let part: BatchPart;
  /** With its gradient computed in one go, as one node of the tape. */
  const fused = tf.customGrad((outputs) => {
    const predictions = outputs as tf.Tensor;
    const { labels, share } = part;
    if (gradient.length !== predictions.size) gradient = new Float32Array(predictions.size);
    const sum = loss.score(predictions.dataSync(), labels, gradient);
    if (share !== 1) for (let k = 0; k < gradient.length; k++) gradient[k]! *= share;
    return {
      value: tf.scalar((sum / labels.length) * share),
      // Penalties are only ever added to this loss, so what comes from upstream is 1.
      gradFunc: () => tf.tensor(gradient, predictions.shape),
    };
  });
  return (predictions, given) => {
    part = given;
    if (readsAtOnce()) return fused(predictions) as tf.Scalar;
    return tf.mul(loss.mean(tf, predictions, given.labels), given.share);
  };
}

/** The number in a tensor of one, which is disposed of. */
export async function numberOf(tensor: tf.Tensor): Promise<number> {
  const [number] = await tensor.data();
  tensor.dispose();
  return number!;
}

/** Labels of a batch, shape [examples] where each has one and [examples, labels] where it has several. */
export function labelsTensor(labels: Int32Array | Float32Array, examples: number): tf.Tensor {
  const perExample = labels.length / examples;
  const shape = perExample === 1 ? [examples] : [examples, perExample];
  return tf.tensor(labels, shape, labels instanceof Int32Array ? "int32" : "float32");
}

/** A dropout layer. tfjs keeps its seed private, and would drop the same units in every step. */
interface SeededLayer {
  seed: number;
}
