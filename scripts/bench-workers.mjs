// Rounds a second of one simulation on one thread and over worker threads, which take turns in one run; the ratio is the
// median over the turns. Loss and models of both must be equal, to the bit. Needs a build. The last line is JSON.
//   --data FOLDER (images of MNIST as idx files, for a CNN; without it an MLP on the embedded digits)
//   --workers 2   --peers 16   --turns 6   --rounds 5 (of each turn)   --algorithm choco   --batch 32
import { parseArgs } from "node:util";
import { systemClock } from "../dist/foundation/clock.js";
import { parseExperiment, parseTopology, simulate } from "../dist/index.js";
import { peerWorkers } from "../dist/node.js";

const { values: options } = parseArgs({
  options: {
    data: { type: "string" },
    workers: { type: "string", default: "2" },
    peers: { type: "string", default: "16" },
    turns: { type: "string", default: "6" },
    rounds: { type: "string", default: "5" },
    algorithm: { type: "string", default: "choco" },
    batch: { type: "string", default: "32" },
  },
});
const [workers, peers, turns, rounds, batchSize] = ["workers", "peers", "turns", "rounds", "batch"].map(
  (name) => Number(options[name]),
);

const topology = parseTopology({ graph: { kind: "ring", peers } }, "ring");
const task = options.data
  ? { data: { kind: "idx", path: options.data }, model: "cnn", split: { kind: "dirichlet", alpha: 0.5 } }
  : { data: "digits", model: { kind: "mlp", hidden: [256, 256] } };
const experiment = parseExperiment({
  ...{ ...task, algorithm: options.algorithm, consensusRate: 0.3, batchSize },
  // The first round of a turn does not count; the run's last one, which evaluates, is never reached.
  ...{ rounds: (turns + 1) * (rounds + 1) + 1, evaluateEvery: 0, closingRounds: 0 },
});

/** A run that is driven a few rounds at a time. */
async function start(count) {
  const simulation = await simulate(topology, experiment, {
    clock: systemClock,
    startWorkers: peerWorkers(count),
  });
  const run = simulation.run();
  const losses = [];
  const step = async () => {
    const { value } = await run.next();
    losses.push(...value.reports.map(({ loss }) => loss), value.consensusDistance);
  };
  return {
    simulation,
    losses,
    /** @returns rounds a second */
    async turn() {
      await step();
      const began = performance.now();
      for (let k = 0; k < rounds; k++) await step();
      return (1000 * rounds) / (performance.now() - began);
    },
  };
}

const [one, several] = [await start(1), await start(workers)];
const parameters = one.simulation.layout.length;
console.log(
  `${peers} peers, ${options.data ? "CNN on MNIST" : "MLP on digits"}, ${parameters} parameters, batch ${batchSize}, ${options.algorithm}, node ${process.version}`,
);
const measured = [];
for (let turn = 0; turn <= turns; turn++) {
  // Whoever is first changes, so that a machine that slows down favours neither.
  const order = turn % 2 === 0 ? [one, several] : [several, one];
  const speeds = new Map();
  for (const run of order) speeds.set(run, await run.turn());
  const [alone, spread] = [speeds.get(one), speeds.get(several)];
  // Compilers warm up in the first turn.
  if (turn > 0) measured.push({ alone, spread, ratio: spread / alone });
  console.log(
    `turn ${turn}: one thread ${alone.toFixed(2)} rounds/s, ${workers} workers ${spread.toFixed(2)}, ratio ${(spread / alone).toFixed(2)}${turn === 0 ? " (does not count)" : ""}`,
  );
}
const isEqual =
  one.losses.every((value, k) => Object.is(value, several.losses[k])) &&
  one.simulation.peers.every(({ model }, k) =>
    model.every((value, j) => Object.is(value, several.simulation.peers[k].model[j])),
  );
one.simulation.dispose();
several.simulation.dispose();
const median = (name) => measured.map((turn) => turn[name]).sort((a, b) => a - b)[measured.length >> 1];
const result = {
  ...{
    workers,
    peers,
    parameters,
    oneThread: median("alone"),
    spread: median("spread"),
    ratio: median("ratio"),
  },
  isEqual,
};
console.log(
  `${workers} workers: ${result.ratio.toFixed(2)} × one thread; losses and models are ${isEqual ? "equal" : "NOT equal"}`,
);
console.log(JSON.stringify(result));
if (!isEqual) process.exitCode = 1;
