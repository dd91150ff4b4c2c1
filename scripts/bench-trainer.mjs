// The trainer's own step, model by model, on one backend: milliseconds, or with --memory what steps leave behind.
// Run after a build:
//
//   node scripts/bench-trainer.mjs [--backend wasm] [--models mlp,cnn,resnet,char-transformer] [--steps 20] [--batch 32]
//   npm run -s bench:trainer-memory -- [--warm-up 200] [the same]
//
// The second samples memory after the warm-up and after 1,000 and 3,000 further steps. Its command keeps the young
// generation of V8's heap at 1 MB: left to itself V8 enlarges it in those steps, to three times 16 MB, which looks
// like a leak and is none. ResNet-20 takes half an hour at 32 examples, minutes at `--batch 2`.
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { useBackend } from "../dist/backends/index.js";
import { sizeOf } from "../dist/dataset.js";
import { normal, random } from "../dist/foundation/random.js";
import { createModel, modelSettings } from "../dist/models/index.js";
import { createMeasuredTrainer } from "./measured-trainer.mjs";

const { values } = parseArgs({
  options: {
    backend: { type: "string", default: "wasm" },
    models: { type: "string", default: "mlp,cnn,resnet,char-transformer" },
    steps: { type: "string", default: "20" },
    batch: { type: "string", default: "32" },
    memory: { type: "boolean", default: false },
    "warm-up": { type: "string", default: "200" },
  },
});
const BATCH = Number(values.batch);
const CLASSES = 10;
const shapes = {
  mlp: { inputShape: [28, 28, 1], hidden: [256] },
  cnn: { inputShape: [28, 28, 1] },
  resnet: { inputShape: [32, 32, 3] },
  "char-transformer": { inputShape: [64], tokens: true },
};

/** A trainer of a model on random examples, as the function that runs so many more steps. */
async function createRun(kind) {
  const { inputShape, tokens = false, ...settings } = shapes[kind];
  const size = sizeOf(inputShape);
  const count = 4 * BATCH;
  const draws = random(1, kind);
  const token = (_, k) => draws.bits(k) % CLASSES;
  const examples = {
    features: Float32Array.from({ length: count * size }, tokens ? token : (_, k) => normal(draws, k)),
    labels: Int32Array.from({ length: tokens ? count * size : count }, token),
  };
  const trainer = await createMeasuredTrainer({
    model: await createModel(modelSettings.parse({ kind, ...settings }), {
      inputShape,
      outputs: CLASSES,
      seed: 1,
    }),
    examples,
    batchSize: BATCH,
  });
  return {
    ...trainer,
    async run(steps) {
      for (let step = 0; step < steps; step++) await trainer.step();
    },
  };
}

async function showSpeed(kind) {
  const { parameters, run, dispose } = await createRun(kind);
  const steps = Number(values.steps);
  await run(Math.min(20, steps));
  const start = performance.now();
  await run(steps);
  console.log(`| ${kind} | ${parameters} | ${((performance.now() - start) / steps).toFixed(1)} |`);
  dispose();
}

async function showMemory(kind) {
  const { run, dispose } = await createRun(kind);
  const megabytes = (bytes) => (bytes === undefined ? "–" : (bytes / 1e6).toFixed(1));
  let done = 0;
  const sampleAfter = async (steps) => {
    await run(steps);
    done += steps;
    gc();
    const { rss, heapUsed } = process.memoryUsage();
    const wasm = tf.backend().wasm?.HEAPU8.length;
    console.log(
      `| ${kind} | ${done} | ${megabytes(rss)} | ${megabytes(heapUsed)} | ${megabytes(wasm)} | ${tf.memory().numTensors} |`,
    );
  };
  for (const steps of [Number(values["warm-up"]), 1000, 2000]) await sampleAfter(steps);
  dispose();
}

if (values.memory && typeof gc === "undefined") {
  console.error("--memory needs the garbage collector: npm run -s bench:trainer-memory");
  process.exit(1);
}
const { name, device } = await useBackend(values.backend);
console.log(`backend ${name}: ${device}; batch ${BATCH}\n`);
if (values.memory) {
  console.log("| model | steps | resident, MB | JavaScript heap in use, MB | wasm memory, MB | tensors |");
  console.log("|---|--:|--:|--:|--:|--:|");
  for (const kind of values.models.split(",")) await showMemory(kind);
} else {
  console.log("| model | parameters | ms a step |");
  console.log("|---|--:|--:|");
  for (const kind of values.models.split(",")) await showSpeed(kind);
}
