// Learning curves of DeepSqueeze (4 and 1 bit) against D-PSGD and all-reduce, as SVG pictures: a ResNet-20 on
// CIFAR-10 and a character transformer on text, 4 peers each. Run after a build:
//
//   node scripts/learning-curves.mjs --cifar <folder> --text <file> [--out runs/curves] [--jobs 2]
//
// Either may be left out. Runs that are in the folder already are drawn again, not run again.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { GRAPH_LOG_NAME, peerLogName } from "../dist/log.js";

const { values } = parseArgs({
  options: {
    cifar: { type: "string" },
    text: { type: "string" },
    out: { type: "string", default: "runs/curves" },
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
    title: "ResNet-20 on CIFAR-10, 4 peers, Dirichlet 0.5",
    common: {
      data: { kind: "cifar", path: values.cifar, testExamples: 400 },
      model: "resnet",
      trainer,
      split: { kind: "dirichlet", alpha: 0.5 },
      augmentation: { flip: true, shift: 4 },
      optimizer: { kind: "momentum", momentum: 0.9 },
      learningRate: { initial: 0.05, decay: "cosine" },
      rounds: Number(values.rounds ?? 120),
      evaluateEvery: 20,
    },
  },
  values.text !== undefined && {
    name: "text",
    title: "Character transformer on text, 4 peers, a quarter of the text each",
    common: {
      data: { kind: "text", path: values.text, testExamples: 256 },
      model: "char-transformer",
      trainer,
      split: "contiguous",
      optimizer: "adam",
      learningRate: { initial: 0.003, decay: "cosine" },
      rounds: Number(values.rounds ?? 400),
      evaluateEvery: 50,
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
      consensusRate: 1,
    },
  },
  {
    name: "DeepSqueeze, 1 bit",
    topology: ring,
    settings: {
      algorithm: "deepsqueeze",
      compressor: { kind: "sign", scope: "block", block: 256 },
      consensusRate: { initial: 0.5, decay: "cosine" },
    },
  },
];
const COLOURS = ["#444444", "#1f77b4", "#2ca02c", "#d62728"];

const cli = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
mkdirSync(values.out, { recursive: true });
const queue = tasks.flatMap((task) => algorithms.map((algorithm) => ({ task, algorithm })));
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
  const curves = [];
  for (const algorithm of algorithms) curves.push(curveOf(algorithm, folderOf(task, algorithm)));
  const file = join(values.out, `${task.name}.svg`);
  writeFileSync(file, picture(task.title, curves));
  console.log(`\n${task.title}: ${file}\n`);
  console.log("| run | training loss, last tenth | mean model: loss | accuracy % | sent per peer |");
  console.log("|---|--:|--:|--:|--:|");
  for (const { name, training, loss, accuracy, megabytes } of curves) {
    const [, last] = training.at(-1);
    console.log(
      `| ${name} | ${last.toFixed(3)} | ${loss.at(-1)[1].toFixed(3)} | ${accuracy.at(-1)[1].toFixed(1)} | ${megabytes.toFixed(1)} MB |`,
    );
  }
}

/** The objects of a log, one a line. */
function linesOf(file) {
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Points [round, value] of one run, its closing rounds left out. */
function curveOf({ name }, folder) {
  const graph = linesOf(join(folder, GRAPH_LOG_NAME)).filter(
    ({ consensusDistance }) => consensusDistance !== undefined,
  );
  const peers = Array.from({ length: PEERS }, (_, peer) => ({
    rounds: linesOf(join(folder, peerLogName(peer))).filter(({ type }) => type === "round"),
  }));
  const learning = (rounds) => rounds.filter(({ kind }) => kind === "exchange");
  const losses = learning(peers[0].rounds).map((_, k) => {
    const ofRound = peers.map(({ rounds }) => learning(rounds)[k].loss);
    return ofRound.reduce((sum, loss) => sum + loss, 0) / ofRound.length;
  });
  const window = Math.max(1, Math.round(losses.length / 10));
  const training = losses.flatMap((_, k) => {
    if (k + 1 < window) return [];
    const recent = losses.slice(k + 1 - window, k + 1);
    return [[k, recent.reduce((sum, loss) => sum + loss, 0) / window]];
  });
  const evaluated = graph.filter(({ round, meanEvaluation }) => meanEvaluation && round < losses.length);
  const bytes = peers.map(({ rounds }) =>
    rounds.at(-1).traffic.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
  );
  return {
    name,
    training,
    loss: evaluated.map(({ round, meanEvaluation }) => [round, meanEvaluation.loss]),
    accuracy: evaluated.map(({ round, meanEvaluation }) => [round, 100 * meanEvaluation.accuracy]),
    megabytes: bytes.reduce((sum, count) => sum + count, 0) / bytes.length / 1e6,
  };
}

/** Two plots side by side, as SVG. */
function picture(title, curves) {
  const panels = [
    panel(60, "training loss, mean of the peers", curves, ({ training }) => training),
    panel(500, "accuracy of the mean model, %", curves, ({ accuracy }) => accuracy),
  ];
  const legend = curves.map(
    ({ name, megabytes }, k) =>
      `<rect x="${60 + 210 * k}" y="388" width="14" height="4" fill="${COLOURS[k]}"/>` +
      `<text x="${80 + 210 * k}" y="394">${name} (${megabytes.toPrecision(3)} MB sent)</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 410" font-family="sans-serif" font-size="12">
<rect width="920" height="410" fill="white"/>
<text x="460" y="24" font-size="16" text-anchor="middle">${title}</text>
${[...panels, ...legend].join("\n")}
</svg>
`;
}

function panel(left, label, curves, pointsOf) {
  const [width, height, top] = [380, 280, 60];
  const all = curves.flatMap(pointsOf);
  const [lastRound, low, high] = [
    Math.max(...all.map(([round]) => round)),
    Math.min(...all.map(([, value]) => value)),
    Math.max(...all.map(([, value]) => value)),
  ];
  const x = (round) => (left + (width * round) / lastRound).toFixed(1);
  const y = (value) => (top + height - (height * (value - low)) / (high - low || 1)).toFixed(1);
  const ticks = Array.from({ length: 5 }, (_, k) => k / 4);
  const grid = ticks.map((share) => {
    const value = low + share * (high - low);
    const round = Math.round(share * lastRound);
    return (
      `<path d="M${left} ${y(value)}h${width}" stroke="#dddddd"/>` +
      `<text x="${left - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${value.toPrecision(3)}</text>` +
      `<text x="${x(round)}" y="${top + height + 18}" text-anchor="middle">${round}</text>`
    );
  });
  const lines = curves.map((curve, k) => {
    const path = pointsOf(curve).map(([round, value]) => `${x(round)},${y(value)}`);
    return `<polyline points="${path.join(" ")}" fill="none" stroke="${COLOURS[k]}" stroke-width="2"/>`;
  });
  return [
    `<text x="${left}" y="${top - 12}">${label}</text>`,
    ...grid,
    ...lines,
    `<text x="${left + width / 2}" y="${top + height + 34}" text-anchor="middle">round</text>`,
  ].join("\n");
}
