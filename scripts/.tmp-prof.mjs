import * as tf from "@tensorflow/tfjs-core";
import { useBackend } from "../dist/backends/index.js";
import { sizeOf } from "../dist/dataset.js";
import { createModel, modelSettings } from "../dist/models/index.js";
import { normal, random } from "../dist/random.js";
import { createLayersTrainer } from "../dist/trainers/layers-trainer.js";
import { createOptimizer, optimizerSettings } from "../dist/trainers/optimizers.js";
const [kind, stepsS, prof] = process.argv.slice(2);
const steps = Number(stepsS);
const shapes = { mlp: { inputShape: [28, 28, 1], hidden: [256] }, cnn: { inputShape: [28, 28, 1] }, resnet: { inputShape: [32, 32, 3] } };
await useBackend("wasm");
const { inputShape, ...settings } = shapes[kind];
const size = sizeOf(inputShape), count = 128, draws = random(1, kind);
const examples = { features: Float32Array.from({ length: count * size }, (_, k) => normal(draws, k)), labels: Int32Array.from({ length: count }, (_, k) => draws.bits(k) % 10) };
const trainer = createLayersTrainer({ model: await createModel(modelSettings.parse({ kind, ...settings }), { inputShape, classes: 10, seed: 1 }), optimizer: await createOptimizer(optimizerSettings.parse({ kind: "sgd" })), train: examples, test: examples, batchSize: 32, seed: 1, peer: 0 });
const vector = new Float32Array(trainer.layout.length);
trainer.initialize(vector);
let round = 0;
async function run(n) { const ts = []; for (let i = 0; i < n; i++) { const s = performance.now(); await trainer.step(vector, { round: round++, learningRate: 0.01 }); ts.push(performance.now() - s); } return ts.sort((a, b) => a - b)[n >> 1]; }
await run(Math.max(5,steps >> 1));
for (let i = 0; i < 5; i++) console.log(kind, (await run(steps)).toFixed(3));
if (prof) {
  const kernels = new Map();
  for (const c of tf.getKernelsForBackend("wasm")) {
    const e = { name: c.kernelName, calls: 0, ms: 0, shapes: new Map() }; kernels.set(c.kernelName, e);
    tf.unregisterKernel(c.kernelName, "wasm");
    tf.registerKernel({ ...c, kernelFunc(p) { const s = performance.now(); const r = c.kernelFunc(p); const d = performance.now() - s; e.ms += d; e.calls++;
      if (prof === "shapes") { const k = Object.values(p.inputs).map((t) => t && t.shape ? "[" + t.shape + "]" : "").join(" "); const o = e.shapes.get(k) ?? [0, 0]; o[0]++; o[1] += d; e.shapes.set(k, o); } return r; } });
  }
  await run(3); for (const e of kernels.values()) { e.calls = e.ms = 0; e.shapes.clear(); }
  const s = performance.now(); await run(steps); const ms = (performance.now() - s) / steps;
  const list = [...kernels.values()].filter((e) => e.calls).sort((a, b) => b.ms - a.ms);
  const km = list.reduce((x, e) => x + e.ms, 0) / steps;
  console.log(`step ${ms.toFixed(2)} kernels ${km.toFixed(2)} outside ${(ms - km).toFixed(2)} calls ${list.reduce((x, e) => x + e.calls, 0) / steps}`);
  for (const e of list.slice(0, 20)) { console.log(`  ${e.name.padEnd(22)} ${(e.calls / steps).toFixed(0).padStart(5)} ${(e.ms / steps).toFixed(3)}`);
    if (prof === "shapes") for (const [k, [n, m]] of [...e.shapes].sort((a, b) => b[1][1] - a[1][1]).slice(0, 8)) console.log(`       ${k} ×${n / steps} ${(m / steps).toFixed(3)}`); }
}
