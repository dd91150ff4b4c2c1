import { z } from "zod";
import { backendNames } from "../backend.js";
import { createAugmentation } from "../datasets/augmentation.js";
import { createLoss } from "../losses/index.js";
import { createModel, modelContext } from "../models/index.js";
import { loadPeerData } from "./peer-data.js";
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
  async create({ backend }, context, task) {
    // Loaded here, because settings are read where there is no tfjs too.
    const { useBackend } = await import("../backends/index.js");
    const [data] = await Promise.all([loadPeerData(task, context), useBackend(backend)]);
    const { train, test, description, pooling, fingerprint } = data;
    const { targets, inputShape } = description;
    const { loss, outputs } = createLoss(task.loss, targets);
    const { peer, seed } = context;
    const augment = createAugmentation(task.augmentation, inputShape);

    const { createLayersTrainer } = await import("./layers-trainer.js");
    return createLayersTrainer({
      model: await createModel(task.model, modelContext(description, outputs, seed)),
      ...{ train, test, loss, outputs, pooling, fingerprint, seed, peer },
      batchSize: task.batchSize,
      trainable: task.trainable,
      examples: description,
      ...(augment && { augment }),
    });
  },
};
