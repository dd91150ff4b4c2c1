// One training step of three of our models, side by side in one run: a plain tfjs program on tfjs's own wasm backend;
// the same program on our kernels; the whole step of our trainer (batch, gradients, optimiser, model vector out and in),
// which for the MLP is the dense one; the same with fast math; and PyTorch on one thread where python3 (or
// PYTHON=/path/to/python3) has torch. Needs a build. The last line is JSON.
// Times are processor time (that of other processes is not in it) and of each the least, in turns.
//   --threads 2: wall time of the layers trainer on so many threads and on one, in turns
//   --only mlp,cnn,resnet20   --rounds 5   --profile (time per kernel of the layers trainer)   --fast (profile with fast math)
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { useBackend } from "../dist/backends/index.js";
import { registerTrainingKernels } from "../dist/backends/wasm-training/index.js";
import { sizeOf } from "../dist/dataset.js";
import { random } from "../dist/foundation/random.js";
import { createModel, modelSettings } from "../dist/models/index.js";
import { createMeasuredDense, createMeasuredTrainer } from "./measured-trainer.mjs";
import { BATCH, CLASSES, GROUPS, startTorch } from "./torch-steps.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "mlp,cnn,resnet20" },
    rounds: { type: "string", default: "5" },
    profile: { type: "boolean", default: false },
    fast: { type: "boolean", default: false },
    threads: { type: "string", default: "1" },
  },
});
const THREADS = Number(options.threads);

const WORKLOADS = {
  mlp: { title: "MLP 784-256-10", model: { kind: "mlp", hidden: [256] }, inputShape: [28, 28, 1], steps: 60 },
  cnn: { title: "CNN 5×5×16, 5×5×32", model: { kind: "cnn" }, inputShape: [28, 28, 1], steps: 8 },
  resnet20: {
    title: "ResNet-20, GroupNorm",
    model: { kind: "resnet", groups: GROUPS },
    inputShape: [32, 32, 3],
    steps: 2,
  },
};

/** Steps of the plain program and of our trainer, over the same model. */
async function prepare({ model, inputShape }) {
  const settings = modelSettings.parse(model);
  const create = () => createModel(settings, { inputShape, outputs: CLASSES, seed: 1 });
  const draws = random(1, "features");
  const features = Float32Array.from({ length: BATCH * sizeOf(inputShape) }, (_, k) => draws.uniform(k));
  const labels = Int32Array.from({ length: BATCH }, (_, k) => k % CLASSES);

  const plain = await create();
  const x = tf.tensor(features, [BATCH, ...plain.inputs[0].shape.slice(1)]);
  const y = tf.oneHot(tf.tensor1d(labels, "int32"), CLASSES);
  const optimizer = new tf.SGDOptimizer(0.01);
  const variables = plain.trainableWeights.map((weight) => weight.read());
  function program() {
    const { value, grads } = tf.variableGrads(
      () => tf.losses.softmaxCrossEntropy(y, plain.apply(x, { training: true })),
      variables,
    );
    optimizer.applyGradients(grads);
    const loss = value.dataSync()[0];
    tf.dispose([value, grads]);
    return loss;
  }

  const common = { examples: { features, labels }, batchSize: BATCH };
  const layers = async (fastMath) => createMeasuredTrainer({ ...common, model: await create(), fastMath });
  const dense = (fastMath) =>
    createMeasuredDense({ ...common, settings, inputShape, outputs: CLASSES, fastMath });
  const [trainer, fast] = [await layers(false), await layers(true)];
  const copy = {
    ...{ backend: "wasm", model: settings, context: { inputShape, outputs: CLASSES, seed: 1 } },
    ...{ loss: { kind: "cross-entropy" }, targets: { kind: "classes", count: CLASSES } },
    ...{ trainable: ["*"], fastMath: options.fast },
  };
  const threads = { count: THREADS, isAutomatic: false, copy };
  const threaded =
    THREADS > 1
      ? await createMeasuredTrainer({ ...common, model: await create(), fastMath: options.fast, threads })
      : undefined;
  return {
    threaded,
    program,
    trainer: ((await dense(false)) ?? trainer).step,
    fast: ((await dense(true)) ?? fast).step,
    profiled: (options.fast ? fast : trainer).step,
  };
}

/** How many times as fast several threads are as one, by wall time, turn by turn. */
async function threadPairs(steps, one, several) {
  const restore = registerTrainingKernels();
  const wallMs = async (step) => {
    await step();
    const start = performance.now();
    for (let k = 0; k < steps; k++) await step();
    return performance.now() - start;
  };
  const pairs = [];
  for (let turn = 0; turn < 2 * Number(options.rounds); turn++) {
    pairs.push(Number(((await wallMs(one)) / (await wallMs(several))).toFixed(2)));
  }
  restore();
  console.log(`    ${THREADS} threads: ${pairs.join(", ")} times as fast as one, by wall time`);
  return pairs;
}

async function clocked(steps, step) {
  const times = [];
  for (let i = 0; i < steps; i++) {
    const start = process.cpuUsage();
    await step();
    const { user, system } = process.cpuUsage(start);
    times.push((user + system) / 1e3);
  }
  return times;
}

/** Wraps every wasm kernel with a clock; calls, ms and the time that passed outside of kernels, per step. */
async function profile(steps, step) {
  const stock = tf.getKernelsForBackend("wasm");
  const kernels = new Map();
  for (const config of stock) {
    const entry = { name: config.kernelName, calls: 0, ms: 0 };
    kernels.set(config.kernelName, entry);
    tf.unregisterKernel(config.kernelName, "wasm");
    tf.registerKernel({
      ...config,
      kernelFunc(params) {
        const start = performance.now();
        const result = config.kernelFunc(params);
        entry.ms += performance.now() - start;
        entry.calls++;
        return result;
      },
    });
  }
  const start = performance.now();
  for (let i = 0; i < steps; i++) await step();
  const stepMs = (performance.now() - start) / steps;
  for (const config of stock) {
    tf.unregisterKernel(config.kernelName, "wasm");
    tf.registerKernel(config);
  }
  const list = [...kernels.values()]
    .filter((entry) => entry.calls > 0)
    .map((entry) => ({ ...entry, calls: entry.calls / steps, ms: entry.ms / steps }))
    .sort((a, b) => b.ms - a.ms);
  const kernelMs = list.reduce((sum, entry) => sum + entry.ms, 0);
  return {
    kernelCalls: list.reduce((sum, entry) => sum + entry.calls, 0),
    kernelMs,
    engineMs: stepMs - kernelMs,
    list,
  };
}

const least = (numbers) => (numbers.length === 0 ? null : Math.min(...numbers));
const show = (ms) => (ms === null ? "–" : `${ms.toFixed(ms < 10 ? 2 : 1)} ms`);
const ratio = (a, b) => (a === null || b === null ? null : Math.round((a / b) * 100) / 100);

await useBackend("wasm");
registerTrainingKernels()();
const torch = await startTorch();
console.log(
  `batch ${BATCH}, node ${process.version}, PyTorch ${torch ? `${torch.version}, one thread` : "not found"}`,
);
const results = {};
for (const name of options.only.split(",")) {
  const workload = WORKLOADS[name];
  const times = { stock: [], kernels: [], trainer: [], fast: [], torch: [] };
  const { program, trainer, fast, profiled, threaded } = await prepare(workload);
  let stockError = null;
  // Taking turns leaves caches cold, so each turn begins with a step that does not count.
  const round = async (steps, keep) => {
    const turn = async (who, step) => {
      const measured = await clocked(steps + 1, step);
      if (keep) times[who].push(...measured.slice(1));
    };
    if (!stockError) {
      try {
        await turn("stock", program);
      } catch (error) {
        stockError = error.message.split("\n")[0];
      }
    }
    const restore = registerTrainingKernels();
    await turn("kernels", program);
    await turn("trainer", trainer);
    await turn("fast", fast);
    restore();
    const other = await torch?.run(name, steps + 1);
    if (keep && other) times.torch.push(...other.slice(1));
  };
  await round(Math.max(3, workload.steps >> 1), false);
  for (let i = 0; i < Number(options.rounds); i++) await round(workload.steps, true);
  const pairs = threaded ? await threadPairs(workload.steps, profiled, threaded.step) : undefined;
  const restore = registerTrainingKernels();
  const { list, ...engine } = await profile(workload.steps, profiled);
  restore();
  const [stock, kernels, trainerMs, fastMs, torchMs] = Object.values(times).map(least);
  results[name] = {
    stockMs: stock,
    kernelsMs: kernels,
    trainerMs,
    fastMs,
    torchMs,
    stockOverTrainer: ratio(stock, trainerMs),
    trainerOverTorch: ratio(trainerMs, torchMs),
    fastOverTorch: ratio(fastMs, torchMs),
    ...(pairs && { threads: THREADS, oneOverThreaded: pairs }),
    ...engine,
    ...(stockError ? { stockError } : {}),
  };
  console.log(
    `${workload.title}: stock ${stockError ?? show(stock)}, on our kernels ${show(kernels)}, our trainer ${show(trainerMs)}, ` +
      `with fast math ${show(fastMs)}, PyTorch ${show(torchMs)}; the trainer is ` +
      `${ratio(stock, trainerMs) ?? "–"}× as fast as stock and takes ${ratio(trainerMs, torchMs) ?? "–"}× PyTorch's time, ` +
      `with fast math ${ratio(fastMs, torchMs) ?? "–"}×; ` +
      `outside of kernels ${show(engine.engineMs)} of a step at ${engine.kernelCalls} kernel calls`,
  );
  threaded?.dispose();
  if (options.profile) {
    for (const entry of list.slice(0, 16)) {
      console.log(
        `    ${entry.name.padEnd(24)} ${String(entry.calls).padStart(5)} calls ${entry.ms.toFixed(3)} ms`,
      );
    }
  }
}
torch?.stop();
console.log(JSON.stringify(results));
