import type { LayersModel } from "@tensorflow/tfjs-layers";
import { countExamples, type Examples, type ExamplesDescription } from "../dataset.js";
import type { Augmentation } from "../datasets/augmentation.js";
import type { Fingerprint } from "../exchange/fingerprint.js";
import { random } from "../foundation/random.js";
import type { Loss } from "../loss.js";
import { createLoss } from "../losses/index.js";
import type { Vector } from "../vectors/vector.js";
import { createBatchReader } from "./batch-reader.js";
import { mathFingerprint } from "./fast-math.js";
import {
  checkData,
  refuseAmbientNoise,
  refuseIgnoredSettings,
  requireCount,
  requireOutputs,
  shapesOf,
} from "./layers-checks.js";
import { createComputation, type TensorLoss } from "./layers-computation.js";
import { divided, isDivisible, undivided } from "./layers-division.js";
import { evaluateOutputs, evaluateTensors } from "./layers-evaluation.js";
import { modelFingerprint } from "./layers-fingerprint.js";
import type { ThreadsOption } from "./layers-threads.js";
import { weightsOf } from "./layers-weights.js";
import type { Trainer, TrainerPooling } from "./trainer.js";

export type { TensorLoss } from "./layers-computation.js";

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
  /** Threads that compute parts of each batch, with models like this one; the caller's alone where left out. */
  readonly threads?: ThreadsOption;
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
  const { layers, layout, local } = weights;
  refuseAmbientNoise(layers);
  refuseIgnoredSettings(layers);
  const own = createComputation({ model, weights, shapes, loss: loss ?? ownLoss!, fastMath });
  const size = Math.min(batchSize, options.train.features.length / shapes.inputSize);
  const computation =
    options.threads && isDivisible(options.threads, weights, size)
      ? divided(own, weights, shapes, options.threads)
      : undivided(own, weights);
  const { frozen } = computation;
  const batch = createBatchReader(
    { ...options, batchSize, isShared: computation.isShared },
    shapes.inputSize,
    labelsPerExample,
  );

  return {
    layout,
    ...(options.examples && { examples: options.examples }),
    ...(options.pooling && { pooling: options.pooling }),
    counts: countExamples(options.train, options.test, shapes.inputSize, loss?.targets),
    stateShapes: local.shapes,
    ...(Object.keys(frozen.shapes).length > 0 && { frozen }),
    initialize: weights.initialize,
    async gradient(point, out, step) {
      batch.load(step);
      const { size, features, labels } = batch;
      const noise = (part: number) =>
        Array.from({ length: own.dropouts }, (_, i) => random(seed, "dropout", peer, step, i).bits(part));
      return computation.gradient(point, { size, features, labels, noise }, out);
    },
    evaluate(point) {
      if (loss) {
        const outputs = (features: readonly Vector[]) => computation.outputs(point, features);
        return evaluateOutputs(options.test, shapes, loss, computation.width, outputs);
      }
      weights.upload(point);
      return evaluateTensors({ model, fastMath }, options.test, shapes, ownLoss!);
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
      computation.dispose();
      model.dispose();
    },
  };
}

/** Softmax cross entropy of as many classes as the model has outputs. */
function usualLoss(model: LayersModel): Loss {
  const count = model.outputs[0]?.shape.at(-1) ?? 1;
  return createLoss({ kind: "cross-entropy" }, { kind: "classes", count }).loss;
}
