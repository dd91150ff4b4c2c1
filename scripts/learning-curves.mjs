// Learning curves of DeepSqueeze (4 and 1 bit) against D-PSGD and all-reduce, as SVG pictures: a ResNet-20 on
// CIFAR-10 and a character transformer on text, 4 peers each. Run after a build:
//
//   node scripts/learning-curves.mjs --cifar <folder> --text <file> [--out runs/curves] [--pictures .images] [--jobs 2]
//
// Either may be left out. Runs that are in the folder already are drawn again, not run again. Pictures go to the
// folder of the runs unless another is named.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { GRAPH_LOG_NAME, peerLogName } from "../dist/runs/log.js";

const { values } = parseArgs({
  options: {
    cifar: { type: "string" },
    text: { type: "string" },
    out: { type: "string", default: "runs/curves" },
    pictures: { type: "string" },
    jobs: { type: "string", default: "2" },
    backend: { type: "string", default: "wasm" },
    rounds: { type: "string" },
  },
});
if (values.cifar === undefined && values.text === undefined) {
  console.error("error: name the data: --cifar <folder with data_batch_1.bin> or --text <file>");
  process.exit(2);
}

const PEERS = 4;
const ring = { name: "ring", graph: { kind: "ring", peers: PEERS } };
// With Metropolis weights of 1/4 and η = 1, one exchange on the complete graph is the exact mean.
const complete = { name: "complete", graph: { kind: "complete", peers: PEERS } };
const trainer = { kind: "layers", backend: values.backend };

const tasks = [
  values.cifar !== undefined && {
    name: "cifar",
    measure: {
      label: "accuracy of the mean model on held-out images, %",
      of: ({ accuracy }) => 100 * accuracy,
    },
    title: "ResNet-20 on CIFAR-10, 4 peers, Dirichlet 0.5",
    common: {
      data: { kind: "cifar", path: values.cifar, testExamples: 500 },
      model: "resnet",
      trainer,
      split: { kind: "dirichlet", alpha: 0.5 },
      augmentation: { flip: true, shift: 0 },
      optimizer: "adam",
      learningRate: { initial: 0.002, decay: "cosine", warmupRounds: 20 },
      batchSize: 16,
      rounds: Number(values.rounds ?? 500),
      evaluateEvery: 50,
    },
  },
  values.text !== undefined && {
    name: "text",
    measure: { label: "loss of the mean model on held-out text, nats a character", of: ({ loss }) => loss },
    title: "Character transformer on text, 4 peers, a quarter of the text each",
    common: {
      data: { kind: "text", path: values.text, testExamples: 128 },
      model: "char-transformer",
      trainer,
      split: "contiguous",
      optimizer: "adam",
      learningRate: { initial: 0.005, decay: "cosine", warmupRounds: 20 },
      batchSize: 16,
      rounds: Number(values.rounds ?? 400),
      evaluateEvery: 25,
    },
  },
].filter(Boolean);

const algorithms = [
  { name: "all-reduce", topology: complete, settings: { algorithm: "dpsgd", consensusRate: 1 } },
  { name: "D-PSGD", topology: ring, settings: { algorithm: "dpsgd", consensusRate: 1 } },
  {
    name: "DeepSqueeze, 4 bit",
    topology: ring,
    settings: {
      algorithm: "deepsqueeze",
      compressor: { kind: "minmax", bits: 4, scope: "block", block: 256 },
      consensusRate: { initial: 0.5, decay: "cosine" },
    },
  },
  {
    name: "DeepSqueeze, 1 bit",
    topology: ring,
    settings: {
      algorithm: "deepsqueeze",
      compressor: { kind: "sign", scope: "block", block: 64 },
      consensusRate: { initial: 0.1, decay: "cosine" },
    },
  },
];
const cli = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
for (const folder of [values.out, values.pictures ?? values.out]) mkdirSync(folder, { recursive: true });
// The longest runs first.
const queue = tasks.flatMap((task) => algorithms.map((algorithm) => ({ task, algorithm })).reverse());
const folderOf = ({ name }, algorithm) => join(values.out, `${name}-${algorithm.name.replace(/\W+/g, "-")}`);

/** Simulates one run in a process of its own; its logs get their name once they are whole. */
async function run({ task, algorithm }) {
  const folder = folderOf(task, algorithm);
  if (existsSync(folder)) return;
  const part = `${folder}.part`;
  rmSync(part, { recursive: true, force: true });
  const files = [`${folder}.topology.json`, `${folder}.experiment.json`];
  writeFileSync(files[0], JSON.stringify(algorithm.topology));
  writeFileSync(
    files[1],
    JSON.stringify({ name: algorithm.name, seed: 1, ...task.common, ...algorithm.settings }),
  );
  const child = spawn(process.execPath, [cli, "simulate", ...files, "--out", part], { stdio: "inherit" });
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`${folder} ended with ${code}`);
  renameSync(part, folder);
}

async function work() {
  for (let next = queue.shift(); next; next = queue.shift()) await run(next);
}
await Promise.all(Array.from({ length: Number(values.jobs) }, work));

for (const task of tasks) {
  const curves = algorithms.map((algorithm) => curveOf(algorithm, task));
  const file = join(values.pictures ?? values.out, `curves-${task.name}.svg`);
  writeFileSync(file, picture(task, curves));
  console.log(`\n${task.title}: ${file}\n`);
  console.log(
    "| run | training loss, last tenth | mean model: loss | accuracy % | every peer, closed: loss | accuracy % | sent per peer |",
  );
  console.log("|---|--:|--:|--:|--:|--:|--:|");
  for (const { name, training, evaluations, worstClosed, sent } of curves) {
    const { loss, accuracy } = evaluations.at(-1).evaluation;
    const cells = [
      name,
      training.at(-1)[1].toFixed(3),
      loss.toFixed(3),
      (100 * accuracy).toFixed(1),
      worstClosed.loss.toFixed(3),
      (100 * worstClosed.accuracy).toFixed(1),
      `${sent.at(-1).toFixed(1)} MB`,
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

/** The objects of a log, one a line. */
function linesOf(file) {
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** What one run came to, from its logs. Rounds are counted from 1. */
function curveOf(algorithm, task) {
  const folder = folderOf(task, algorithm);
  const graph = linesOf(join(folder, GRAPH_LOG_NAME)).filter(({ round }) => round !== undefined);
  const peers = Array.from({ length: PEERS }, (_, peer) =>
    linesOf(join(folder, peerLogName(peer))).filter(({ type }) => type === "round"),
  );
  const perRound = (of) =>
    peers[0].map((_, k) => peers.reduce((sum, rounds) => sum + of(rounds[k]), 0) / PEERS);
  const learning = peers[0].filter(({ kind }) => kind === "exchange").length;
  const losses = perRound(({ loss }) => loss ?? 0).slice(0, learning);
  const window = Math.max(1, Math.round(learning / 10));
  return {
    name: algorithm.name,
    /** [round, mean over the peers and over the tenth of all rounds that ends with it]. */
    training: losses.flatMap((_, k) => {
      const recent = losses.slice(Math.max(0, k + 1 - window), k + 1);
      return k + 1 < window ? [] : [[k + 1, recent.reduce((sum, loss) => sum + loss, 0) / window]];
    }),
    /** Of the mean model, closing rounds left out. */
    evaluations: graph
      .filter(({ round, meanEvaluation }) => meanEvaluation && round < learning)
      .map(({ round, meanEvaluation }) => ({ round: round + 1, evaluation: meanEvaluation })),
    /** Of the peer with the largest loss, after the closing consensus. */
    worstClosed: peers
      .map((rounds) => rounds.at(-1).evaluation)
      .reduce((worst, evaluation) => (evaluation.loss > worst.loss ? evaluation : worst)),
    /** MB that a peer has sent after each round, mean over the peers. */
    sent: perRound(({ traffic }) => traffic.reduce((sum, { bytesSent }) => sum + bytesSent, 0) / 1e6),
  };
}

/** Two plots side by side as SVG, in the colours that the reader's browser asks for. */
function picture({ title, measure }, curves) {
  const left = panel(
    { left: 56, title: "training loss, mean of the peers", label: "rounds" },
    curves.map(({ training }) => training),
  );
  const right = panel(
    {
      left: 516,
      title: measure.label,
      label: "MB sent by each peer (logarithmic)",
      isLogarithmic: true,
      marks: true,
    },
    curves.map(({ evaluations, sent }) =>
      evaluations.map(({ round, evaluation }) => [sent[round - 1], measure.of(evaluation)]),
    ),
  );
  const legend = curves.map(
    ({ name }, k) =>
      `<path class="run run${k}" d="M${56 + 220 * k} 404h44"/><text x="${108 + 220 * k}" y="408">${name}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 424" font-family="sans-serif" font-size="13">
<title>${title}: learning curves</title>
<style>
svg { --ink: #24292f; --grid: #d8dee4; --paper: #ffffff; --blue: #0072b2; --orange: #e08a00; --red: #c2185b }
@media (prefers-color-scheme: dark) {
  svg { --ink: #d0d7de; --grid: #363c44; --paper: #0d1117; --blue: #56b4e9; --orange: #f0b429; --red: #ff6f9f }
}
text { fill: var(--ink) }
.grid { stroke: var(--grid) }
.run { fill: none; stroke-width: 2 }
.mark { stroke: none }
.run0 { stroke: var(--ink); stroke-width: 5; opacity: 0.45 } .mark0 { fill: var(--ink) }
.run1 { stroke: var(--blue) } .mark1 { fill: var(--blue) }
.run2 { stroke: var(--orange); stroke-dasharray: 9 4 } .mark2 { fill: var(--orange) }
.run3 { stroke: var(--red); stroke-dasharray: 2 3 } .mark3 { fill: var(--red) }
</style>
<rect width="920" height="424" fill="var(--paper)"/>
<text x="460" y="24" font-size="16" text-anchor="middle">${title}</text>
${[left, right, ...legend].join("\n")}
</svg>
`;
}

/** One plot: lines through points [x, y], a run each. */
function panel({ left, title, label, isLogarithmic = false, marks = false }, runs) {
  const [width, height, top] = [380, 268, 74];
  const bottom = top + height;
  const xs = runs.flat().map(([x]) => x);
  const yTicks = ticksOf(runs.flat().map(([, y]) => y));
  const [low, high] = [yTicks[0], yTicks.at(-1)];
  const scale = isLogarithmic ? Math.log10 : (x) => x;
  const [first, last] = [
    isLogarithmic ? Math.min(...xs) / 1.3 : 0,
    Math.max(...xs) * (isLogarithmic ? 1.3 : 1),
  ];
  const xTicks = isLogarithmic ? decadesOf(first, last) : ticksOf([0, last]).filter((x) => x <= last);
  const x = (value) =>
    (left + (width * (scale(value) - scale(first))) / (scale(last) - scale(first))).toFixed(1);
  const y = (value) => (bottom - (height * (value - low)) / (high - low)).toFixed(1);
  return [
    `<text x="${left}" y="${top - 14}">${title}</text>`,
    ...yTicks.map(
      (value) =>
        `<path class="grid" d="M${left} ${y(value)}h${width}"/>` +
        `<text x="${left - 8}" y="${Number(y(value)) + 4}" text-anchor="end">${value}</text>`,
    ),
    ...xTicks.map(
      (value) =>
        `<path class="grid" d="M${x(value)} ${bottom}v6"/>` +
        `<text x="${x(value)}" y="${bottom + 20}" text-anchor="middle">${value}</text>`,
    ),
    `<text x="${left + width / 2}" y="${bottom + 40}" text-anchor="middle">${label}</text>`,
    ...runs.map((points, k) => {
      const path = points.map(([px, py]) => `${x(px)},${y(py)}`).join(" ");
      const dots = points.map(([px, py]) => `<circle class="mark${k}" cx="${x(px)}" cy="${y(py)}" r="3"/>`);
      return `<polyline class="run run${k}" points="${path}"/>${marks ? dots.join("") : ""}`;
    }),
  ].join("\n");
}

/** Four to eight round numbers that enclose the values. */
function ticksOf(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const rough = (high - low) / 6 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const from = Math.floor(low / step);
  const count = Math.ceil(high / step) - from;
  return Array.from({ length: count + 1 }, (_, k) => Number(((from + k) * step).toPrecision(6)));
}

/** 1, 10, 100, … and what is twice and five times that, between two numbers. */
function decadesOf(first, last) {
  const powers = Array.from({ length: 12 }, (_, k) => 10 ** (k - 5));
  return powers
    .flatMap((power) => [1, 2, 5].map((factor) => Number((factor * power).toPrecision(1))))
    .filter((value) => value >= first && value <= last);
}
