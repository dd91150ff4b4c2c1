// A trainer program for tests: the package's own quadratics behind the protocol of src/clients/README.md. With
// `options.misbehave` it breaks the protocol at its `options.at`-th step, in one way.
import { closeSync, openSync, readSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { createTrainer } from "../../dist/trainers/index.js";
import { taskSettings } from "../../dist/trainers/task.js";

const send = (reply) => process.stdout.write(`${JSON.stringify(reply)}\n`);
const [how] = process.argv.slice(2);

let trainer;
let run;
let length = 0;
let steps = 0;
/** Steps that it has made in all its lives, and a vector that follows them: state that a restart must keep. */
let memory = new Float32Array(2);

if (how === "exits-at-once") {
  process.stderr.write("no module named torch\n");
  process.exit(3);
}
if (how === "garbage-first") process.stdout.write("Loading data…\n");
if (how !== "silent")
  send({ protocol: how === "other" ? "else" : "murmuration trainer", version: how === "version" ? 2 : 1 });

function read(from) {
  const vector = new Float32Array(length);
  const file = openSync(run.files.vectors, "r");
  readSync(file, new Uint8Array(vector.buffer), 0, 4 * length, 4 * from);
  closeSync(file);
  return vector;
}

function write(vector) {
  const file = openSync(run.files.vectors, "r+");
  writeSync(file, new Uint8Array(vector.buffer), 0, 4 * length, 4 * length);
  closeSync(file);
}

const rounded = (vector, number) => vector.map((_, k) => Math.fround(number(k)));

const requests = {
  async describe(request) {
    run = request;
    const { peer, peers, seed, options } = run;
    const { misbehave, at, momentum, tensors: described, ...quadratic } = options;
    trainer = await createTrainer(
      {
        ...taskSettings.parse({}),
        trainer: { kind: "quadratic", dimension: 8, heterogeneity: 1, noise: 0, condition: 1, ...quadratic },
      },
      { peer, peers, seed },
    );
    ({ length } = trainer.layout);
    const model = new Float32Array(length);
    trainer.initialize(model);
    writeFileSync(run.files.initial, options.misbehave === "initial" ? model.subarray(1) : model);
    return {
      tensors: described ?? trainer.layout.tensors.map(({ name, shape }) => ({ name, shape })),
      ...run.paths,
    };
  },
  async step({ step, localSteps, learningRate }) {
    const out = new Float32Array(length);
    const misbehaviour = steps++ === (run.options.at ?? 0) ? run.options.misbehave : undefined;
    const point = read(0);
    let loss = 0;
    if (localSteps === undefined) loss = await trainer.gradient(point, out, step);
    else {
      const local = point.slice();
      for (let h = 0; h < localSteps; h++) {
        loss += (await trainer.gradient(local, out, step + h)) / localSteps;
        // The package's SGD, in float32.
        const rate = Math.fround(-learningRate);
        local.set(rounded(local, (k) => local[k] + Math.fround(rate * out[k])));
      }
      out.set(rounded(out, (k) => local[k] - point[k]));
    }
    memory[0]++;
    memory[1] = out[0];
    if (run.options.momentum) out[0] += memory[0];
    write(misbehaviour === "nan" ? out.fill(Number.NaN, 3) : out);
    if (misbehaviour === "garbage") process.stdout.write("step 1 of 10\n");
    if (misbehaviour === "exit") {
      process.stderr.write("out of memory\nsecond line\n");
      process.exit(7);
    }
    if (misbehaviour === "hang") return new Promise(() => setInterval(() => {}, 1000));
    if (misbehaviour === "throw") throw new Error("no data\nfor this step");
    if (misbehaviour === "reply") return { loss: "small", length };
    if (misbehaviour === "truncate") truncateSync(run.files.vectors, 4);
    if (misbehaviour === "diverge") return { loss: null, length };
    if (misbehaviour === "flood") process.stdout.write("x".repeat((1 << 24) + 1));
    return { loss, length: misbehaviour === "length" ? length - 1 : length };
  },
  evaluate: () => trainer.evaluate(read(0)),
  async state() {
    writeFileSync(run.files.state, memory);
    return {
      tensors: [
        { name: "steps", shape: [] },
        { name: "last", shape: [1] },
      ],
    };
  },
  async restore({ tensors }) {
    if (tensors.map(({ name }) => name).join() !== "steps,last")
      throw new Error("not a state of this program");
    const file = openSync(run.files.state, "r");
    memory = new Float32Array(2);
    readSync(file, new Uint8Array(memory.buffer), 0, 8, 0);
    closeSync(file);
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, request, ...fields } = JSON.parse(line);
  if (request === "close") break;
  try {
    send({ id, ...(await requests[request](fields)) });
  } catch (error) {
    send({ id, error: String(error) });
  }
}
process.exit();
