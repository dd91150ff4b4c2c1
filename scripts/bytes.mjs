// What D-PSGD's accuracy costs in bytes: ring of eight, every peer as it is after the last round, without a closing consensus.
// The learning rate is that of D-PSGD in all rows of a task, and nothing else is tuned for the data: edge-choco with one
// bit a parameter takes η = 1. Local steps let peers exchange every H-th step, with quasi-global momentum against the drift
// of peers whose data differ; those rows compute more than D-PSGD, by the factor that is printed. With a text, the same for
// the character transformer: four peers, Adam, loss instead of accuracy, beside all-reduce over as many steps. After a build:
//
//   node scripts/bytes.mjs [--mnist <folder with t10k-images-idx3-ubyte.gz and its labels>] [--text <file>] [--seeds 1,2,3]
//                          [--only digits] [--jobs 2] [--out <folder>] [--json]
//
// Results are kept in the folder, and a run whose result is there is not made again.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cellsOf, parseComparison } from "../dist/runs/comparison.js";
import { figuresOf } from "../dist/runs/comparison-result.js";
import { compare } from "../dist/runs/node/compare.js";

const { values } = parseArgs({
  options: {
    mnist: { type: "string" },
    text: { type: "string" },
    seeds: { type: "string", default: "1,2,3" },
    only: { type: "string" },
    jobs: { type: "string", default: "2" },
    out: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const seeds = values.seeds.split(",").map(Number);
const graphs = {
  "ring-8": { kind: "ring", peers: 8 },
  "ring-4": { kind: "ring", peers: 4 },
  "complete-4": { kind: "complete", peers: 4 },
};
const cosine = (initial, warmupRounds = 0) => ({ initial, decay: "cosine", warmupRounds });
const exact = { algorithm: "dpsgd" };
const oneBit = {
  algorithm: "edge-choco",
  compressor: { kind: "sign", scope: "block", block: 1024 },
  consensusRate: 1,
};
const local = (localSteps, rounds, quasiGlobalMomentum) => ({
  ...oneBit,
  ...{ localSteps, rounds, quasiGlobalMomentum },
});
/** The first row is the reference; `graph` of a row is the task's where left out. */
const tasks = [
  {
    name: "digits by label, MLP",
    graph: "ring-8",
    settings: { rounds: 2000, learningRate: cosine(0.6), split: { kind: "shards", classesPerPeer: 2 } },
    rows: { "D-PSGD": exact, "edge-choco, 1 bit": oneBit, "the same, every 24th step": local(24, 149, 0.7) },
  },
  values.mnist && {
    name: "MNIST-10k, Dirichlet 0.5, CNN",
    graph: "ring-8",
    settings: {
      ...{ rounds: 300, learningRate: cosine(0.1), model: "cnn" },
      ...{ data: { kind: "idx", path: values.mnist }, split: { kind: "dirichlet", alpha: 0.5 } },
    },
    rows: { "D-PSGD": exact, "edge-choco, 1 bit": oneBit, "the same, every 16th step": local(16, 21, 0.7) },
  },
  values.text && {
    name: "text, character transformer",
    graph: "ring-4",
    settings: {
      ...{ data: { kind: "text", path: values.text, testExamples: 128 }, model: "char-transformer" },
      ...{ split: "contiguous", optimizer: "adam", batchSize: 16 },
      trainer: { kind: "layers", backend: "wasm" },
    },
    rows: {
      "all-reduce": {
        ...{ ...exact, graph: "complete-4", consensusRate: 1, rounds: 1200 },
        learningRate: cosine(0.005, 48),
      },
      "edge-choco, 1 bit, every 48th step": {
        ...{ ...oneBit, localSteps: 48, rounds: 25, learningRate: cosine(0.005, 1) },
      },
    },
  },
].filter((task) => task && (values.only === undefined || task.name.includes(values.only)));

const base = { closingRounds: 0, evaluateEvery: 0 };
const rows = tasks.flatMap((task) =>
  Object.entries(task.rows).map(([name, { graph = task.graph, ...own }]) => {
    const comparison = parseComparison(
      { base: { ...base, ...task.settings }, topologies: [graph], rows: { [name]: own }, seeds },
      task.name,
    );
    return { task, name, cells: cellsOf(comparison, new Map([[graph, { graph: graphs[graph] }]])) };
  }),
);
const folder = values.out ?? mkdtempSync(join(tmpdir(), "murmur-bytes-"));
const results = await compare({
  ...{ cells: rows.flatMap(({ cells }) => cells), folder, jobs: Number(values.jobs) },
  onResult: ({ name, seed, problem }) =>
    console.error(`${name}, seed ${seed}${problem ? `: ${problem}` : ""}`),
});
if (values.out === undefined) rmSync(folder, { recursive: true });

/** Mean over the seeds. */
const average = (list) => list.reduce((sum, each) => sum + each, 0) / list.length;
const summaries = rows.map(({ task, name, cells }, k) => {
  const own = results.slice(k * seeds.length, (k + 1) * seeds.length);
  const failed = own.find(({ problem }) => problem);
  if (failed) throw new Error(`${cells[0].name}, seed ${failed.seed}: ${failed.problem}`);
  const learned = own.map((result) => figuresOf(result, undefined).learned);
  return {
    ...{ task: task.name, name, accuracies: learned.map(({ worst }) => 100 * worst) },
    worst: 100 * average(learned.map(({ worst }) => worst)),
    meanModel: 100 * average(learned.map(({ meanModel }) => meanModel)),
    worstLoss: average(learned.map(({ worstLoss }) => worstLoss)),
    bytes: average(own.map(({ total }) => total.bytes)),
    bits: average(own.map((result) => figuresOf(result, undefined).bitsPerParameterAndStep)),
    steps: own[0].total.steps,
  };
});
if (values.json) console.log(JSON.stringify(summaries));
else {
  for (const { name } of tasks) {
    const own = summaries.filter(({ task }) => task === name);
    const [reference] = own;
    console.log(
      `\n${name}, seeds ${seeds.join(", ")}\n\n| | every peer % | mean model % | worst loss | sent per peer | of ${reference.name} | bits / parameter / step | steps |\n|---|--:|--:|--:|--:|--:|--:|--:|`,
    );
    for (const row of own) {
      const { worst, accuracies, meanModel, worstLoss, bytes, bits, steps } = row;
      const columns = [
        `${worst.toFixed(2)} (${accuracies.map((each) => each.toFixed(1)).join(", ")})`,
        ...[meanModel.toFixed(2), worstLoss.toFixed(3), `${(bytes / 1e6).toPrecision(3)} MB`],
        row === reference ? "1" : `1/${(reference.bytes / bytes).toFixed(1)}`,
        ...[bits.toPrecision(3), steps],
      ];
      console.log(`| ${row.name} | ${columns.join(" | ")} |`);
    }
  }
}
