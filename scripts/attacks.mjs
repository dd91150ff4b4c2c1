// Hostile peers against each mixing rule: the accuracy of the worst honest peer, and what a rule costs where nobody is
// hostile. The attackers are neighbours like any other; what they send is replaced before it leaves. Run after a build:
//
//   node scripts/attacks.mjs [--rounds 80] [--split iid|shards] [--only complete] [--seed 1]
import { parseArgs } from "node:util";
import { createCompressor } from "../dist/compressors/index.js";
import { systemClock } from "../dist/foundation/clock.js";
import { normal, random } from "../dist/foundation/random.js";
import { parseTopology } from "../dist/graphs/topology.js";
import { parseExperiment } from "../dist/runs/experiment.js";
import { preparePeers } from "../dist/runs/prepare.js";
import { createTrainer } from "../dist/trainers/index.js";
import { createMemoryTransports } from "../dist/transports/memory.js";
import { createVectorSpace, spaceBytes } from "../dist/vectors/vector.js";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "80" },
    split: { type: "string", default: "iid" },
    only: { type: "string", default: "" },
    seed: { type: "string", default: "1" },
  },
});
const seed = Number(options.seed);

const graphs = [
  { name: "ring-8", graph: { kind: "ring", peers: 8 }, hostile: [0] },
  { name: "torus-4x4, 1 hostile", graph: { kind: "torus", rows: 4, columns: 4 }, hostile: [0] },
  { name: "torus-4x4, 2 hostile", graph: { kind: "torus", rows: 4, columns: 4 }, hostile: [0, 10] },
  { name: "complete-8", graph: { kind: "complete", peers: 8 }, hostile: [0] },
].filter(({ name }) => name.includes(options.only));
const methods = [
  { name: "D-PSGD", algorithm: "dpsgd" },
  { name: "DeepSqueeze, 4 bit", algorithm: "deepsqueeze", compressor: { kind: "minmax", bits: 4 } },
];
const rules = [{ kind: "mean" }, { kind: "clip" }, { kind: "trimmed", trim: 1 }];

/**
 * What a hostile peer sends instead of x; x̄ is the mean of the honest models.
 * IPM: inner-product manipulation (Xie, Koyejo, Gupta 2019), −ε x̄ with ε = 0.5.
 */
const attacks = {
  none: undefined,
  "sign flip":
    ({ own }) =>
    (k) =>
      -3 * own[k],
  noise({ own, round, peer }) {
    const draws = random(seed, "noise", peer, round);
    return (k) => own[k] + normal(draws, k);
  },
  IPM:
    ({ honest }) =>
    (k) =>
      (-0.5 * honest.reduce((sum, model) => sum + model[k], 0)) / honest.length,
};

/** A transport that sends what `attack` makes of each learning payload, encoded like it. */
function hostile(transport, { peer, attack, layout, settings, honest }) {
  const space = createVectorSpace(spaceBytes(8, layout.length, 1 << 20));
  const compressor = createCompressor(settings, { layout, space });
  const own = space.vector(layout.length);
  const out = space.vector(layout.length);
  let made = -1;
  let payload;
  return {
    ...transport,
    send(to, frame) {
      if (made !== frame.round) {
        own.fill(0);
        compressor.addTo(own, frame.payload, 1);
        const number = attack({ own, honest, peer, round: frame.round });
        for (let k = 0; k < out.length; k++) out[k] = number(k);
        payload = compressor.squeeze(out, random(seed, "hostile", peer, frame.round)).slice();
        made = frame.round;
      }
      transport.send(to, { ...frame, payload });
    },
  };
}

/** A trainer that adds up what the peers' plain gradient steps come to, as a mean. */
function recorded(trainer, learningRate, peers, total) {
  return {
    ...trainer,
    async gradient(point, out, step) {
      const loss = await trainer.gradient(point, out, step);
      for (let k = 0; k < out.length; k++) total[k] -= (learningRate * out[k]) / peers;
      return loss;
    },
  };
}

/** This process's time on the processor, in milliseconds: what else the machine does does not count. */
const clock = {
  ...systemClock,
  now() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

const LEARNING_RATE = 0.5;

/** One run to its end. A run whose honest models diverge has the accuracy of a guess: 0.1. */
async function run({ topology, trainers, method, mixing, attack, hostilePeers }) {
  const { algorithm, compressor = { kind: "identity" } } = method;
  const experiment = parseExperiment({
    ...{ algorithm, compressor, mixing, seed },
    ...{ rounds: Number(options.rounds), learningRate: LEARNING_RATE, split: options.split },
    ...{ closingRounds: 0, evaluateEvery: 0, projectEvery: 0 },
  });
  const moved = new Float64Array(trainers[0].layout.length);
  const { peers } = await preparePeers({
    topology,
    experiment,
    trainers: trainers.map((trainer) => recorded(trainer, LEARNING_RATE, trainers.length, moved)),
  });
  const start = peers[0].model.slice();
  const isHostile = (id) => attack !== undefined && hostilePeers.includes(id);
  const honest = peers.filter(({ id }) => !isHostile(id));
  const { layout, largestPayloadBytes } = peers[0];
  const others = {
    attack,
    layout,
    settings: experiment.compressor,
    honest: honest.map(({ model }) => model),
  };
  const transports = createMemoryTransports(peers.length, largestPayloadBytes).map((transport, peer) =>
    isHostile(peer) ? hostile(transport, { peer, ...others }) : transport,
  );
  let mixMs = 0;
  const began = clock.now();
  const last = await Promise.all(
    peers.map(async (peer, id) => {
      let report;
      try {
        for await (report of peer.run({ transport: transports[id], clock })) mixMs += report.time.mixMs;
      } catch (error) {
        await Promise.all(transports.map((transport) => transport.close()));
        if (error.code !== "diverged") throw error;
        return { peer: id, evaluation: { accuracy: 0.1 } };
      }
      return report?.evaluation ? report : { peer: id, evaluation: { accuracy: 0.1 } };
    }),
  );
  const mean = start.map((_, k) => peers.reduce((sum, { model }) => sum + model[k] / peers.length, 0));
  return {
    worst: Math.min(
      ...last.filter(({ peer }) => !isHostile(peer)).map(({ evaluation }) => evaluation.accuracy),
    ),
    totalMs: clock.now() - began,
    mixMs,
    drift: Math.hypot(...mean.map((x, k) => x - start[k] - moved[k])) / Math.hypot(...mean),
  };
}

const percent = (share) => (100 * share).toFixed(1);
const names = Object.keys(attacks);
console.log(
  `| graph | algorithm | mixing | ${names.map((name) => (name === "none" ? "no attack" : name)).join(" | ")} | mixing time | run time | drift of the mean |`,
);
console.log(`|---|---|---|${names.map(() => "--:|").join("")}--:|--:|--:|`);
for (const { name, graph, hostile: hostilePeers } of graphs) {
  const topology = parseTopology({ graph }, name);
  const count = topology.peers.length;
  const task = parseExperiment({ split: options.split, seed });
  const trainers = [];
  for (let peer = 0; peer < count; peer++)
    trainers.push(await createTrainer(task, { peer, peers: count, seed }));
  for (const method of methods) {
    const possible = rules.filter(({ trim = 0 }) => 2 * trim < topology.mixing.neighbours[0].length);
    const each = { topology, trainers, method, hostilePeers };
    // The first turn warms up, the second is timed.
    const turns = [];
    for (let turn = 0; turn < 2; turn++) {
      turns.push([]);
      for (const mixing of possible) turns[turn].push(await run({ ...each, mixing }));
    }
    const [, timed] = turns;
    for (const [k, mixing] of possible.entries()) {
      const results = [turns[0][k]];
      for (const attack of Object.values(attacks).slice(1))
        results.push(await run({ ...each, mixing, attack }));
      const cells = [
        ...results.map(({ worst }) => percent(worst)),
        `${(timed[k].mixMs / timed[0].mixMs).toFixed(1)} ×`,
        `${(timed[k].totalMs / timed[0].totalMs).toFixed(2)} ×`,
        results[0].drift.toExponential(0),
      ];
      console.log(`| ${[name, method.name, mixing.kind, ...cells].join(" | ")} |`);
    }
  }
  for (const trainer of trainers) trainer.dispose();
}
