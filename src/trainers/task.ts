/** What is learned, apart from the trainer: fields of an experiment. A trainer takes what it needs. */
import { z } from "zod";
import { augmentationSettings } from "../datasets/augmentation.js";
import { datasetSettings } from "../datasets/index.js";
import { splitSettings } from "../datasets/partition.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { lossSettings } from "../losses/index.js";
import { modelSettings } from "../models/index.js";

/** Initial weights that are no file's. */
export const FROM_SEED = "seed";

const MAX_BATCH_SIZE = 1 << 20;

/** Most patterns of `trainable`, and characters of one. */
export const MAX_PATTERNS = 256;
export const MAX_PATTERN_LENGTH = 256;

/** Patterns of `trainable` that match every tensor. */
const EVERYTHING = ["*"];

export const taskSettings = z.strictObject({
  model: modelSettings.prefault({ kind: "mlp" }).describe("what is trained"),
  data: datasetSettings.prefault({ kind: "digits" }).describe("training and test examples"),
  augmentation: augmentationSettings.prefault({}).describe("random changes to training images"),
  split: splitSettings
    .prefault({ kind: "shards" })
    .describe("how training examples are divided among the peers"),
  loss: lossSettings
    .prefault({ kind: "auto" })
    .describe("what is minimised; auto: cross-entropy for classes, multi-label for marks, mse for numbers"),
  weights: z
    .string()
    .min(1)
    .default(FROM_SEED)
    .describe(
      "model that all peers start from: a .safetensors file, a model.json of TensorFlow.js, or drawn from the seed",
    ),
  trainable: z
    .array(z.string().min(1).max(MAX_PATTERN_LENGTH))
    .min(1)
    .max(MAX_PATTERNS)
    .default(EVERYTHING)
    .describe(
      'layers or tensors that learn and gossip, with * for any characters: ["dense2", "*/bias"]; the others stay as they start',
    ),
  batchSize: z.int().min(1).max(MAX_BATCH_SIZE).default(32).describe("examples per local step"),
});
export type Task = z.output<typeof taskSettings>;

/** Whether these patterns of `trainable` freeze nothing. */
export function isEverything(patterns: readonly string[]): boolean {
  return patterns.every((pattern) => pattern === "*");
}

/** @throws InvalidExperiment a task that freezes tensors, for a kind of trainer that cannot. @param instead what to do */
export function refuseFreezing({ trainable }: Task, kind: string, instead: string): void {
  if (isEverything(trainable)) return;
  throw new InvalidExperiment(`trainer ${kind} has no use for "trainable": remove it${instead}`, {
    code: "trainable-not-used",
    field: "trainable",
  });
}
