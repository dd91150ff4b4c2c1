// What a simulation costs by the number of its peers: `npm run -s bench:simulation [-- --data FOLDER]`.
//
// DeepSqueeze with sign on a random regular graph of degree 4, one example a step: seconds from the start of the process
// to the first round, rounds a second, and kilobytes that a peer takes after collection of garbage. `quadratic` has next to
// no training and shows the cost of peers and exchanges; softmax and an MLP learn digits, and softmax MNIST where --data
// names a folder of its files. Digits has 1,437 training examples: for more peers than that it is repeated, in a file.
// Every measurement has a process of its own; medians of --repeats. Progress on stderr, a table on stdout, --svg FILE draws
// it, and the last line is JSON. Reads dist/.
//   --peers 16,128,1024,10000   --workers 1,2 (threads that the peers are spread over; 1 and one per core where left out)
//   --only quadratic,softmax   --repeats 3   --seconds 3 (of rounds)   --limit 420 (of all)
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";

const DEGREE = 4;
/** Share of the time that is not counted: threads compile their code in it. */
const WARM_UP = 0.4;

const { values: options } = parseArgs({
  options: {
    peers: { type: "string", default: "16,128,1024,10000" },
    workers: { type: "string", default: [...new Set([1, availableParallelism()])].join() },
    only: { type: "string", default: "" },
    repeats: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    limit: { type: "string", default: "420" },
    data: { type: "string" },
    svg: { type: "string" },
    measure: { type: "string" },
  },
});

if (options.measure) await measure(JSON.parse(options.measure));
else main();

/** One simulation, in a process of its own. */
async function measure({ peers, workers, experiment, seconds }) {
  const { parseTopology } = await import("../dist/graphs/topology.js");
  const { parseExperiment } = await import("../dist/runs/experiment.js");
  const { simulate } = await import("../dist/runs/simulate.js");
  const { peerWorkers } = await import("../dist/node.js");
  const topology = parseTopology({ graph: { kind: "expander", peers, degree: DEGREE } }, "bench");
  globalThis.gc();
  const before = process.memoryUsage();
  const startWorkers = peerWorkers(workers);
  const simulation = await simulate(topology, parseExperiment(experiment, "bench"), { startWorkers });
  const readySeconds = performance.now() / 1000;
  const readyProcessorSeconds = processorMs() / 1000;
  const [times, processorTimes] = [[], []];
  const began = performance.now();
  const end = began + 1000 * seconds;
  const warm = began + WARM_UP * 1000 * seconds;
  let last = performance.now();
  let lastProcessor = processorMs();
  for await (const _ of simulation.run()) {
    const now = performance.now();
    const nowProcessor = processorMs();
    if (last > warm) {
      times.push(now - last);
      processorTimes.push(nowProcessor - lastProcessor);
    }
    last = now;
    lastProcessor = nowProcessor;
    // The last round of a run has every peer evaluate its model, which is another cost.
    if (now > end && times.length > 0) break;
  }
  globalThis.gc();
  const after = process.memoryUsage();
  // The heap is the main thread's, where all peers are but with workers.
  const perPeer = (of) => (after[of] - before[of]) / peers / 1000;
  console.log(
    JSON.stringify({
      ...{ parameters: simulation.layout.length, readySeconds, readyProcessorSeconds },
      ...{ roundMs: medianOf(times), processorMs: medianOf(processorTimes) },
      ...{ residentKB: perPeer("rss"), heapKB: perPeer("heapUsed") },
    }),
  );
  process.exit(0);
}

/** Processor time of this process so far, that of its garbage collector included: what else the machine does hardly counts. */
function processorMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function main() {
  const folder = mkdtempSync(join(tmpdir(), "bench-simulation-"));
  const deadline = performance.now() + 1000 * Number(options.limit);
  const counts = options.peers.split(",").map(Number);
  const results = [];
  try {
    const tasks = tasksFor(folder).filter(
      ({ name }) => options.only === "" || options.only.split(",").some((part) => name.includes(part)),
    );
    for (const { name, experiment, why } of tasks) {
      if (why) console.error(`${name}: skipped, ${why}`);
      else {
        for (const peers of counts) {
          for (const workers of options.workers.split(",").map(Number)) {
            if (workers > peers) continue;
            const result = repeated({ name, peers, workers, experiment: experiment(peers) }, deadline);
            if (result) results.push(result);
          }
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  printTable(results);
  if (options.svg) writeFileSync(options.svg, chart(results));
  console.log(JSON.stringify({ benchmark: "simulation", degree: DEGREE, results }));
}

/** What peers learn; `experiment` by their number. */
function tasksFor(folder) {
  const common = {
    ...{ algorithm: "deepsqueeze", compressor: { kind: "sign", scope: "tensor" }, consensusRate: 0.3 },
    ...{ rounds: 100_000, batchSize: 1, evaluateEvery: 0, closingRounds: 0, projectEvery: 0 },
  };
  const digits = readFileSync(fileURLToPath(new URL("../src/datasets/digits.csv.gz", import.meta.url)));
  const rows = gunzipSync(digits).toString().trim().split("\n");
  const dataFor = (peers) => {
    // A fifth is for tests, and every peer needs an example.
    const copies = Math.ceil((1.3 * peers) / rows.length);
    if (copies <= 1) return { kind: "digits" };
    const path = join(folder, `digits-${copies}.csv`);
    writeFileSync(path, Array.from({ length: copies }, () => rows.join("\n")).join("\n"));
    return { kind: "csv", path, header: false };
  };
  const onDigits = (model) => (peers) => ({ ...common, model, data: dataFor(peers) });
  const mnist = () => ({ ...common, model: "softmax", data: { kind: "idx", path: options.data } });
  return [
    {
      name: "quadratic 650",
      experiment: () => ({ ...common, trainer: { kind: "quadratic", dimension: 650 } }),
    },
    { name: "softmax, digits", experiment: onDigits("softmax") },
    { name: "mlp, digits", experiment: onDigits({ kind: "mlp", hidden: [32] }) },
    {
      name: "softmax, MNIST",
      experiment: mnist,
      ...(options.data === undefined && { why: "no --data FOLDER with its files" }),
    },
  ];
}

/** Medians; undefined where it cannot be run or no time is left. */
function repeated({ name, peers, workers, experiment }, deadline) {
  const runs = [];
  for (let k = 0; k < Number(options.repeats); k++) {
    const left = deadline - performance.now();
    if (left < 1000) break;
    console.error(`${name}: ${peers} peers, ${workers} workers, ${k + 1} of ${options.repeats}`);
    const request = JSON.stringify({ peers, workers, experiment, seconds: Number(options.seconds) });
    try {
      const text = execFileSync(
        process.execPath,
        ["--expose-gc", fileURLToPath(import.meta.url), "--measure", request],
        { timeout: Math.ceil(left), stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" },
      );
      runs.push(JSON.parse(text));
    } catch (error) {
      const said = String(error.stderr ?? "").match(/^\w*(?:Error|Invalid\w+): .*$/m)?.[0];
      const why = error.code === "ETIMEDOUT" ? "out of time" : (said ?? error.message.split("\n")[0]);
      console.error(`${name}: ${peers} peers, ${workers} workers left out: ${why}`);
      break;
    }
  }
  if (runs.length === 0) return undefined;
  const median = (of) => medianOf(runs.map((run) => run[of]));
  const roundMs = median("roundMs");
  return {
    ...{ name, peers, workers, runs: runs.length, parameters: median("parameters") },
    ...{ readySeconds: median("readySeconds"), roundsPerSecond: 1000 / roundMs },
    readyProcessorSeconds: median("readyProcessorSeconds"),
    microsecondsPerPeerRound: (1000 * median("processorMs")) / peers,
    residentKB: median("residentKB"),
    ...(workers === 1 && { heapKB: median("heapKB") }),
  };
}

function medianOf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1];
}

function printTable(results) {
  console.log(
    "| task | parameters | peers | workers | ready, s | processor s | rounds/s | processor µs per peer and round | kB a peer, resident | on the heap |",
  );
  console.log("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
  for (const r of results) {
    const cells = [r.name, r.parameters, r.peers, r.workers, r.readySeconds.toFixed(2)];
    cells.push(r.readyProcessorSeconds.toFixed(2));
    cells.push(r.roundsPerSecond.toPrecision(3), r.microsecondsPerPeerRound.toFixed(0));
    cells.push(r.residentKB.toFixed(0), r.heapKB?.toFixed(0) ?? "–");
    console.log(`| ${cells.join(" | ")} |`);
  }
}

/** Milliseconds of a round by peers × degree × parameters, both axes logarithmic: one line per task. */
function chart(results) {
  const [width, height, margin] = [720, 440, 60];
  const work = ({ peers, parameters }) => peers * DEGREE * parameters;
  const cost = ({ roundsPerSecond }) => 1000 / roundsPerSecond;
  const axis = (of, from, to) => {
    const logs = results.map((result) => Math.log10(of(result)));
    const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
    const at = (value) => from + ((Math.log10(value) - low) / Math.max(1, high - low)) * (to - from);
    return { at, ticks: Array.from({ length: high - low + 1 }, (_, k) => low + k) };
  };
  const x = axis(work, margin, width - margin);
  const y = axis(cost, height - margin, margin);
  const text = (px, py, content, more = "") =>
    `<text x="${px.toFixed(1)}" y="${py.toFixed(1)}" font-size="12" font-family="sans-serif" ${more}>${content}</text>`;
  const colours = ["#1b6ca8", "#c8553d", "#3a7d44", "#7d5ba6"];
  const names = [...new Set(results.map(({ name }) => name))];
  const titleOf = ({ name, workers }) => (workers === 1 ? name : `${name}, ${workers} workers`);
  const lines = [...new Set(results.map(titleOf))].map((name, k) => {
    const points = results.filter((result) => titleOf(result) === name);
    const path = points.map((p) => `${x.at(work(p)).toFixed(1)},${y.at(cost(p)).toFixed(1)}`).join(" ");
    const first = points[0];
    const colour = colours[names.indexOf(first.name) % colours.length];
    const dashes = first.workers === 1 ? "" : ' stroke-dasharray="6 4"';
    const label = text(margin + 12, margin + 16 * (k + 1), name, `fill="${colour}"`);
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dashes}/>${label}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="white"/>`,
    ...x.ticks.map((k) => text(x.at(10 ** k), height - margin + 20, `10^${k}`, 'text-anchor="middle"')),
    ...y.ticks.map((k) => text(margin - 8, y.at(10 ** k), `10^${k}`, 'text-anchor="end"')),
    text(width / 2, height - 12, "peers × degree × parameters", 'text-anchor="middle"'),
    text(12, 24, "milliseconds of a round"),
    ...lines,
    "</svg>\n",
  ].join("\n");
}
