// Writes the logs of a long run that never happened, to measure how big a run murmur inspect can read:
//   node scripts/big-run.mjs <folder> [--peers 64] [--rounds 10000] [--project-every 20]
// then   /usr/bin/time -v node dist/cli/main.js inspect <folder>
// Lines are those of the log's schema; the models are random walks around a common one.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { normal, random } from "../dist/foundation/random.js";
import { parseTopology } from "../dist/graphs/topology.js";
import { createProjection } from "../dist/observing/projection.js";
import { parseExperiment } from "../dist/runs/experiment.js";
import { peerLogName, roundLine } from "../dist/runs/log.js";
import { headerLine } from "../dist/runs/log-header.js";
import { createJsonLines } from "../dist/sinks/json-lines.js";
import { createLayout } from "../dist/vectors/layout.js";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: "string", default: "64" },
    rounds: { type: "string", default: "10000" },
    "project-every": { type: "string", default: "20" },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("name a folder: node scripts/big-run.mjs <folder>");
const peers = Number(values.peers);
const rounds = Number(values.rounds);
const projectEvery = Number(values["project-every"]);

const side = Math.round(Math.sqrt(peers));
const topology = parseTopology(
  {
    name: `torus-${side}x${side}`,
    graph: { kind: "torus", rows: side, columns: side },
  },
  "big",
);
const experiment = parseExperiment({ name: "big", rounds, projectEvery, evaluateEvery: 100 });
const layout = createLayout([
  { name: "kernel", shape: [96, 64] },
  { name: "bias", shape: [64] },
]);
const projection = createProjection(layout, experiment.projectionSize, experiment.seed);

mkdirSync(folder);
for (let peer = 0; peer < topology.graph.peers; peer++) {
  const log = createJsonLines(join(folder, peerLogName(peer)));
  log.write(
    headerLine(peer, experiment, topology, layout, { machine: { startedAt: "2024-01-01T00:00:00.000Z" } }),
  );
  const draws = random(1, "big", peer);
  const model = Float32Array.from({ length: layout.length }, (_, k) => normal(draws, k));
  const neighbours = topology.mixing.neighbours[peer];
  for (let round = 0; round < rounds; round++) {
    const way = Math.exp((-3 * round) / rounds);
    const isProjected = (round + 1) % projectEvery === 0;
    if (isProjected) for (let k = 0; k < model.length; k++) model[k] *= 0.995;
    const noise = draws.uniform(1e6 + round);
    const total = (round + 1) * 24176;
    log.write(
      roundLine({
        peer,
        round,
        kind: "exchange",
        loss: 2.3 * way + 0.1 * noise,
        learningRate: 0.1,
        consensusRate: 0.8127364,
        modelNorm: 12.38 + noise,
        compressionError: 0.0889723 + 0.01 * noise,
        residual: 0.114 + 0.01 * noise,
        traffic: neighbours.map((neighbour) => ({
          neighbour: neighbour.peer,
          bytesSent: total,
          bytesReceived: total,
          messagesSent: round + 1,
          messagesReceived: round + 1,
        })),
        ...((round + 1) % 100 === 0 && { evaluation: { loss: way, accuracy: 1 - 0.9 * way } }),
        ...(isProjected && { projection: projection.project(model) }),
        time: {
          computeMs: 3 + noise,
          compressMs: 0.01254,
          waitMs: 1 + noise,
          mixMs: 0.046259,
          elapsedMs: 5 * (round + 1),
          waitedFor: neighbours[0].peer,
        },
      }),
    );
  }
  log.write({ type: "end", outcome: "completed" });
  await log.close();
}
