/** The optimisers of tfjs, by name. Their learning rate comes from the run's schedule, round by round. */
import type { Optimizer } from "@tensorflow/tfjs-core";
import { z } from "zod";
import { InvalidExperiment } from "../errors.js";

const fraction = z.number().min(0).lt(1);
const epsilon = z.number().positive().default(1e-7).describe("added to denominators");
const weightDecay = z
  .number()
  .min(0)
  .default(0)
  .describe("λ: λ·x is added to every gradient, as from the L2 penalty λ/2·‖x‖²");

/** Settings of any optimiser, told apart by `kind`. */
export const optimizerSettings = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sgd"), weightDecay }),
  z.strictObject({
    kind: z.literal("momentum"),
    momentum: fraction.default(0.9),
    nesterov: z.boolean().default(false),
    weightDecay,
  }),
  z.strictObject({
    kind: z.literal("adam"),
    beta1: fraction.default(0.9),
    beta2: fraction.default(0.999),
    epsilon,
    weightDecay,
  }),
  z.strictObject({
    kind: z.literal("adamax"),
    beta1: fraction.default(0.9),
    beta2: fraction.default(0.999),
    epsilon,
    weightDecay,
  }),
  z.strictObject({
    kind: z.literal("rmsprop"),
    decay: fraction.default(0.9),
    momentum: fraction.default(0),
    epsilon,
    centered: z.boolean().default(false),
    weightDecay,
  }),
  z.strictObject({
    kind: z.literal("adagrad"),
    initialAccumulator: z.number().positive().default(0.1),
    weightDecay,
  }),
  z.strictObject({ kind: z.literal("adadelta"), decay: fraction.default(0.95), epsilon, weightDecay }),
]);
export type OptimizerSettings = z.output<typeof optimizerSettings>;

/** A fresh tfjs optimiser; its learning rate is 0 until it is set. Weight decay is the trainer's to add. */
export async function createOptimizer(settings: OptimizerSettings): Promise<Optimizer> {
  const { train } = await import("@tensorflow/tfjs-core");
  switch (settings.kind) {
    case "sgd":
      return new (await import("./sgd.js")).OnePassSgd(0);
    case "momentum":
      return train.momentum(0, settings.momentum, settings.nesterov);
    case "adam":
      return train.adam(0, settings.beta1, settings.beta2, settings.epsilon);
    case "adamax":
      return train.adamax(0, settings.beta1, settings.beta2, settings.epsilon);
    case "rmsprop":
      return train.rmsprop(0, settings.decay, settings.momentum, settings.epsilon, settings.centered);
    case "adagrad":
      return train.adagrad(0, settings.initialAccumulator);
    case "adadelta":
      return train.adadelta(0, settings.decay, settings.epsilon);
  }
}

/** What tfjs optimisers have but do not all declare: a setter in some, a protected field in the others. */
interface HasLearningRate {
  learningRate?: unknown;
  setLearningRate?(learningRate: number): void;
  /** The rate as a tensor, in sgd and its children. */
  c?: { readonly isDisposed: boolean; dispose(): void };
}

/** @throws InvalidExperiment an optimiser whose learning rate cannot be set */
export function setLearningRate(optimizer: Optimizer, learningRate: number): void {
  const open = optimizer as unknown as HasLearningRate;
  if (open.learningRate === learningRate) return;
  if (open.setLearningRate) open.setLearningRate(learningRate);
  else if (typeof open.learningRate === "number") open.learningRate = learningRate;
  else {
    throw new InvalidExperiment(
      `optimizer ${optimizer.getClassName()} has no learning rate to set: use one of tf.train`,
    );
  }
}

export function disposeOptimizer(optimizer: Optimizer): void {
  optimizer.dispose();
  // tfjs forgets the rate of its momentum optimiser.
  const rate = (optimizer as unknown as HasLearningRate).c;
  if (rate && !rate.isDisposed) rate.dispose();
}
