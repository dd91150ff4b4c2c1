/** What is learned, apart from the trainer: fields of an experiment. A trainer takes what it needs. */
import { z } from "zod";
import { augmentationSettings } from "../datasets/augmentation.js";
import { datasetSettings } from "../datasets/index.js";
import { splitSettings } from "../datasets/partition.js";
import { lossSettings } from "../losses/index.js";
import { modelSettings } from "../models/index.js";

/** Initial weights that are no file's. */
export const FROM_SEED = "seed";

const MAX_BATCH_SIZE = 1 << 20;

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
    .describe("model that all peers start from: a .safetensors file, or drawn from the seed"),
  batchSize: z.int().min(1).max(MAX_BATCH_SIZE).default(32).describe("examples per local step"),
});
export type Task = z.output<typeof taskSettings>;
