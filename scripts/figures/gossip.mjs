// Real peers over memory transports whose local learning is a plain function: what every figure about rounds runs.
import { algorithms } from "../../dist/algorithms/index.js";
import { compressorSettings } from "../../dist/compressors/index.js";
import { normal, random } from "../../dist/foundation/random.js";
import { edgesIn } from "../../dist/graphs/sequence-mixing.js";
import { parseTopology } from "../../dist/graphs/topology.js";
import { createSimulation } from "../../dist/runs/simulate.js";
import { createLayout } from "../../dist/vectors/layout.js";

export const SEED = 1;

/** W of a graph's settings. */
export const mixingOf = (graph) => parseTopology({ graph }, graph.kind).mixing;
export const ring = (peers) => mixingOf({ kind: "ring", peers });

/** Models that begin at N(0, I) + offset. */
export function normalStart(offset = 0, seed = SEED) {
  return (peer, k) => normal(random(seed, "initial", peer), k) + offset;
}

/** A trainer from an initial model and a gradient, which writes ∇f(point) into `out`; without one it is 0. */
function trainerOf(layout, initial, gradient) {
  return {
    layout,
    initialize(model) {
      for (let k = 0; k < model.length; k++) model[k] = initial(k);
    },
    async gradient(point, out, step) {
      if (gradient) gradient(point, out, step);
      else out.fill(0);
      return 0;
    },
    evaluate: async () => ({ loss: 0 }),
    state: async () => ({}),
    restore: async () => {},
    dispose() {},
  };
}

/**
 * Peers of one run.
 *
 * @param options.length numbers of a model
 * @param options.initial (peer, k) → x_i[k]; N(0, I) where left out
 * @param options.gradient (peer, point, out, round); pure consensus where left out
 * @param options.rate η by round, or one number
 * @param options.learningRate γ by round, or one number
 * @param options.edges which edges work in a round
 */
export function createGossip(options) {
  const { mixing, length, algorithm, compressor = { kind: "identity" }, rounds, edges, gradient } = options;
  const { initial = normalStart(), rate = 1, learningRate = 1, seed = SEED } = options;
  const layout = createLayout([{ name: "x", shape: [length] }]);
  const schedule = (value) => (typeof value === "number" ? () => value : value);
  const closingRates = [];
  return createSimulation({
    neighbours: mixing.neighbours,
    plan: {
      ...{ seed, rounds, closingRates, evaluateEvery: 0, localSteps: 1 },
      algorithm: algorithms[algorithm],
      compressor: compressorSettings.parse(compressor),
      optimizer: { kind: "sgd", weightDecay: 0 },
      learningRate: schedule(learningRate),
      consensusRate: schedule(rate),
      ...(edges && { edges }),
      ...(mixing.sequence && { edgesIn: edgesIn(mixing, mixing.sequence, { rounds, closingRates }) }),
    },
    trainers: mixing.neighbours.map((_, peer) =>
      trainerOf(
        layout,
        (k) => initial(peer, k),
        gradient && ((point, out, round) => gradient(peer, point, out, round)),
      ),
    ),
  });
}

/** Runs to the end. @param seen called after every round with it and the live peers */
export async function finish(simulation, seen = () => {}) {
  for await (const round of simulation.run()) seen(round, simulation.peers);
  return simulation.peers;
}

/** The mean of the models. */
export function meanOf(peers) {
  const mean = new Float64Array(peers[0].model.length);
  for (const { model } of peers) for (let k = 0; k < mean.length; k++) mean[k] += model[k] / peers.length;
  return mean;
}

/** C = (1/n) Σ_i ‖x_i − x̄‖² */
export function consensusDistance(peers) {
  const mean = meanOf(peers);
  let sum = 0;
  for (const { model } of peers) for (let k = 0; k < mean.length; k++) sum += (model[k] - mean[k]) ** 2;
  return sum / peers.length;
}

/** ‖a − b‖ */
export const distance = (a, b) => Math.hypot(...a.map((x, k) => x - b[k]));

/**
 * Pure consensus. @returns C after a round over C at the start, and the mean of that over the last `tail` rounds
 */
export async function consensus(options, tail = 100) {
  const simulation = createGossip(options);
  const initial = consensusDistance(simulation.peers);
  const mean = meanOf(simulation.peers);
  const ratios = [];
  await finish(simulation, ({ consensusDistance }) => ratios.push(consensusDistance / initial));
  const last = ratios.slice(-tail);
  return {
    /** C/C₀ after so many rounds. */
    after: (rounds) => ratios[rounds - 1],
    floor: last.reduce((sum, c) => sum + c, 0) / last.length,
    /** ‖x̄ − x̄₀‖ / ‖x̄₀‖ */
    drift: distance(meanOf(simulation.peers), mean) / Math.hypot(...mean),
    peers: simulation.peers,
  };
}
