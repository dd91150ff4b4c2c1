/** What is learned, apart from the trainer: fields of an experiment. A trainer takes what it needs. */
import { z } from "zod";
import { augmentationSettings } from "../datasets/augmentation.js";
import { datasetSettings } from "../datasets/index.js";
import { splitSettings } from "../datasets/partition.js";
import { modelSettings } from "../models/index.js";

const MAX_BATCH_SIZE = 1 << 20;

export const taskSettings = z.strictObject({
  model: modelSettings.prefault({ kind: "mlp" }).describe("what is trained"),
  data: datasetSettings.prefault({ kind: "digits" }).describe("training and test examples"),
  augmentation: augmentationSettings.prefault({}).describe("random changes to training images"),
  split: splitSettings
    .prefault({ kind: "shards" })
    .describe("how training examples are divided among the peers"),
  batchSize: z.int().min(1).max(MAX_BATCH_SIZE).default(32).describe("examples per local step"),
});
export type Task = z.output<typeof taskSettings>;
