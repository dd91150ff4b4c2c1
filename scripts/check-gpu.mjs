// Gradients of our models on a GPU beside those on wasm, and the time of a step on each: `npm run -s check:gpu`.
//
// Each backend has a process of its own, the same models and the same examples. An error is the norm of the difference over that of
// the gradient on wasm; above --tolerance the script exits with 1, and with 2 where the backend does not start here. Times are
// wall times of gradient and read-out, the least of --steps. PyTorch's are on the same GPU where python3 (or PYTHON=/path/to/python3)
// has torch with CUDA. Software adapters are taken, for gradients: their times say nothing. Needs a build, and what
// `murmur doctor` names for the backend. The last line is JSON.
//   --backend webgpu | node-gpu   --only mlp,cnn,resnet20,char-transformer   --steps 20   --tolerance 1e-3
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BATCH, CLASSES, GROUPS, startTorch } from "./torch-steps.mjs";

const MODELS = {
  mlp: { model: { kind: "mlp", hidden: [256] }, inputShape: [28, 28, 1] },
  cnn: { model: { kind: "cnn" }, inputShape: [28, 28, 1] },
  resnet20: { model: { kind: "resnet", groups: GROUPS }, inputShape: [32, 32, 3] },
  "char-transformer": { model: { kind: "char-transformer" }, inputShape: [64], isText: true },
};

const { values: options } = parseArgs({
  options: {
    backend: { type: "string", default: "webgpu" },
    only: { type: "string", default: Object.keys(MODELS).join() },
    steps: { type: "string", default: "20" },
    tolerance: { type: "string", default: "1e-3" },
    measure: { type: "string" },
  },
});

if (options.measure) await measure(JSON.parse(options.measure));
else await main();

/** One backend, in a process of its own: writes each model's gradient to the folder, and prints what it measured. */
async function measure({ backend, names, steps, folder }) {
  const { useBackend } = await import("../dist/backends/index.js");
  const { sizeOf } = await import("../dist/dataset.js");
  const { random } = await import("../dist/foundation/random.js");
  const { createModel, modelSettings } = await import("../dist/models/index.js");
  const { createLayersTrainer } = await import("../dist/trainers/layers-trainer.js");
  let device;
  try {
    ({ device } = await useBackend(backend));
  } catch (error) {
    console.log(JSON.stringify({ problem: error.message }));
    process.exit(0);
  }
  const results = [];
  for (const name of names) {
    const { model, inputShape, isText = false } = MODELS[name];
    const draws = random(1, name);
    const size = BATCH * sizeOf(inputShape);
    const token = (_, k) => draws.bits(k) % CLASSES;
    const examples = {
      features: Float32Array.from({ length: size }, isText ? token : (_, k) => draws.uniform(k)),
      labels: Int32Array.from({ length: isText ? size : BATCH }, token),
    };
    const trainer = createLayersTrainer({
      model: await createModel(modelSettings.parse(model), { inputShape, outputs: CLASSES, seed: 1 }),
      ...{ train: examples, test: examples, batchSize: BATCH, seed: 1, peer: 0 },
    });
    const { length } = trainer.layout;
    const [point, gradient] = [new Float32Array(length), new Float32Array(length)];
    trainer.initialize(point);
    const loss = await trainer.gradient(point, gradient, 0);
    writeFileSync(join(folder, `${backend}-${name}`), new Uint8Array(gradient.buffer));
    const times = [];
    for (let step = 1; step <= steps; step++) {
      const began = performance.now();
      await trainer.gradient(point, gradient, step);
      times.push(performance.now() - began);
    }
    results.push({ name, loss, parameters: length, ms: Math.min(...times) });
    trainer.dispose();
  }
  console.log(JSON.stringify({ device, results }));
  process.exit(0);
}

async function main() {
  const names = options.only.split(",");
  const steps = Number(options.steps);
  const folder = mkdtempSync(join(tmpdir(), "check-gpu-"));
  try {
    const measured = (backend) => {
      console.error(`${backend}: ${names.join(", ")}`);
      const request = JSON.stringify({ backend, names, steps, folder });
      const { stdout, stderr } = spawnSync(
        process.execPath,
        [fileURLToPath(import.meta.url), "--measure", request],
        { encoding: "utf8" },
      );
      const last = stdout.trim().split("\n").at(-1);
      return last ? JSON.parse(last) : { problem: stderr.trim().split("\n").at(-1) };
    };
    const gpu = measured(options.backend);
    if (gpu.problem) {
      console.error(gpu.problem);
      process.exitCode = 2;
      return;
    }
    const wasm = measured("wasm");
    if (wasm.problem) throw new Error(wasm.problem);
    const torch = await startTorch("cuda");
    const rows = [];
    for (const [k, { name, parameters, ms, loss }] of gpu.results.entries()) {
      const read = (backend) =>
        new Float32Array(new Uint8Array(readFileSync(join(folder, `${backend}-${name}`))).buffer);
      const [ours, expected] = [read(options.backend), read("wasm")];
      const norm = (values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
      const error = norm(ours.map((value, at) => value - expected[at])) / norm(expected);
      const inTorch =
        torch && name in MODELS && name !== "char-transformer"
          ? Math.min(...(await torch.run(name, steps)))
          : undefined;
      const lossError = Math.abs(loss - wasm.results[k].loss) / wasm.results[k].loss;
      rows.push({
        name,
        parameters,
        error,
        lossError,
        gpuMs: ms,
        wasmMs: wasm.results[k].ms,
        torchMs: inTorch,
      });
    }
    torch?.stop();
    console.log(
      `${options.backend}: ${gpu.device}; PyTorch on CUDA: ${torch?.version ?? "not here"}; batch ${BATCH}`,
    );
    console.log("| model | parameters | gradient against wasm | loss | ms a step | wasm | PyTorch |");
    console.log("|---|--:|--:|--:|--:|--:|--:|");
    for (const { name, parameters, error, lossError, gpuMs, wasmMs, torchMs } of rows) {
      const cells = [
        name,
        parameters,
        error.toExponential(1),
        lossError.toExponential(1),
        gpuMs.toFixed(2),
        wasmMs.toFixed(2),
      ];
      console.log(`| ${[...cells, torchMs?.toFixed(2) ?? "–"].join(" | ")} |`);
    }
    console.log(
      JSON.stringify({ backend: options.backend, device: gpu.device, torch: torch?.version, rows }),
    );
    const tolerance = Number(options.tolerance);
    // A comparison with NaN is false.
    if (!rows.every(({ error, lossError }) => error <= tolerance && lossError <= tolerance))
      process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
