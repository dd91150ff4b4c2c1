// A CNN on 10,000 images of MNIST, 8 peers with data of their own: DeepSqueeze with 4 bits and 1 bit a number
// against all-reduce SGD on as many samples. Prints a table in Markdown. Run after a build:
//
//   node scripts/mnist.mjs --data <folder with t10k-images-idx3-ubyte.gz and its labels> [--rounds 600] [--seeds 1,2,3]
import { parseArgs } from "node:util";
import { parseTopology } from "../dist/graphs/topology.js";
import { parseExperiment } from "../dist/runs/experiment.js";
import { recordSimulation } from "../dist/runs/node/record-simulation.js";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    rounds: { type: "string", default: "600" },
    seeds: { type: "string", default: "1,2,3" },
    backend: { type: "string", default: "wasm" },
    only: { type: "string" },
  },
});
if (values.data === undefined) {
  console.error("error: name the folder of the images: --data <folder>");
  process.exit(2);
}

const PEERS = 8;
const torus = parseTopology({ name: "torus 2 × 4", graph: { kind: "torus", rows: 2, columns: 4 } }, "torus");
// With Metropolis weights of 1/8 and η = 1, one exchange on the complete graph is the exact mean: all-reduce.
const complete = parseTopology({ name: "all-reduce", graph: { kind: "complete", peers: PEERS } }, "complete");

const common = {
  data: { kind: "idx", path: values.data },
  split: { kind: "dirichlet", alpha: 0.5 },
  model: "cnn",
  trainer: { kind: "layers", backend: values.backend },
  batchSize: 32,
  learningRate: { initial: 0.1, decay: "cosine" },
  rounds: Number(values.rounds),
  evaluateEvery: 0,
};
const runs = [
  { name: "all-reduce SGD", topology: complete, algorithm: "dpsgd", consensusRate: 1 },
  {
    name: "DeepSqueeze, 4 bit",
    topology: torus,
    algorithm: "deepsqueeze",
    compressor: { kind: "minmax", bits: 4, scope: "block", block: 256 },
    consensusRate: 1,
  },
  {
    name: "DeepSqueeze, 1 bit",
    topology: torus,
    algorithm: "deepsqueeze",
    compressor: { kind: "sign", scope: "block", block: 64 },
    consensusRate: { initial: 0.2, decay: "cosine", final: 0.05 },
  },
].filter(({ name }) => values.only === undefined || name.includes(values.only));

const percent = (share) => (100 * share).toFixed(2);
console.log(
  "| seed | run | graph | worst peer % | best peer % | every peer, closed % | worst below all-reduce | closed below all-reduce | sent per peer | seconds |",
);
console.log("|--:|---|---|--:|--:|--:|--:|--:|--:|--:|");
for (const seed of values.seeds.split(",").map(Number)) {
  let reference;
  for (const { topology, ...settings } of runs) {
    const { final, beforeClosing, bytesSentPerPeer, seconds } = await recordSimulation({
      topology,
      experiment: parseExperiment({ ...common, ...settings, seed }),
      warn: (text) => console.error(`warning: ${text}`),
      onRound({ round, consensusDistance }, total) {
        if (round % 100 === 99) console.error(`${settings.name} ${round + 1}/${total} ${consensusDistance}`);
      },
    });
    if (topology === complete) reference = final.worst;
    const below = (accuracy) => (reference === undefined ? "–" : percent(reference - accuracy));
    const cells = [
      seed,
      settings.name,
      topology.name,
      percent(beforeClosing.worst),
      percent(beforeClosing.best),
      percent(final.worst),
      below(beforeClosing.worst),
      below(final.worst),
      `${(bytesSentPerPeer / 1e6).toFixed(1)} MB`,
      seconds.toFixed(0),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
