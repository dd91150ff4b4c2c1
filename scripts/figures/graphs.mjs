// Spectral gaps and optimal rates of graphs with Metropolis–Hastings weights, and finite-time averaging.
import { optimalConsensusRate, spectralGap, spectrum } from "../../dist/graphs/spectrum.js";
import { parseTopology } from "../../dist/graphs/topology.js";
import { consensus, mixingOf, ring } from "./gossip.mjs";
import { atLeast, atMost, CLOSED_FORM, PROTOTYPE, row, within } from "./row.mjs";

const TABLE_2 = "Koloskova et al. 2020, Table 2";
const torus = (rows, columns) => ({ kind: "torus", rows, columns });
const hypercube = (dimension) => ({ kind: "hypercube", dimension });
const margulis = (side) => ({ kind: "margulis", side });
const ringGap = (n) => (2 / 3) * (1 - Math.cos((2 * Math.PI) / n));

/** Name, settings, 1 − max(|λ₂|, |λ_n|) and the tolerance of its digits. */
const gaps = [
  ...[8, 9, 16, 25, 32, 36, 64].map((n) => [`ring ${n}`, { kind: "ring", peers: n }, ringGap(n), 1e-4]),
  ["ring 4", { kind: "ring", peers: 4 }, 2 / 3, 1e-4],
  ["torus 3 × 3", torus(3, 3), 0.6, 1e-4],
  ["torus 4 × 4", torus(4, 4), 0.4, 1e-4],
  ["torus 5 × 5", torus(5, 5), 0.4 * (1 - Math.cos((2 * Math.PI) / 5)), 1e-4],
  ["torus 6 × 6", torus(6, 6), 0.2, 1e-4],
  ["torus 8 × 8", torus(8, 8), 0.4 * (1 - Math.SQRT1_2), 1e-4],
  ["torus 4 × 8", torus(4, 8), 0.4 * (1 - Math.SQRT1_2), 1e-4],
  ...[3, 4, 5, 6].map((k) => [`hypercube ${2 ** k}`, hypercube(k), 2 / (k + 1), 1e-4]),
  ["star 8", { kind: "star", peers: 8 }, 1 / 8, 1e-4],
  ["path 8", { kind: "chain", peers: 8 }, (2 / 3) * (1 - Math.cos(Math.PI / 8)), 1e-4],
  ["complete 8", { kind: "complete", peers: 8 }, 1, 1e-4],
];
const measuredGaps = [
  ["Margulis 9", margulis(3), 0.6],
  ["Margulis 25", margulis(5), 0.286],
  ["Margulis 64", margulis(8), 0.282],
  ["Margulis 100", margulis(10), 0.248],
];
const tableGaps = [
  ...[
    [4, 0.67],
    [16, 0.05],
    [36, 0.01],
  ].map(([n, gap]) => [`ring ${n}`, { kind: "ring", peers: n }, gap]),
  ["torus 16", torus(4, 4), 0.4],
  ["torus 36", torus(6, 6), 0.2],
];

export async function* rows() {
  yield* spectralGaps();
  yield* optimalRates();
  yield row(
    "2 × k tori: largest error of a row or column sum of W",
    CLOSED_FORM,
    0,
    doubleEdges(),
    within(1e-12),
  );
  yield row("graphs in two parts that are accepted", CLOSED_FORM, 0, acceptedParts(), within(0));
  yield* finiteTime();
}

const gapOf = (settings) => spectralGap(spectrum(mixingOf(settings)));

function* spectralGaps() {
  for (const [name, settings, theirs, digits] of gaps) {
    yield row(`spectral gap, ${name}`, CLOSED_FORM, theirs, gapOf(settings), within(digits));
  }
  for (const [name, settings, theirs] of measuredGaps) {
    yield row(`spectral gap, ${name}`, PROTOTYPE, theirs, gapOf(settings), within(5e-4));
  }
  for (const [name, settings, theirs] of tableGaps) {
    yield row(`spectral gap, ${name}`, TABLE_2, theirs, gapOf(settings), within(6e-3));
  }
  const even = spectrum(ring(16)).smallest;
  yield row("smallest eigenvalue, ring 16", CLOSED_FORM, -1 / 3, even, within(1e-4));
  // Friedman 2008: what nearly all random regular graphs reach, and no large graph passes by more than little.
  for (const degree of [3, 4]) {
    const expander = spectrum(mixingOf({ kind: "expander", peers: 64, degree, seed: 1 }));
    const ramanujan = (1 + 2 * Math.sqrt(degree - 1)) / (degree + 1);
    const name = `second eigenvalue, expander 64 of degree ${degree}, Ramanujan`;
    yield row(name, CLOSED_FORM, ramanujan, expander.second, atMost());
  }
}

function* optimalRates() {
  const powergossip = "epfml/powergossip; float64 prototype";
  for (const [name, settings, theirs, source = PROTOTYPE] of [
    ["ring 8", { kind: "ring", peers: 8 }, 1.308, powergossip],
    ["ring 16", { kind: "ring", peers: 16 }, 1.445],
    ["ring 32", { kind: "ring", peers: 32 }, 1.486],
    ["torus 4 × 4", torus(4, 4), 1],
    ["hypercube 16", hypercube(4), 1],
    ["star 8", { kind: "star", peers: 8 }, 1.78],
  ]) {
    const ours = optimalConsensusRate(spectrum(mixingOf(settings)));
    yield row(`optimal η, ${name}`, source, theirs, ours, within(name === "star 8" ? 5e-3 : 6e-4));
  }
}

/** A torus of two rows names some edges twice. */
function doubleEdges() {
  let largest = 0;
  for (const columns of [2, 3, 4, 8]) {
    const { peers, weights } = mixingOf(torus(2, columns));
    for (let i = 0; i < peers; i++) {
      let [row, column] = [0, 0];
      for (let j = 0; j < peers; j++) {
        row += weights[i * peers + j];
        column += weights[j * peers + i];
      }
      largest = Math.max(largest, Math.abs(row - 1), Math.abs(column - 1));
    }
  }
  return largest;
}

function acceptedParts() {
  try {
    const edges = [
      [0, 1],
      [2, 3],
    ];
    parseTopology({ graph: { kind: "edges", edges } }, "two parts");
    return 1;
  } catch (error) {
    if (error.name !== "InvalidTopology") throw error;
    return 0;
  }
}

/** What one period leaves of C: float32 rounding where it averages exactly. */
async function* finiteTime() {
  const left = async (settings) => {
    const mixing = mixingOf(settings);
    const rounds = mixing.sequence.period;
    return (await consensus({ mixing, length: 1000, algorithm: "dpsgd", rounds })).after(rounds);
  };
  for (const peers of [4, 8, 16]) {
    const name = `one-peer exponential ${peers}: C/C₀ after log₂ n rounds`;
    yield row(name, "Ying et al. 2021", 1e-12, await left({ kind: "one-peer-exponential", peers }), atMost());
  }
  for (const peers of [6, 12, 25]) {
    const name = `one-peer exponential ${peers}, no power of two: C/C₀ after ⌈log₂ n⌉ rounds`;
    yield row(name, "Ying et al. 2021", 1e-3, await left({ kind: "one-peer-exponential", peers }), atLeast());
    const base = `base graph ${peers}, one neighbour a round: C/C₀ after a period`;
    yield row(base, "Takezawa et al. 2023", 1e-12, await left({ kind: "base-graph", peers }), atMost());
  }
}
