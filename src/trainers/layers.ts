import { z } from "zod";
import { backendNames } from "../backend.js";
import { type Dataset, descriptionOf, type Examples, sizeOf } from "../dataset.js";
import { createAugmentation } from "../datasets/augmentation.js";
import { datasetFingerprint, partsFingerprint } from "../datasets/content.js";
import { loadDataset } from "../datasets/index.js";
import { partition, type SplitSettings, splitsByClass } from "../datasets/partition.js";
import { readSplit } from "../datasets/split-file.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { createModel } from "../models/index.js";
import type { TrainerKind } from "./trainer.js";

const settings = z.strictObject({
  kind: z.literal("layers"),
  backend: z
    .enum(backendNames)
    .default("wasm")
    .describe("tfjs backend; auto: the fastest that starts, see murmur doctor"),
});

/** Trains the task's model on the peer's part of the task's data, with tfjs. See {@link createLayersTrainer}. */
export const layers: TrainerKind<typeof settings> = {
  settings,
  async create({ backend }, { peer, peers, seed }, task) {
    // Loaded here, because settings are read where there is no tfjs too.
    const { useBackend } = await import("../backends/index.js");
    const [dataset] = await Promise.all([loadDataset(task.data), useBackend(backend)]);
    const { classes, inputShape, train, test } = dataset;
    const size = sizeOf(inputShape);
    const parts = await splitOf(dataset, task.split, peers, seed);
    const augment = createAugmentation(task.augmentation, inputShape);

    const { createLayersTrainer } = await import("./layers-trainer.js");
    return createLayersTrainer({
      model: await createModel(task.model, { inputShape, classes, seed }),
      train: selectExamples(train, parts[peer]!, size),
      test,
      batchSize: task.batchSize,
      examples: descriptionOf(dataset),
      ...(augment && { augment }),
      fingerprint: async () => ({
        ...(await datasetFingerprint(dataset)),
        ...(task.split.kind === "file" && partsFingerprint(parts)),
      }),
      seed,
      peer,
    });
  },
};

/**
 * Which training examples of a data set each peer holds.
 *
 * @throws InvalidExperiment a split by class of examples that have several labels, or one that does not fit
 * @throws InvalidData a split file that cannot be read
 */
export async function splitOf(
  dataset: Dataset,
  split: SplitSettings,
  peers: number,
  seed: number,
): Promise<number[][]> {
  const { classes, inputShape, train } = dataset;
  const count = train.features.length / sizeOf(inputShape);
  if (split.kind === "file") return readSplit(split.path, { examples: count, peers });
  const hasOneLabel = train.labels.length === count;
  if (!hasOneLabel && splitsByClass.includes(split.kind)) {
    throw new InvalidExperiment(
      `split ${split.kind} needs one class per example, and ${dataset.name} has several: use contiguous or iid`,
      { code: "split-needs-classes", field: "split.kind" },
    );
  }
  const labels = hasOneLabel ? train.labels : new Int32Array(count);
  return partition(labels, split, { classes, peers, seed });
}

/** A copy of the examples with these indices, each of `size` features. */
function selectExamples(examples: Examples, indices: readonly number[], size: number): Examples {
  const perExample = examples.labels.length / (examples.features.length / size);
  const features = new Float32Array(indices.length * size);
  const labels = examples.labels.slice(0, indices.length * perExample);
  indices.forEach((index, i) => {
    features.set(examples.features.subarray(index * size, (index + 1) * size), i * size);
    for (let k = 0; k < perExample; k++)
      labels[i * perExample + k] = examples.labels[index * perExample + k]!;
  });
  return { features, labels };
}
