// Edge-choco with one bit a parameter and η = 1, untuned, against D-PSGD on the same data: all edges in every round, and
// half of them skipped at random. Prints accuracies before the closing consensus, and how far the mean of all models
// drifted from where the local updates alone would have moved it. Run after a build:
//
//   node scripts/edge-choco.mjs [--mnist <folder with t10k-images-idx3-ubyte.gz and its labels>] [--seeds 1] [--only digits]
import { parseArgs } from "node:util";
import { parseTopology } from "../dist/graphs/topology.js";
import { parseExperiment } from "../dist/runs/experiment.js";
import { createPlan } from "../dist/runs/plan.js";
import { createSimulation } from "../dist/runs/simulate.js";
import { createTrainer } from "../dist/trainers/index.js";

const { values } = parseArgs({
  options: { mnist: { type: "string" }, seeds: { type: "string", default: "1" }, only: { type: "string" } },
});
const PEERS = 8;
const ring = parseTopology({ graph: { kind: "ring", peers: PEERS } }, "ring-8");
const cosine = (initial) => ({ initial, decay: "cosine" });
const tasks = [
  {
    name: "digits, MLP",
    rounds: 2000,
    learningRate: cosine(0.6),
    split: { kind: "shards", classesPerPeer: 2 },
  },
  values.mnist && {
    name: "MNIST-10k, CNN",
    data: { kind: "idx", path: values.mnist },
    split: { kind: "dirichlet", alpha: 0.5 },
    model: "cnn",
    rounds: 300,
    learningRate: cosine(0.1),
  },
].filter((task) => task && (values.only === undefined || task.name.includes(values.only)));
const edgeChoco = {
  algorithm: "edge-choco",
  compressor: { kind: "sign", scope: "block", block: 1024 },
  consensusRate: 1,
};
const runs = [
  { run: "D-PSGD, 32 bit", algorithm: "dpsgd", consensusRate: 1 },
  { run: "edge-choco, 1 bit", ...edgeChoco },
  { run: "edge-choco, 1 bit, half of the edges a round", ...edgeChoco, participation: 0.5 },
];

/** A trainer that adds up what its peer's plain gradient steps come to. */
function recorded(trainer, learningRate, total) {
  return {
    ...trainer,
    async gradient(point, out, step) {
      const loss = await trainer.gradient(point, out, step);
      const rate = Math.fround(learningRate(step));
      for (let k = 0; k < out.length; k++) total[k] -= Math.fround(rate * out[k]) / PEERS;
      return loss;
    },
  };
}

const percent = (share) => (100 * share).toFixed(2);
console.log(
  "| task | seed | run | mean model % | worst peer % | best peer % | consensus distance | drift of the mean | sent per peer |",
);
console.log("|---|--:|---|--:|--:|--:|--:|--:|--:|");
const results = [];
for (const { name, ...task } of tasks) {
  for (const seed of values.seeds.split(",").map(Number)) {
    for (const { run, ...method } of runs) {
      const settings = { ...task, ...method, seed, evaluateEvery: 0, projectEvery: 0, closingRounds: 0 };
      const experiment = parseExperiment(settings);
      const trainers = [];
      for (let peer = 0; peer < PEERS; peer++)
        trainers.push(await createTrainer(experiment, { peer, peers: PEERS, seed }));
      const { plan } = createPlan(experiment, ring.mixing, trainers[0]);
      const expected = new Float64Array(trainers[0].layout.length);
      const simulation = createSimulation({
        neighbours: ring.mixing.neighbours,
        plan,
        trainers: trainers.map((trainer) => recorded(trainer, plan.learningRate, expected)),
      });
      const initial = simulation.peers[0].model;
      for (let k = 0; k < expected.length; k++) expected[k] += initial[k];
      let last;
      for await (const round of simulation.run()) last = round;
      const drift = Math.hypot(
        ...expected.map((x, k) => x - simulation.peers.reduce((sum, { model }) => sum + model[k] / PEERS, 0)),
      );
      for (const trainer of trainers) trainer.dispose();
      const accuracies = last.reports.map(({ evaluation }) => evaluation.accuracy);
      const sent = last.reports.map(({ traffic }) =>
        traffic.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
      );
      const result = {
        ...{ task: name, seed, run, meanModel: last.meanEvaluation.accuracy },
        ...{ worst: Math.min(...accuracies), best: Math.max(...accuracies) },
        ...{ consensusDistance: last.consensusDistance, drift: drift / last.meanModelNorm },
        bytesPerPeer: sent.reduce((a, b) => a + b) / PEERS,
      };
      results.push(result);
      const shares = [result.meanModel, result.worst, result.best].map(percent);
      console.log(
        `| ${name} | ${seed} | ${run} | ${shares.join(" | ")} | ${result.consensusDistance.toExponential(1)} | ${result.drift.toExponential(1)} | ${(result.bytesPerPeer / 1e6).toFixed(2)} MB |`,
      );
    }
  }
}
console.log(JSON.stringify({ benchmark: "edge-choco", results }));
