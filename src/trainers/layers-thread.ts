/** A worker thread with a copy of a layers model. Started by `layers-threads.ts`, whose calls it serves until it is ended. */
import { parentPort, workerData } from "node:worker_threads";
import { useBackend } from "../backends/index.js";
import { failureOf } from "../foundation/failure.js";
import { createLoss } from "../losses/index.js";
import { createModel } from "../models/index.js";
import { shapesOf } from "./layers-checks.js";
import { createComputation } from "./layers-computation.js";
import type { Answer, Call, ModelCopy } from "./layers-threads.js";
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

const port = parentPort!;
const ready = prepare(workerData as ModelCopy);
// Answered with the first call.
ready.catch(() => {});

async function resultOf(call: Call): Promise<number> {
  const { weights, computation } = await ready;
  switch (call.kind) {
    case "gradient":
      return computation.gradient(call.parameters, call.part, call.out);
    case "outputs":
      weights.upload(call.parameters);
      call.out.set(await computation.outputs(call.features));
      return 0;
    case "frozen":
      weights.frozen.write(call.values);
      return 0;
  }
}

port.on("message", async (call: Call) => {
  let answer: Answer;
  try {
    answer = { result: await resultOf(call) };
  } catch (error) {
    answer = { failure: failureOf(error) };
  }
  port.postMessage(answer);
});
