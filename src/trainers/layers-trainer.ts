import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel, layers as layersModule } from "@tensorflow/tfjs-layers";
import type { Augmentation } from "../augmentation.js";
import { readInto, readsAtOnce } from "../backends/read.js";
import { type Examples, sizeOf } from "../dataset.js";
import { InvalidData, InvalidExperiment } from "../errors.js";
import { createLayout, type Layout } from "../layout.js";
import { random } from "../random.js";
import type { Trainer } from "../trainer.js";
import type { Vector } from "../vector.js";
import { createBatches } from "./batches.js";
import { softmaxCrossEntropy } from "./cross-entropy.js";
import { disposeOptimizer, setLearningRate } from "./optimizers.js";
import { addScaled } from "./scaled.js";

type Layer = layersModule.Layer;

/** Examples of one forward pass while evaluating. */
const EVALUATION_BATCH = 256;

/** Mean loss of a batch from its labels, shape [batch, …], and the model's output for it. */
export type Loss = (labels: tf.Tensor, predictions: tf.Tensor) => tf.Scalar;

export interface LayersTrainerOptions {
  /** One input and one output; ends in logits unless `loss` says otherwise. The trainer disposes of it. */
  readonly model: LayersModel;
  /** Any optimiser of tf.train, used by no other trainer. The trainer disposes of it. */
  readonly optimizer: tf.Optimizer;
  /** What this peer learns from. */
  readonly train: Examples;
  /** What every peer is evaluated on. */
  readonly test: Examples;
  /** Softmax cross entropy over the last axis where left out; with another, no accuracy is reported. */
  readonly loss?: Loss;
  /** λ of the L2 penalty λ/2·‖x‖² whose gradient is added to every step's. 0 where left out. */
  readonly weightDecay?: number;
  /** Examples per step; 32 where left out. */
  readonly batchSize?: number;
  /** Steps per round; 1 where left out. */
  readonly localSteps?: number;
  /** Changes a batch's features in place before they are learned from; none where left out. */
  readonly augment?: Augmentation;
  readonly seed: number;
  readonly peer: number;
}

/**
 * A trainer for any tf.LayersModel with any tfjs optimiser, on the backend that is active.
 *
 * Trainable weights are the model vector, in the order of `model.trainableWeights`. Weights that no gradient
 * moves, such as the running statistics of batch normalisation, stay with the peer, and so does the state of
 * the optimiser. The vector is the truth: every step and evaluation starts by writing it into the model.
 *
 * Give every initialiser a seed, or load the weights, so that all peers start alike. Same seed, same bits on
 * one backend: dropout layers get their seeds from here, and layers whose noise cannot be seeded are refused.
 *
 * @throws InvalidExperiment a model or setting that this cannot train
 * @throws InvalidData examples that do not fit the model
 */
export function createLayersTrainer(options: LayersTrainerOptions): Trainer {
  const { model, optimizer, train, test, loss: customLoss, weightDecay = 0 } = options;
  const { batchSize = 32, localSteps = 1, augment, seed, peer } = options;
  const { inputShape, inputSize, answers, classes } = shapesOf(model, !customLoss);
  const labelsPerExample = checkExamples("training", train, inputSize, customLoss ? undefined : classes);
  const labelsPerTest = checkExamples("test", test, inputSize, customLoss ? undefined : classes);
  if (labelsPerTest !== labelsPerExample) {
    throw new InvalidData(
      `training data has ${labelsPerExample} labels per example and test data ${labelsPerTest}: make them alike`,
    );
  }
  if (!customLoss && labelsPerExample !== answers) {
    throw new InvalidData(
      `the data has ${labelsPerExample} labels per example, but model ${model.name} gives ${answers} answers: check its output shape`,
    );
  }
  requireCount("batchSize", batchSize);
  requireCount("localSteps", localSteps);

  const allLayers = flatten(model.layers);
  const dropouts = allLayers.filter(
    (layer) => "rate" in layer && "seed" in layer,
  ) as unknown as SeededLayer[];
  refuseAmbientNoise(allLayers);
  const { layout, variables } = weightsOf(model, allLayers);
  const start = variables.map((variable) => startOf(variable, model));
  // Asked of the layers, because a sequential model forgets its own.
  const penalties = () => allLayers.flatMap((layer) => layer.calculateLosses());
  const isRegularised = tf.tidy(() => penalties().length > 0);
  setLearningRate(optimizer, 0);

  const batches = createBatches(train.features.length / inputSize, batchSize, seed, peer);
  const batchShape = [batches.size, ...inputShape];
  const batchFeatures = new Float32Array(batches.size * inputSize);
  const batchLabels = train.labels.slice(0, batches.size * labelsPerExample);
  let logitsGradient = new Float32Array(0);

  function upload(vector: Vector): void {
    layout.tensors.forEach(({ offset, length }, i) => {
      const variable = variables[i]!;
      const end = offset + length;
      // Native backends take no views of memory that threads share.
      const isShared = !(vector.buffer instanceof ArrayBuffer);
      const numbers = isShared ? vector.slice(offset, end) : vector.subarray(offset, end);
      const value = tf.tensor(numbers, variable.shape, "float32");
      variable.assign(value);
      value.dispose();
    });
  }

  async function download(vector: Vector): Promise<void> {
    await Promise.all(
      layout.tensors.map(({ offset, length }, i) =>
        readInto(variables[i]!, vector.subarray(offset, offset + length)),
      ),
    );
  }

  function loadBatch(step: number): void {
    const examples = batches.at(step);
    for (let i = 0; i < examples.length; i++) {
      const from = examples[i]!;
      batchFeatures.set(train.features.subarray(from * inputSize, (from + 1) * inputSize), i * inputSize);
      for (let k = 0; k < labelsPerExample; k++) {
        batchLabels[i * labelsPerExample + k] = train.labels[from * labelsPerExample + k]!;
      }
    }
    augment?.(batchFeatures, random(seed, "augment", peer, step));
  }

  /** Cross entropy with its gradient computed in one go, as one node of the tape. */
  const fusedCrossEntropy = tf.customGrad((logits) => {
    const predictions = logits as tf.Tensor;
    if (logitsGradient.length !== predictions.size) logitsGradient = new Float32Array(predictions.size);
    const { loss } = softmaxCrossEntropy(predictions.dataSync(), batchLabels, classes, logitsGradient);
    return {
      value: tf.scalar(loss / batchLabels.length),
      // Penalties are only ever added to this loss, so what comes from upstream is 1.
      gradFunc: () => tf.tensor(logitsGradient, predictions.shape),
    };
  });
  const crossEntropy = (predictions: tf.Tensor) =>
    readsAtOnce()
      ? fusedCrossEntropy(predictions)
      : tf.losses.softmaxCrossEntropy(
          tf.oneHot(tf.tensor(batchLabels, [batchLabels.length], "int32"), classes),
          tf.reshape(predictions, [batchLabels.length, classes]),
        );

  function batchLoss(features: tf.Tensor): tf.Scalar {
    const predictions = model.apply(features, { training: true }) as tf.Tensor;
    let total = customLoss
      ? customLoss(labelsTensor(batchLabels, labelsPerExample), predictions)
      : (crossEntropy(predictions) as tf.Scalar);
    if (isRegularised) for (const penalty of penalties()) total = tf.add(total, penalty);
    return total;
  }

  /** One optimiser step from the variables' values. */
  async function localStep(step: number): Promise<number> {
    loadBatch(step);
    dropouts.forEach((layer, i) => {
      layer.seed = random(seed, "dropout", peer, step, i).bits(0);
    });
    const loss = tf.tidy(() => {
      const features = tf.tensor(batchFeatures, batchShape);
      const { value, grads } = tf.variableGrads(() => batchLoss(features), variables);
      optimizer.applyGradients(
        variables.map((variable) => {
          const gradient = grads[variable.name]!;
          return {
            name: variable.name,
            tensor: weightDecay > 0 && gradient ? addScaled(gradient, variable, weightDecay) : gradient,
          };
        }),
      );
      return value;
    });
    return numberOf(loss);
  }

  return {
    layout,
    initialize(vector) {
      layout.tensors.forEach(({ offset }, i) => {
        vector.set(start[i]!, offset);
      });
    },
    async step(vector, { round, learningRate }) {
      setLearningRate(optimizer, learningRate);
      upload(vector);
      let sum = 0;
      for (let local = 0; local < localSteps; local++) {
        sum += await localStep(round * localSteps + local);
      }
      await download(vector);
      return sum / localSteps;
    },
    async evaluate(vector) {
      upload(vector);
      const count = test.features.length / inputSize;
      let loss = 0;
      let correct = 0;
      for (let first = 0; first < count; first += EVALUATION_BATCH) {
        const last = Math.min(count, first + EVALUATION_BATCH);
        const labels = test.labels.subarray(first * labelsPerExample, last * labelsPerExample);
        const result = tf.tidy(() => {
          const features = tf.tensor(test.features.subarray(first * inputSize, last * inputSize), [
            last - first,
            ...inputShape,
          ]);
          const predictions = model.apply(features, { training: false }) as tf.Tensor;
          return customLoss ? customLoss(labelsTensor(labels, labelsPerExample), predictions) : predictions;
        });
        if (customLoss) {
          loss += (await numberOf(result)) * labels.length;
        } else {
          const score = softmaxCrossEntropy(await result.data(), labels, classes);
          result.dispose();
          loss += score.loss;
          correct += score.correct;
        }
      }
      const total = test.labels.length;
      return customLoss ? { loss: loss / total } : { loss: loss / total, accuracy: correct / total };
    },
    dispose() {
      model.dispose();
      disposeOptimizer(optimizer);
    },
  };
}

/** What a variable holds before anything was computed. */
function startOf(variable: tf.Variable, model: LayersModel): Float32Array {
  try {
    return Float32Array.from(variable.dataSync());
  } catch (cause) {
    throw new InvalidExperiment(
      `the weights of model ${model.name} were computed by a backend that cannot be read at once: load them from numbers, or use another backend`,
      { cause },
    );
  }
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

function requireCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new InvalidExperiment(`${name} is ${value}: use a whole number from 1 up`);
  }
}

/** What goes into the model and comes out of it. */
function shapesOf(model: LayersModel, needsLogits: boolean) {
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw new InvalidExperiment(
      `model ${model.name} has ${model.inputs.length} inputs and ${model.outputs.length} outputs: the trainer takes one of each`,
    );
  }
  const inputShape = model.inputs[0]!.shape.slice(1).map((side) => {
    if (side === null) {
      throw new InvalidExperiment(
        `model ${model.name} takes inputs of any size: give its inputShape fixed sides`,
      );
    }
    return side;
  });
  const last = model.layers.at(-1);
  if (needsLogits && (last?.getConfig().activation === "softmax" || last?.getClassName() === "Softmax")) {
    throw new InvalidExperiment(
      `model ${model.name} ends in a softmax, but the loss takes logits: drop that activation or pass a loss of your own`,
    );
  }
  const outputShape = model.outputs[0]!.shape.slice(1).map((side) => side ?? 1);
  return {
    inputShape,
    inputSize: sizeOf(inputShape),
    /** Positions per example at which the model gives logits. */
    answers: sizeOf(outputShape.slice(0, -1)),
    classes: outputShape.at(-1) ?? 1,
  };
}

/**
 * @param classes count of classes, undefined where labels are not classes
 * @returns labels per example
 */
function checkExamples(name: string, examples: Examples, inputSize: number, classes?: number): number {
  const { features, labels } = examples;
  const count = features.length / inputSize;
  if (count === 0 || !Number.isInteger(count)) {
    throw new InvalidData(
      `${name} data has ${features.length} features, not a whole number of examples of ${inputSize}: check the model's input shape`,
    );
  }
  const perExample = labels.length / count;
  if (perExample === 0 || !Number.isInteger(perExample)) {
    throw new InvalidData(
      `${name} data has ${labels.length} labels for ${count} examples: label each equally`,
    );
  }
  if (classes !== undefined) {
    const wrong = labels.findIndex(
      (label: number) => !(Number.isInteger(label) && label >= 0 && label < classes),
    );
    if (wrong >= 0) {
      throw new InvalidData(
        `${name} data: label ${wrong} is ${labels[wrong]}, not a class from 0 to ${classes - 1}: check the model's output`,
      );
    }
  }
  return perExample;
}

/** All layers, those inside nested models included, in order. */
function flatten(layers: readonly Layer[]): Layer[] {
  return layers.flatMap((layer) => {
    const nested = (layer as { layers?: Layer[] }).layers;
    return nested ? flatten(nested) : [layer];
  });
}

/** A dropout layer. tfjs keeps its seed private, and would drop the same units in every step. */
interface SeededLayer {
  seed: number;
}

/** Layers that draw from tfjs's own random numbers, which no seed reaches. */
function refuseAmbientNoise(layers: readonly Layer[]): void {
  for (const layer of layers) {
    const className = layer.getClassName();
    if (/^(Gaussian|Alpha|Random)/.test(className) || dropsInside(layer.getConfig())) {
      throw new InvalidExperiment(
        `layer ${layer.name} (${className}) draws random numbers that cannot be seeded: use a dropout layer instead`,
      );
    }
  }
}

/** Whether a recurrent layer, or one wrapped in this one, drops inputs or states by itself. */
function dropsInside(config: object): boolean {
  return Object.entries(config).some(([key, value]) => {
    if (key === "dropout" || key === "recurrentDropout") return typeof value === "number" && value > 0;
    return typeof value === "object" && value !== null && dropsInside(value);
  });
}

/**
 * The trainable weights and their layout. Names count layers of a class within the model, for example
 * `dense2/kernel`, because tfjs's own names count all layers of the process and would differ between peers.
 */
function weightsOf(
  model: LayersModel,
  layers: readonly Layer[],
): { layout: Layout; variables: tf.Variable[] } {
  const counts = new Map<string, number>();
  const names = new Map<number, string>();
  for (const layer of layers) {
    const className = layer.getClassName().toLowerCase();
    const count = (counts.get(className) ?? 0) + 1;
    counts.set(className, count);
    for (const { id, originalName } of layer.trainableWeights) {
      names.set(id, `${className}${count}/${originalName.split("/").at(-1)}`);
    }
  }
  const weights = model.trainableWeights.filter(({ shape }) => shape.every((side) => side !== 0));
  if (weights.length === 0) {
    throw new InvalidExperiment(`model ${model.name} has no trainable weights: nothing to learn`);
  }
  const layout = createLayout(
    weights.map(({ id, shape }, i) => ({
      name: names.get(id) ?? `weight${i + 1}`,
      shape: shape as number[],
    })),
  );
  return { layout, variables: weights.map((weight) => weight.read() as tf.Variable) };
}
