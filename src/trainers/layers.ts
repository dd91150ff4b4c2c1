import { z } from "zod";
import { backendNames } from "../backend.js";
import { sizeOf } from "../dataset.js";
import { createAugmentation } from "../datasets/augmentation.js";
import { createLoss } from "../losses/index.js";
import { createModel, modelContext } from "../models/index.js";
import { denseNetworkFor, denseShapeOf } from "./dense-models.js";
import type { readDenseStart } from "./dense-start.js";
import { createDenseTrainer } from "./dense-trainer.js";
import { fastMathWarnings } from "./fast-math.js";
import { lastOf } from "./last-of.js";
import { MAX_TRAINER_THREADS, threadsFor } from "./layers-threads.js";
import { loadPeerData } from "./peer-data.js";
import { isEverything } from "./task.js";
import type { TrainerKind } from "./trainer.js";

const settings = z.strictObject({
  kind: z.literal("layers"),
  backend: z
    .enum(backendNames)
    .default("wasm")
    .describe(
      "tfjs backend; auto: the fastest that starts, see murmur doctor. With wasm or auto, softmax and mlp train on kernels of their own",
    ),
  fastMath: z
    .boolean()
    .default(false)
    .describe(
      "faster convolutions and products on backend wasm (Winograd, fused multiply-add), whose last bits depend on the processor",
    ),
  threads: z
    .union([z.literal("auto"), z.int().min(1).max(MAX_TRAINER_THREADS)])
    .default(1)
    .describe(
      "threads that compute parts of each batch; auto: the cores of this machine, 1 for small models. softmax and mlp on wasm take 1",
    ),
});

// Peers of a process train one model.
const shareStart = lastOf<ReturnType<typeof readDenseStart>>();

/**
 * Trains the task's model on the peer's part of the task's data: with tfjs ({@link createLayersTrainer}), or dense models
 * of which all tensors learn without it ({@link createDenseTrainer}).
 */
export const layers: TrainerKind<typeof settings> = {
  settings,
  async create({ backend, fastMath, threads }, context, task) {
    // Loaded here, because settings are read where there is no tfjs too.
    const { useBackend } = await import("../backends/index.js");
    const [data, active] = await Promise.all([loadPeerData(task, context), useBackend(backend)]);
    const { train, test, description, pooling, fingerprint } = data;
    const { targets, inputShape } = description;
    const { loss, outputs } = createLoss(task.loss, targets);
    const { model, batchSize, trainable } = task;
    const { peer, seed } = context;
    const augment = createAugmentation(task.augmentation, inputShape);
    const forModel = modelContext(description, outputs, seed);

    const shape = isEverything(trainable) && denseShapeOf(model, description, outputs, backend);
    const warnings = [...data.warnings, ...(await fastMathWarnings(fastMath, shape ? "wasm" : active.name))];
    if (shape) {
      const { readDenseStart } = await import("./dense-start.js");
      const rows = Math.min(batchSize, train.features.length / sizeOf(inputShape));
      // Refuses what no memory holds, before anything is allocated for it.
      const network = denseNetworkFor(shape, rows, fastMath);
      const start = shareStart([model, forModel, loss.name], () => readDenseStart(model, forModel, loss));
      return createDenseTrainer({
        ...{ start: await start, network, loss, train, test, batchSize, augment, fastMath },
        ...{ examples: description, pooling, warnings, fingerprint, seed, peer },
      });
    }

    const { createLayersTrainer } = await import("./layers-trainer.js");
    const team = await threadsFor(threads, active.name, context);
    const copy = {
      backend: active.name,
      model,
      context: forModel,
      loss: task.loss,
      targets,
      trainable,
      fastMath,
    };
    const trainer = createLayersTrainer({
      model: await createModel(model, forModel),
      ...{ train, test, loss, outputs, pooling, fingerprint, seed, peer, batchSize, trainable, fastMath },
      examples: description,
      ...(augment && { augment }),
      ...(team && { threads: { ...team, copy } }),
    });
    return { warnings, ...trainer };
  },
};
