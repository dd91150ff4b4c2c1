// A worked example of DeepSqueeze, the matrix forms of exact gossip, and what different data do to D-PSGD and not to its
// corrections.
import { Matrix, solve } from "ml-matrix";
import { normal, random } from "../../dist/foundation/random.js";
import { denseWeights } from "../../dist/graphs/mixing.js";
import { createGossip, finish, meanOf, ring, SEED } from "./gossip.mjs";
import { atMost, CLOSED_FORM, inside, PROTOTYPE, row, within } from "./row.mjs";

export async function* rows() {
  yield* workedExample();
  yield* matrixForms();
  yield* differentData();
}

/** Three rounds: models of some peers, the mean, C and ‖δ‖_F. */
const worked = [
  {
    models: {
      0: [0.0444444444, -0.0666666667, 0.1444444444],
      1: [0.1, -0.0888888889, 0.1],
      2: [0.2, -0.2, 0.1],
      3: [0.2555555556, -0.2444444444, 0.0555555556],
    },
    ...{ mean: [0.15, -0.15, 0.1], distance: 0.0133333333, residual: 0.2 },
  },
  {
    models: {
      0: [0.0937037037, -0.1137037037, 0.2837037037],
      3: [0.4714814815, -0.4614814815, 0.0914814815],
    },
    ...{ mean: [0.285, -0.285, 0.19], distance: 0.0452771605, residual: 0.5664967065 },
  },
  { models: {}, mean: [0.4065, -0.4065, 0.271], distance: 0.0764953272, residual: 0.8322810739 },
];

/** Ring of four, f_i = ½‖x − (i, −i, 1)‖², γ = 0.1, η = 0.5, sign with one scale, from 0. */
async function* workedExample() {
  const simulation = createGossip({
    ...{ mixing: ring(4), length: 3, rounds: 3, algorithm: "deepsqueeze", rate: 0.5, learningRate: 0.1 },
    ...{ compressor: { kind: "sign", scope: "whole" }, initial: () => 0 },
    gradient(peer, point, out) {
      for (const [k, target] of [peer, -peer, 1].entries()) out[k] = point[k] - target;
    },
  });
  const seen = [];
  await finish(simulation, ({ round, consensusDistance }, peers) => {
    const { models, mean } = worked[round];
    const off = Object.entries(models).map(([peer, model]) => largest(peers[peer].model, model));
    const residual = Math.hypot(...peers.flatMap(({ state }) => [...state.vectors.residual]));
    seen.push({ largest: Math.max(largest(meanOf(peers), mean), ...off), consensusDistance, residual });
  });
  for (const [round, { distance, residual }] of worked.entries()) {
    const ours = seen[round];
    const name = `DeepSqueeze, worked example, round ${round + 1}`;
    yield row(`${name}: largest error of models and mean`, PROTOTYPE, 0, ours.largest, within(1e-7));
    yield row(`${name}: consensus distance`, PROTOTYPE, distance, ours.consensusDistance, within(1e-7));
    yield row(`${name}: ‖δ‖`, PROTOTYPE, residual, ours.residual, within(1e-6));
  }
}

const largest = (a, b) => Math.max(...b.map((x, k) => Math.abs(x - a[k])));

/** Exact gossip of models that local updates move: X ← ((1 − η)I + ηW)(X + U), in float64. */
async function* matrixForms() {
  const [length, rounds, rate] = [50, 100, 0.7];
  const mixing = ring(8);
  const updates = random(SEED, "updates");
  const update = (peer, k, round) => 0.1 * normal(updates, (round * 8 + peer) * length + k);
  const initial = (peer, k) => Math.fround(normal(random(SEED, "models"), peer * length + k));
  let x = Matrix.zeros(8, length);
  for (let i = 0; i < 8; i++) for (let k = 0; k < length; k++) x.set(i, k, initial(i, k));
  const w = Matrix.from1DArray(8, 8, denseWeights(mixing))
    .mul(rate)
    .add(Matrix.eye(8).mul(1 - rate));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < 8; i++)
      for (let k = 0; k < length; k++) x.set(i, k, x.get(i, k) + update(i, k, round));
    x = w.mmul(x);
  }
  for (const algorithm of ["dpsgd", "deepsqueeze"]) {
    const simulation = createGossip({
      ...{ mixing, length, algorithm, rounds, rate, initial },
      gradient(peer, _point, out, round) {
        for (let k = 0; k < length; k++) out[k] = -update(peer, k, round);
      },
    });
    const peers = await finish(simulation);
    const ours = Math.max(...peers.map(({ model }, i) => largest(model, x.getRow(i))));
    const name = algorithm === "dpsgd" ? "D-PSGD" : "DeepSqueeze without compression";
    const figure = `${name}, ring-8, η = 0.7: largest error against (1 − η)I + ηW after 100 rounds`;
    yield row(figure, CLOSED_FORM, 0, ours, within(1e-5));
  }
}

/** f_i = a_i/2 ‖x − b_i‖² with a_i from ½ to 1½ and b_i ~ N(0, I): curvature and optimum differ from peer to peer. */
const PEERS = 8;
const D = 100;
const minmax4 = { kind: "minmax", bits: 4 };
const curvature = (peer) => 0.5 + peer / (PEERS - 1);
const targets = random(SEED, "targets");
const target = (peer, k) => normal(targets, peer * D + k);

/** x* = Σ a_i b_i / Σ a_i */
function optimum() {
  let total = 0;
  const x = new Float64Array(D);
  for (let i = 0; i < PEERS; i++) {
    total += curvature(i);
    for (let k = 0; k < D; k++) x[k] += curvature(i) * target(i, k);
  }
  return x.map((value) => value / total);
}

/** (1/n) Σ_i ‖x_i − x*‖² */
function errorOf(models, best) {
  let sum = 0;
  for (const model of models) for (let k = 0; k < D; k++) sum += (model[k] - best[k]) ** 2;
  return sum / models.length;
}

/** Where D-PSGD stays: X = W(X − γA(X − B)), so (I − W(I − γA)) X = γ W A B. */
function fixedPoint(learningRate) {
  const w = Matrix.from1DArray(PEERS, PEERS, ring(PEERS).weights);
  const a = Matrix.diag(Array.from({ length: PEERS }, (_, i) => curvature(i)));
  const b = Matrix.zeros(PEERS, D);
  for (let i = 0; i < PEERS; i++) for (let k = 0; k < D; k++) b.set(i, k, target(i, k));
  const left = Matrix.eye(PEERS).sub(w.mmul(Matrix.eye(PEERS).sub(a.clone().mul(learningRate))));
  return solve(left, w.mmul(a).mmul(b).mul(learningRate)).to2DArray();
}

async function* differentData() {
  const best = optimum();
  const stays = async (algorithm, options) => {
    const simulation = createGossip({
      ...{ mixing: ring(PEERS), length: D, algorithm, rounds: 3000, learningRate: 0.1, initial: () => 0 },
      ...options,
      gradient(peer, point, out) {
        for (let k = 0; k < D; k++) out[k] = curvature(peer) * (point[k] - target(peer, k));
      },
    });
    const peers = await finish(simulation);
    return errorOf(
      peers.map(({ point }) => point),
      best,
    );
  };
  const place = "different data, ring-8, γ = 0.1: (1/n) Σ ‖x_i − x*‖²";
  const plain = await stays("dpsgd", {});
  const theirs = errorOf(fixedPoint(0.1), best);
  yield row(`${place}, D-PSGD`, CLOSED_FORM, theirs, plain, within(1e-5));
  const small = await stays("dpsgd", { learningRate: 0.02 });
  const half = await stays("dpsgd", { learningRate: 0.01, rounds: 6000 });
  const quotient = "different data, ring-8, D-PSGD: error of γ = 0.02 over that of 0.01, ∝ γ²";
  yield row(quotient, "Koloskova et al. 2021", [3.5, 4], small / half, inside);
  // No error in exact arithmetic. The first two hold float32's, the others add up that of every round.
  const scale = best.reduce((sum, x) => sum + x * x, 0);
  const once = 10 * 2 ** -24;
  const everyRound = 3000 * 2 ** -24;
  for (const [name, algorithm, source, rounding, options] of [
    ["gradient tracking", "gradient-tracking", "Koloskova et al. 2021", once],
    ["D²", "d2", "Tang et al. 2018", once],
    ["LEAD, min–max 4 bit", "lead", "Liu et al. 2021", everyRound, { compressor: minmax4, rate: 0.6 }],
    ["BEER, min–max 4 bit", "beer", "Zhao et al. 2022", everyRound, { compressor: minmax4, rate: 0.3 }],
  ]) {
    const ours = await stays(algorithm, options);
    yield row(`${place}, ${name}`, source, rounding ** 2 * scale, ours, atMost());
  }
}
