// Pure consensus: exact gossip, and DeepSqueeze beside CHOCO. C = (1/n) Σ_i ‖x_i − x̄‖², C₀ at the start, which is
// N(0, I) + offset.
import { participation } from "../../dist/exchange/participation.js";
import { normal, random } from "../../dist/foundation/random.js";
import { consensus, normalStart, ring, SEED } from "./gossip.mjs";
import {
  atLeast,
  atMost,
  CLOSED_FORM,
  FLOAT32_ROUNDING,
  factor,
  inside,
  PROTOTYPE,
  row,
  within,
} from "./row.mjs";

const minmax = (bits) => ({ kind: "minmax", bits, scope: "whole" });
const qsgd = (levels, more) => ({ kind: "qsgd", levels, scope: "whole", ...more });
const sign = { kind: "sign", scope: "whole" };
const top = (ratio) => ({ kind: "topk", ratio });

/** Rounding of one round, relative to a model: what accumulates at worst. */
const FLOAT32 = 2 ** -24;

export async function* rows() {
  yield* exactGossip();
  yield* floors();
  yield* residuals();
  yield* contractions();
  yield* skippedEdges();
}

async function* exactGossip() {
  const run = await consensus({ mixing: ring(25), length: 2000, algorithm: "dpsgd", rounds: 700 });
  const place = "exact gossip, ring-25, d = 2000";
  for (const [rounds, theirs] of [
    [100, 1.2e-3],
    [300, 2.6e-7],
    [500, 5.4e-11],
  ]) {
    yield row(`${place}: C/C₀ after ${rounds} rounds`, PROTOTYPE, theirs, run.after(rounds), factor(1.5));
  }
  const lambda = (1 + 2 * Math.cos((2 * Math.PI) / 25)) / 3;
  const fall = (run.after(500) / run.after(300)) ** (1 / 200);
  yield row(`${place}: C falls by λ₂² a round`, CLOSED_FORM, lambda ** 2, fall, within(1e-4));
}

const ring8 = { mixing: ring(8), length: 1000 };
const squeezed = { ...ring8, algorithm: "deepsqueeze" };
const place = "DeepSqueeze, ring-8, d = 1000";

/** C/C₀ that DeepSqueeze stays at, η = 0.05. */
const publishedFloors = [
  ["sign", sign, 6.6e-4],
  ["top 10 %", top(0.1), 1.8e-3],
  ["min–max 4 bit", minmax(4), 6.3e-6],
  ["min–max 2 bit", minmax(2), 4.9e-4],
  ["QSGD s = 16", qsgd(16), 3.4e-4],
  ["natural", { kind: "natural" }, 2.4e-5],
];

/** N(0, I) around a vector that all peers share, of this many standard deviations. */
function commonStart(scale) {
  const usual = normalStart();
  const common = random(SEED, "common");
  return (peer, k) => usual(peer, k) + scale * normal(common, k);
}

async function* floors() {
  for (const [name, compressor, theirs] of publishedFloors) {
    const run = (rate, scale) =>
      consensus({ ...squeezed, compressor, rate, rounds: 3000, initial: commonStart(scale) });
    const full = await run(0.05, 0);
    const half = await run(0.025, 0);
    // ‖x̄‖² is d/8 without the common vector and d/8 + 9d with it: 73 times as much.
    const far = await run(0.05, 3);
    const of = `${place}, ${name}`;
    const quotient = full.floor / half.floor;
    yield row(`${of}, η = 0.05: floor of C/C₀`, PROTOTYPE, theirs, full.floor, atMost(1.5));
    yield row(`${of}: floor of η = 0.05 over that of 0.025`, PROTOTYPE, [3.5, 5], quotient, inside);
    yield row(
      `${of}: floor where ‖x̄‖² is 73 times as large`,
      PROTOTYPE,
      [65, 136],
      far.floor / full.floor,
      inside,
    );
    yield row(
      `${of}: drift of the mean in 3000 rounds`,
      FLOAT32_ROUNDING,
      3000 * FLOAT32,
      full.drift,
      atMost(),
    );
  }
  const four = (rounds) => consensus({ ...squeezed, compressor: minmax(4), rate: 0.1, rounds });
  const once = await four(1500);
  const twice = await four(3000);
  const longer = `${place}, min–max 4 bit, η = 0.1: floor after 3000 rounds over that after 1500`;
  yield row(longer, PROTOTYPE, 1, twice.floor / once.floor, factor(1.2));
  const choco = await consensus({
    ...{ ...ring8, algorithm: "choco", compressor: minmax(4), rate: 0.5, rounds: 1500 },
  });
  // A float64 prototype falls below 1e-20. Models are float32: each of the rounds may add (2⁻²⁴)².
  const none = "CHOCO, ring-8, d = 1000, min–max 4 bit, γ = 0.5: C/C₀ after 1500";
  yield row(none, FLOAT32_ROUNDING, 1500 * FLOAT32 ** 2, choco.floor, atMost());
  yield* farFromZero();
}

async function* farFromZero() {
  const own = { ...ring8, compressor: { kind: "minmax", bits: 4, block: 64 }, initial: normalStart(10) };
  for (const [rate, theirs] of [
    [1, 4e-3],
    [0.2, 7e-5],
  ]) {
    const { floor } = await consensus({ ...own, algorithm: "deepsqueeze", rate, rounds: 1500 });
    const name = `${place}, offset 10, min–max 4 bit in blocks of 64, η = ${rate}: floor of C/C₀`;
    yield row(name, PROTOTYPE, theirs, floor, factor(1.5));
  }
  const run = await consensus({ ...own, algorithm: "choco", rate: 1, rounds: 50 });
  const name = "CHOCO, ring-8, d = 1000, offset 10, min–max 4 bit in blocks of 64, γ = 1: C/C₀ after 50";
  yield row(name, PROTOTYPE, 1e-10, run.after(50), factor(1.5));
  // The range of a block, and with it the step, keeps 0.9 of itself.
  const modular = await consensus({ ...own, algorithm: "moniqua", rate: 1, rounds: 100 });
  const fall = (modular.after(100) / modular.after(50)) ** (1 / 50);
  const range = "Moniqua, ring-8, d = 1000, offset 10, η = 1: C falls as the square of the range, a round";
  yield row(range, CLOSED_FORM, 0.9 ** 2, fall, within(0.01));
}

const squares = (vector) => vector.reduce((sum, x) => sum + x * x, 0);

/** ‖δ‖²/‖x‖² that DeepSqueeze ends with, η = 0.05. */
async function* residuals() {
  for (const [name, compressor, theirs, length = 1000, rounds = 3000] of [
    ["sign, d = 1024", sign, [1500, 5000], 1024, 10_000],
    ["sign, d = 4096", sign, [1500, 5000], 4096],
    ["sign in blocks of 64", { kind: "sign", scope: "block", block: 64 }, [55, 80]],
    ["sign in blocks of 16", { kind: "sign", scope: "block", block: 16 }, [10, 13]],
    ["top 10 %", top(0.1), [10, 17]],
    ["QSGD s = 16", qsgd(16), [4.8, 5.8]],
    ["min–max 2 bit", minmax(2), [0.6, 3]],
    ["natural", { kind: "natural" }, [0.08, 0.1]],
    ["min–max 4 bit", minmax(4), [0.02, 0.04]],
  ]) {
    const { peers } = await consensus({ ...squeezed, length, compressor, rate: 0.05, rounds });
    const ratios = peers.map(({ model, state }) => squares(state.vectors.residual) / squares(model));
    const ours = ratios.reduce((sum, ratio) => sum + ratio) / ratios.length;
    yield row(`DeepSqueeze, ring-8, ${name}: ‖δ‖²/‖x‖²`, PROTOTYPE, theirs, ours, inside);
  }
}

/** Error feedback needs a contraction. */
async function* contractions() {
  const own = { ...squeezed, rate: 0.1 };
  const scaled = await consensus({ ...own, compressor: qsgd(4), rounds: 1500 });
  yield row(
    `${place}, QSGD s = 4 scaled, η = 0.1: floor of C/C₀`,
    PROTOTYPE,
    4.5e-2,
    scaled.floor,
    factor(1.5),
  );
  const unscaled = await consensus({ ...own, compressor: qsgd(4, { unscaled: true }), rounds: 200 });
  const grows = `${place}, QSGD s = 4 unscaled, η = 0.1: C/C₀ after 200, diverged`;
  yield row(grows, PROTOTYPE, 1e12, unscaled.after(200), atLeast());
}

async function* skippedEdges() {
  const own = { ...squeezed, compressor: minmax(4), rate: 0.1, rounds: 1500 };
  const whole = await consensus(own);
  const outage = (_a, _b, round) => round < 10 || round >= 30;
  for (const [name, edges] of [
    ["5 % of the edges skipped a round", participation(SEED, 0.95)],
    ["no edge for 20 rounds", outage],
  ]) {
    const run = await consensus({ ...own, edges });
    const of = `${place}, min–max 4 bit, η = 0.1, ${name}`;
    yield row(`${of}: floor over that of all edges`, PROTOTYPE, 1, run.floor / whole.floor, factor(1.5));
    yield row(`${of}: drift of the mean`, FLOAT32_ROUNDING, 1500 * FLOAT32, run.drift, atMost());
  }
  const choco = await consensus({ ...own, algorithm: "choco", rate: 1, edges: outage });
  const name = "CHOCO, ring-8, d = 1000, min–max 4 bit, γ = 1, no edge for 20 rounds: C/C₀ that stays";
  yield row(name, PROTOTYPE, 6e-2, choco.floor, factor(2));
}
