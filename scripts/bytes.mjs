// What D-PSGD's accuracy costs in bytes: ring of eight, every peer as it is after the last round, without a closing consensus.
// The learning rate is that of D-PSGD in all rows of a task, and nothing else is tuned for the data: edge-choco with one
// bit a parameter takes η = 1. Local steps let peers exchange every H-th step, with quasi-global momentum against the drift
// of peers whose data differ; those rows compute more than D-PSGD, by the factor that is printed. Run after a build:
//
//   node scripts/bytes.mjs [--mnist <folder with t10k-images-idx3-ubyte.gz and its labels>] [--seeds 1,2,3] [--only digits]
//                          [--jobs 2] [--json]
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseTopology } from "../dist/graphs/topology.js";
import { parseExperiment } from "../dist/runs/experiment.js";
import { simulate } from "../dist/runs/simulate.js";

const PEERS = 8;
const { values } = parseArgs({
  options: {
    mnist: { type: "string" },
    seeds: { type: "string", default: "1,2,3" },
    only: { type: "string" },
    jobs: { type: "string", default: "2" },
    json: { type: "boolean", default: false },
  },
});
const cosine = (initial) => ({ initial, decay: "cosine" });
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
const tasks = [
  {
    name: "digits by label, MLP",
    settings: { rounds: 2000, learningRate: cosine(0.6), split: { kind: "shards", classesPerPeer: 2 } },
    rows: { "D-PSGD": exact, "edge-choco, 1 bit": oneBit, "the same, every 24th step": local(24, 149, 0.7) },
  },
  values.mnist && {
    name: "MNIST-10k, Dirichlet 0.5, CNN",
    settings: {
      ...{ rounds: 300, learningRate: cosine(0.1), model: "cnn" },
      ...{ data: { kind: "idx", path: values.mnist }, split: { kind: "dirichlet", alpha: 0.5 } },
    },
    rows: { "D-PSGD": exact, "edge-choco, 1 bit": oneBit, "the same, every 16th step": local(16, 21, 0.7) },
  },
].filter((task) => task && (values.only === undefined || task.name.includes(values.only)));

if (process.send) process.once("message", (settings) => measure(settings).then((cell) => process.send(cell)));
else await main();

async function measure(settings) {
  const experiment = parseExperiment({
    ...{ closingRounds: 0, evaluateEvery: 0, projectEvery: 0 },
    ...settings,
  });
  const topology = parseTopology({ graph: { kind: "ring", peers: PEERS } }, "ring-8");
  const simulation = await simulate(topology, experiment);
  const { layout } = simulation;
  let last;
  try {
    for await (const round of simulation.run()) last = round;
  } finally {
    simulation.dispose();
  }
  const accuracies = last.reports.map(({ evaluation }) => 100 * evaluation.accuracy);
  const bytes = last.reports.reduce(
    (sum, { traffic }) => sum + traffic.reduce((total, { bytesSent }) => total + bytesSent, 0) / PEERS,
    0,
  );
  const steps = experiment.rounds * experiment.localSteps;
  return {
    worst: Math.min(...accuracies),
    mean: 100 * last.meanEvaluation.accuracy,
    ...{ bytes, steps, bits: (8 * bytes) / layout.length / steps },
  };
}

/** In a process of its own. */
function measureApart(settings) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url));
    child.once("message", (cell) => {
      resolve(cell);
      child.disconnect();
    });
    child.once("exit", (code) => code && reject(new Error(`a run ended with exit code ${code}`)));
    child.send(settings);
  });
}

async function main() {
  const seeds = values.seeds.split(",").map(Number);
  const cells = tasks.flatMap(({ settings, rows }, task) =>
    Object.entries(rows).flatMap(([row, own]) =>
      seeds.map((seed) => ({ task, row, settings: { ...settings, ...own, seed } })),
    ),
  );
  let next = 0;
  const work = async () => {
    while (next < cells.length) {
      const cell = cells[next++];
      cell.result = await measureApart(cell.settings);
      console.error(`${tasks[cell.task].name}: ${cell.row}, seed ${cell.settings.seed}`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, work));
  if (values.json) return console.log(JSON.stringify(cells));
  for (const [task, { name, rows }] of tasks.entries()) {
    console.log(
      `\n${name}, seeds ${seeds.join(", ")}\n\n| | every peer % | mean model % | sent per peer | of D-PSGD | bits / parameter / step | steps |\n|---|--:|--:|--:|--:|--:|--:|`,
    );
    const of = (row) =>
      cells.filter((cell) => cell.task === task && cell.row === row).map(({ result }) => result);
    const average = (results, field) => results.reduce((sum, each) => sum + each[field], 0) / results.length;
    const whole = average(of("D-PSGD"), "bytes");
    for (const row of Object.keys(rows)) {
      const results = of(row);
      const worst = results.map((each) => each.worst.toFixed(1)).join(", ");
      const bytes = average(results, "bytes");
      const share = row === "D-PSGD" ? "1" : `1/${(whole / bytes).toFixed(1)}`;
      const columns = [
        `${average(results, "worst").toFixed(2)} (${worst})`,
        average(results, "mean").toFixed(2),
        `${(bytes / 1e6).toPrecision(3)} MB`,
        ...[share, average(results, "bits").toPrecision(3), results[0].steps],
      ];
      console.log(`| ${row} | ${columns.join(" | ")} |`);
    }
  }
}
