// A trainer program for tests: the package's own quadratics behind the protocol of src/clients/README.md. Its first
// argument names a way to break the protocol, and its second the step of this life, from 0, in which it does.
import { closeSync, openSync, readSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { createTrainer } from "../../dist/trainers/index.js";
import { taskSettings } from "../../dist/trainers/task.js";

const [how = "well", at = "0"] = process.argv.slice(2);
const send = (reply) => process.stdout.write(`${JSON.stringify(reply)}\n`);
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

function writeResult(vector) {
  const file = openSync(run.files.vectors, "r+");
  writeSync(file, new Uint8Array(vector.buffer), 0, 4 * length, 4 * length);
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
  for (let k = 0; k < length; k++) out[k] = local[k] - point[k];
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
    if (paths.pid) writeFileSync(paths.pid, String(process.pid));
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
    return { tensors: shapes(trainer.layout), local, data: paths.data, model: paths.model };
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
    writeResult(out);
    if (steps++ !== Number(at)) return { loss, length };
    await breakAfterStep(out);
    if (how === "diverge") return { loss: null, length };
    return { loss: how === "reply" ? "small" : loss, length: how === "length" ? length - 1 : length };
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

for await (const line of createInterface({ input: process.stdin })) {
  const { id, request, ...fields } = JSON.parse(line);
  if (request === "close") break;
  try {
    const reply = { id, ...(await requests[request](fields)) };
    send(reply);
    if (how === "twice-replied" && request === "step") send(reply);
  } catch (error) {
    send({ id, error: String(error) });
  }
}
process.exit();
