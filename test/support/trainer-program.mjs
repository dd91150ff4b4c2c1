// A trainer program for tests: the package's own quadratics behind the protocol of src/clients/README.md. Its first
// argument names a way to break the protocol, and its second the step of this life, from 0, in which it does. With a
// third one it is the program that starts murmur, with the arguments in that list.
import { spawn } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  openSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createInterface } from "node:readline";
import { createTrainer } from "../../dist/trainers/index.js";
import { taskSettings } from "../../dist/trainers/task.js";

const [how = "well", at = "0", peer] = process.argv.slice(2);
const main = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const child =
  peer &&
  spawn(process.execPath, [main, ...JSON.parse(peer)], { stdio: ["ignore", "inherit", "inherit", "pipe"] });
const [input, output] = child ? [child.stdio[3], child.stdio[3]] : [process.stdin, process.stdout];
const send = (reply) => output.write(`${JSON.stringify(reply)}\n`);
let beats;
if (child) {
  child.once("exit", (code) => process.exit(code ?? 1));
  output.on("error", () => {});
  beats = how === "mute" ? undefined : setInterval(() => send({ beat: true }), 50);
}
const shapes = (layout) => layout.tensors.map(({ name, shape }) => ({ name, shape }));

let trainer;
let run;
let length = 0;
let steps = 0;
/** Steps of all lives, and the last gradient's first number. */
let memory = new Float32Array(2);

function read(path, count) {
  const vector = new Float32Array(count);
  const file = openSync(path, "r");
  readSync(file, new Uint8Array(vector.buffer), 0, 4 * count, 0);
  closeSync(file);
  return vector;
}

function writeResult(vector, at = 4 * length) {
  const file = openSync(run.files.vectors, "r+");
  writeSync(file, new Uint8Array(vector.buffer), 0, 4 * length, at);
  closeSync(file);
}

/** H steps of the package's SGD, in float32. */
async function descend(point, out, { step, localSteps, learningRate }) {
  const local = point.slice();
  const rate = Math.fround(-learningRate);
  let loss = 0;
  for (let h = 0; h < localSteps; h++) {
    loss += await trainer.gradient(local, out, step + h);
    for (let k = 0; k < length; k++) local[k] += Math.fround(rate * out[k]);
  }
  if (how === "returns-model") out.set(local);
  else for (let k = 0; k < length; k++) out[k] = local[k] - point[k];
  return loss / localSteps;
}

async function breakAfterStep(out) {
  switch (how) {
    case "nan":
      return writeResult(out.fill(Number.NaN, 3));
    case "garbage":
      return process.stdout.write("step 1 of 10\n");
    case "exit":
      process.stderr.write("reading batch\n\u001b[31mout of memory\u001b[0m\n");
      return process.exit(7);
    case "mute":
    case "hang":
      return new Promise(() => setInterval(() => {}, 1000));
    case "throw":
      throw new Error("no data\nfor this step");
    case "truncate":
      return truncateSync(run.files.vectors, 4);
    case "flood":
      return new Promise(() => process.stdout.write("x".repeat((1 << 24) + 1)));
  }
}

const requests = {
  async describe(request) {
    run = request;
    const { peer, peers, seed, options, paths, files } = run;
    const { countsSteps: _, ...quadratic } = options;
    if (paths.pid) writeFileSync(paths.pid, String(child?.pid ?? process.pid));
    const settings = {
      kind: "quadratic",
      dimension: 8,
      heterogeneity: 1,
      noise: 0,
      condition: 1,
      ...quadratic,
    };
    trainer = await createTrainer({ ...taskSettings.parse({}), trainer: settings }, { peer, peers, seed });
    ({ length } = trainer.layout);
    const model = new Float32Array(length);
    trainer.initialize(model);
    if (how === "start") model.fill(peer);
    if (how !== "no-initial") writeFileSync(files.initial, how === "initial" ? model.subarray(1) : model);
    if (how === "huge") return { tensors: [{ name: "x", shape: [2 ** 30, 2] }] };
    if (how === "twice") return { tensors: [1, 2].map(() => ({ name: "x", shape: [1] })) };
    if (how === "long-name") return { tensors: [{ name: "x".repeat(257), shape: [length] }] };
    const local = [{ name: "half", shape: [] }];
    return {
      ...{ tensors: shapes(trainer.layout), local, data: paths.data, model: paths.model },
      ...(how === "returns-model" && { returns: "model" }),
      ...(how === "no-evaluation" && { evaluates: false }),
    };
  },
  async step(request) {
    const point = read(run.files.vectors, length);
    const out = new Float32Array(length);
    const loss =
      run.update === "own"
        ? await descend(point, out, request)
        : await trainer.gradient(point, out, request.step);
    memory[0]++;
    if (run.options.countsSteps) out[0] += memory[0] + memory[1];
    memory[1] = out[0] / 2;
    writeResult(out, how === "returns-model" ? 0 : undefined);
    if (how === "no-loss") return { length };
    if (steps++ !== Number(at)) return { loss, length };
    await breakAfterStep(out);
    if (how === "diverge") return { loss: null, length };
    return { loss: how === "reply" ? "small" : loss, length: how === "length" ? length - 1 : length };
  },
  report(report) {
    const model = report.model && [...read(run.files.vectors, length)];
    if (run.paths.reports) appendFileSync(run.paths.reports, `${JSON.stringify({ ...report, model })}\n`);
    return {};
  },
  evaluate: () => trainer.evaluate(read(run.files.vectors, length)),
  async state() {
    writeFileSync(run.files.state, how === "state" ? memory.subarray(1) : memory);
    return { tensors: ["steps", "half"].map((name) => ({ name, shape: how === "shape" ? [1] : [] })) };
  },
  async restore({ tensors }) {
    if (tensors.map(({ name }) => name).join() !== "steps,half") throw new Error("this is another program's");
    memory = read(run.files.state, 2);
    return {};
  },
};

if (how === "exit-at-once") {
  process.stderr.write("no module named torch\n");
  process.exit(3);
}
if (how === "garbage-first") process.stdout.write("Loading data…\n");
const protocol = how === "no-version" ? "another" : "murmuration trainer";
if (how !== "silent") send({ protocol, version: how === "version" ? 2 : 1 });

for await (const line of createInterface({ input })) {
  const { id, request, ...fields } = JSON.parse(line);
  if (request === undefined) continue;
  if (request === "close") break;
  try {
    const reply = { id, ...(await requests[request](fields)) };
    send(reply);
    if (how === "twice-replied" && request === "step") send(reply);
  } catch (error) {
    send({ id, error: String(error) });
  }
}
if (!child) process.exit();
clearInterval(beats);
output.end();
