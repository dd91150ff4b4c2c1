// The trainer's own step, model by model, on one backend: milliseconds, and what 1000 steps leave behind in
// tensors and in resident memory. Run after a build:
//
//   node scripts/bench-trainer.mjs [--backend wasm] [--models mlp,cnn,resnet,char-transformer] [--steps 20]
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { useBackend } from "../dist/backends/index.js";
import { sizeOf } from "../dist/dataset.js";
import { createModel, modelSettings } from "../dist/models/index.js";
import { normal, random } from "../dist/random.js";
import { createLayersTrainer } from "../dist/trainers/layers-trainer.js";
import { createOptimizer, optimizerSettings } from "../dist/trainers/optimizers.js";

const { values } = parseArgs({
  options: {
    backend: { type: "string", default: "wasm" },
    models: { type: "string", default: "mlp,cnn,resnet,char-transformer" },
    steps: { type: "string", default: "20" },
  },
});
const BATCH = 32;
const CLASSES = 10;
const shapes = {
  mlp: { inputShape: [28, 28, 1], hidden: [256] },
  cnn: { inputShape: [28, 28, 1] },
  resnet: { inputShape: [32, 32, 3] },
  "char-transformer": { inputShape: [64], tokens: true },
};

const { name, device } = await useBackend(values.backend);
console.log(`backend ${name}: ${device}; batch ${BATCH}, ${values.steps} steps\n`);
console.log("| model | parameters | ms a step | tensors left | resident memory grew by |");
console.log("|---|--:|--:|--:|--:|");
for (const kind of values.models.split(",")) {
  const { inputShape, tokens = false, ...settings } = shapes[kind];
  const size = sizeOf(inputShape);
  const count = 4 * BATCH;
  const draws = random(1, kind);
  const token = (_, k) => draws.bits(k) % CLASSES;
  const examples = {
    features: Float32Array.from({ length: count * size }, tokens ? token : (_, k) => normal(draws, k)),
    labels: Int32Array.from({ length: tokens ? count * size : count }, token),
  };
  const context = { inputShape, classes: CLASSES, seed: 1 };
  const trainer = createLayersTrainer({
    model: await createModel(modelSettings.parse({ kind, ...settings }), context),
    optimizer: await createOptimizer(optimizerSettings.parse({ kind: "sgd" })),
    train: examples,
    test: examples,
    batchSize: BATCH,
    seed: 1,
    peer: 0,
  });
  const vector = new Float32Array(trainer.layout.length);
  trainer.initialize(vector);
  const warmUp = Math.min(20, Number(values.steps));
  for (let round = 0; round < warmUp; round++) await trainer.step(vector, { round, learningRate: 0.01 });
  const before = { tensors: tf.memory().numTensors, memory: process.memoryUsage.rss() };
  const start = performance.now();
  for (let round = 0; round < Number(values.steps); round++) {
    await trainer.step(vector, { round: warmUp + round, learningRate: 0.01 });
  }
  const milliseconds = (performance.now() - start) / Number(values.steps);
  const tensors = tf.memory().numTensors - before.tensors;
  const megabytes = (process.memoryUsage.rss() - before.memory) / 1e6;
  console.log(
    `| ${kind} | ${vector.length} | ${milliseconds.toFixed(1)} | ${tensors} | ${megabytes.toFixed(1)} MB |`,
  );
  trainer.dispose();
}
