/** A worker thread with a copy of a layers model. Started by `layers-threads.ts`, whose calls it serves until it is ended. */
import { parentPort, workerData } from "node:worker_threads";
import { useBackend } from "../backends/index.js";
import { createLoss } from "../losses/index.js";
import { createModel } from "../models/index.js";
import { serveCalls } from "../threads/calls.js";
import { shapesOf } from "./layers-checks.js";
import { createComputation } from "./layers-computation.js";
import type { ModelCopy, ModelService } from "./layers-threads.js";
import { weightsOf } from "./layers-weights.js";

async function prepare({ backend, model: settings, context, trainable, fastMath, ...copy }: ModelCopy) {
  await useBackend(backend);
  const model = await createModel(settings, context);
  const { loss } = createLoss(copy.loss, copy.targets);
  const weights = weightsOf(model, trainable);
  return {
    weights,
    computation: createComputation({ model, weights, shapes: shapesOf(model, loss), loss, fastMath }),
  };
}

const ready = prepare(workerData as ModelCopy);
// Answered with the first call.
ready.catch(() => {});

serveCalls<ModelService>(parentPort!, {
  async gradient(parameters, part, out) {
    const { computation } = await ready;
    return computation.gradient(parameters, part, out);
  },
  async outputs(parameters, features, out) {
    const { weights, computation } = await ready;
    weights.upload(parameters);
    out.set(await computation.outputs(features));
  },
  async frozen(values) {
    (await ready).weights.frozen.write(values);
  },
});
