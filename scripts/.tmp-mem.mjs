import * as tf from "@tensorflow/tfjs-core";
import { useBackend } from "../dist/backends/index.js";
import { sizeOf } from "../dist/dataset.js";
import { createModel, modelSettings } from "../dist/models/index.js";
import { normal, random } from "../dist/random.js";
import { createLayersTrainer } from "../dist/trainers/layers-trainer.js";
import { createOptimizer, optimizerSettings } from "../dist/trainers/optimizers.js";
const [kind, every, samples, batch] = process.argv.slice(2);
const shapes = { mlp: { inputShape: [28, 28, 1], hidden: [256] }, cnn: { inputShape: [28, 28, 1] }, resnet: { inputShape: [32, 32, 3] } };
await useBackend("wasm");
const { inputShape, ...settings } = shapes[kind];
const size = sizeOf(inputShape), count = 128, draws = random(1, kind);
const examples = { features: Float32Array.from({ length: count * size }, (_, k) => normal(draws, k)), labels: Int32Array.from({ length: count }, (_, k) => draws.bits(k) % 10) };
const trainer = createLayersTrainer({ model: await createModel(modelSettings.parse({ kind, ...settings }), { inputShape, classes: 10, seed: 1 }), optimizer: await createOptimizer(optimizerSettings.parse({ kind: "sgd" })), train: examples, test: examples, batchSize: Number(batch ?? 32), seed: 1, peer: 0 });
const vector = new Float32Array(trainer.layout.length);
trainer.initialize(vector);
let round = 0;
const mb = (x) => (x / 1e6).toFixed(1);
for (let s = 0; s <= Number(samples); s++) {
  gc(); const m = process.memoryUsage();
  console.log(kind, round, "rss", mb(m.rss), "heapTotal", mb(m.heapTotal), "used", mb(m.heapUsed), "ext", mb(m.external), "ab", mb(m.arrayBuffers), "wasm", mb(tf.backend().wasm.HEAPU8.length), "tensors", tf.memory().numTensors);
  for (let i = 0; i < Number(every); i++) await trainer.step(vector, { round: round++, learningRate: 0.01 });
}
