// One training step of three models, side by side in one run: tfjs's own wasm backend, ours, and PyTorch on one
// thread where python3 (or PYTHON=/path/to/python3) has torch. The last line is JSON. Needs a build.
//   --only mlp,cnn,resnet20   --rounds 5   --profile (time per kernel of ours)
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import { registerTrainingKernels } from "../dist/backends/wasm-training/index.js";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "mlp,cnn,resnet20" },
    rounds: { type: "string", default: "5" },
    profile: { type: "boolean", default: false },
  },
});
const BATCH = 32;
const GROUPS = 8;

/** Group normalisation from tfjs's operations, with a scale and a shift per channel. */
class GroupNorm extends layers.layers.Layer {
  static className = "BenchmarkGroupNorm";
  build(shape) {
    const channels = shape.at(-1);
    this.gamma = this.addWeight("gamma", [channels], "float32", layers.initializers.ones());
    this.beta = this.addWeight("beta", [channels], "float32", layers.initializers.zeros());
    this.built = true;
  }
  call(inputs) {
    return tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0] : inputs;
      const [batch, height, width, channels] = x.shape;
      const grouped = tf.reshape(x, [batch, height * width, GROUPS, channels / GROUPS]);
      const { mean, variance } = tf.moments(grouped, [1, 3], true);
      const normal = tf.mul(tf.sub(grouped, mean), tf.rsqrt(tf.add(variance, 1e-5)));
      return tf.add(tf.mul(tf.reshape(normal, x.shape), this.gamma.read()), this.beta.read());
    });
  }
}

const { conv2d, dense, flatten, maxPooling2d, activation, add, globalAveragePooling2d } = layers.layers;

function resnet20() {
  const input = layers.input({ shape: [32, 32, 3] });
  const convolution = (x, filters, kernelSize, strides) =>
    conv2d({ filters, kernelSize, strides, padding: "same", useBias: false }).apply(x);
  const relu = (x) => activation({ activation: "relu" }).apply(x);
  let x = relu(new GroupNorm({}).apply(convolution(input, 16, 3, 1)));
  for (const [stage, filters] of [16, 32, 64].entries()) {
    for (let block = 0; block < 3; block++) {
      const strides = stage > 0 && block === 0 ? 2 : 1;
      let y = relu(new GroupNorm({}).apply(convolution(x, filters, 3, strides)));
      y = new GroupNorm({}).apply(convolution(y, filters, 3, 1));
      const shortcut = strides === 2 ? convolution(x, filters, 1, 2) : x;
      x = relu(add().apply([y, shortcut]));
    }
  }
  return layers.model({
    inputs: input,
    outputs: dense({ units: 10 }).apply(globalAveragePooling2d({}).apply(x)),
  });
}

const WORKLOADS = {
  mlp: {
    title: "MLP 784-256-10",
    shape: [784],
    steps: 60,
    build: () =>
      layers.sequential({
        layers: [dense({ units: 256, activation: "relu", inputShape: [784] }), dense({ units: 10 })],
      }),
  },
  cnn: {
    title: "CNN 5×5×16, 5×5×32",
    shape: [28, 28, 1],
    steps: 8,
    build: () =>
      layers.sequential({
        layers: [
          conv2d({
            filters: 16,
            kernelSize: 5,
            padding: "same",
            activation: "relu",
            inputShape: [28, 28, 1],
          }),
          maxPooling2d({ poolSize: 2 }),
          conv2d({ filters: 32, kernelSize: 5, padding: "same", activation: "relu" }),
          maxPooling2d({ poolSize: 2 }),
          flatten(),
          dense({ units: 10 }),
        ],
      }),
  },
  resnet20: { title: "ResNet-20, GroupNorm", shape: [32, 32, 3], steps: 2, build: resnet20 },
};

const TORCH = `
import sys, time
import torch, torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(1)
torch.manual_seed(1)
class Block(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.a, self.b = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.m, self.n = nn.GroupNorm(${GROUPS}, o), nn.GroupNorm(${GROUPS}, o)
        self.c = nn.Conv2d(i, o, 1, s, bias=False) if s == 2 else nn.Identity()
    def forward(self, x):
        return F.relu(self.n(self.b(F.relu(self.m(self.a(x))))) + self.c(x))
def resnet20():
    parts, i = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.GroupNorm(${GROUPS}, 16), nn.ReLU()], 16
    for k, o in enumerate([16, 32, 64]):
        for b in range(3):
            parts.append(Block(i, o, 2 if k > 0 and b == 0 else 1)); i = o
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
def cnn():
    return nn.Sequential(nn.Conv2d(1, 16, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10))
def mlp():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
shapes = {'mlp': (784,), 'cnn': (1, 28, 28), 'resnet20': (3, 32, 32)}
models = {}
print(torch.__version__, flush=True)
for line in sys.stdin:
    name, steps = line.split()
    if name not in models:
        m = globals()[name]()
        models[name] = (m, torch.optim.SGD(m.parameters(), lr=0.01), torch.rand(${BATCH}, *shapes[name]), torch.arange(${BATCH}) % 10)
    m, o, x, y = models[name]
    times = []
    for _ in range(int(steps)):
        t = time.perf_counter()
        o.zero_grad(); F.cross_entropy(m(x), y).backward(); o.step()
        times.append((time.perf_counter() - t) * 1e3)
    print(' '.join(str(t) for t in times), flush=True)
`;

/** A function that runs steps of a workload in PyTorch and answers their times in ms; undefined without torch. */
async function startTorch() {
  const python = spawn(process.env.PYTHON ?? "python3", ["-c", TORCH], { stdio: ["pipe", "pipe", "ignore"] });
  python.on("error", () => {});
  python.stdin.on("error", () => {});
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) return undefined;
  return {
    version: first.value,
    async run(name, steps) {
      python.stdin.write(`${name} ${steps}\n`);
      return (await lines.next()).value.split(" ").map(Number);
    },
    stop: () => python.stdin.end(),
  };
}

function prepare(workload) {
  const model = workload.build();
  const x = tf.randomUniform([BATCH, ...workload.shape], 0, 1, "float32", 1);
  const labels = tf.oneHot(
    tf.tensor1d(
      Array.from({ length: BATCH }, (_, i) => i % 10),
      "int32",
    ),
    10,
  );
  const optimizer = new tf.SGDOptimizer(0.01);
  const variables = model.trainableWeights.map((weight) => weight.read());
  const step = () => {
    const { value, grads } = tf.variableGrads(
      () => tf.losses.softmaxCrossEntropy(labels, model.apply(x, { training: true })),
      variables,
    );
    optimizer.applyGradients(grads);
    const loss = value.dataSync()[0];
    tf.dispose([value, grads]);
    return loss;
  };
  return {
    step,
    run(steps) {
      const times = [];
      for (let i = 0; i < steps; i++) {
        const start = performance.now();
        step();
        times.push(performance.now() - start);
      }
      return times;
    },
  };
}

/** Wraps every wasm kernel with a clock; calls, ms and the time that passed outside of kernels, per step. */
function profile(steps, step) {
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
  for (let i = 0; i < steps; i++) step();
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

const median = (numbers) =>
  numbers.length === 0 ? null : numbers.sort((a, b) => a - b)[numbers.length >> 1];
const show = (ms) => (ms === null ? "–" : `${ms.toFixed(ms < 10 ? 2 : 1)} ms`);
const ratio = (a, b) => (a === null || b === null ? null : Math.round((a / b) * 100) / 100);

await tf.setBackend("wasm");
const torch = await startTorch();
console.log(
  `batch ${BATCH}, node ${process.version}, PyTorch ${torch ? `${torch.version}, one thread` : "not found"}`,
);
const results = {};
for (const name of options.only.split(",")) {
  const workload = WORKLOADS[name];
  const times = { stock: [], ours: [], torch: [] };
  const { step, run } = prepare(workload);
  let stockError = null;
  // Taking turns leaves caches cold, so each turn begins with a step that does not count.
  const round = async (steps, keep) => {
    if (!stockError) {
      try {
        const measured = run(steps + 1);
        if (keep) times.stock.push(...measured.slice(1));
      } catch (error) {
        stockError = error.message.split("\n")[0];
      }
    }
    const restore = registerTrainingKernels();
    const measured = run(steps + 1);
    if (keep) times.ours.push(...measured.slice(1));
    restore();
    const other = await torch?.run(name, steps + 1);
    if (keep && other) times.torch.push(...other.slice(1));
  };
  await round(Math.max(3, workload.steps >> 1), false);
  for (let i = 0; i < Number(options.rounds); i++) await round(workload.steps, true);
  const restore = registerTrainingKernels();
  const { list, ...engine } = profile(workload.steps, step);
  restore();
  const [stock, ours, torchMs] = [median(times.stock), median(times.ours), median(times.torch)];
  results[name] = {
    stockMs: stock,
    oursMs: ours,
    torchMs,
    stockOverOurs: ratio(stock, ours),
    oursOverTorch: ratio(ours, torchMs),
    ...engine,
    ...(stockError ? { stockError } : {}),
  };
  console.log(
    `${workload.title}: stock ${stockError ?? show(stock)}, ours ${show(ours)}, PyTorch ${show(torchMs)}; ` +
      `${ratio(stock, ours) ?? "–"}× stock, ${ratio(ours, torchMs) ?? "–"} of PyTorch's time; ` +
      `engine ${show(engine.engineMs)} of a step at ${engine.kernelCalls} kernel calls`,
  );
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
