// How good the automatic consensus rate is: digits by label, 1,000 rounds, accuracy of every peer after closing. Run
// after a build:
//
//   node scripts/rates.mjs auto    auto against D-PSGD: every shipped topology, three algorithms, three compressors
//   node scripts/rates.mjs grid    the rate of `murmur tune` against the best of twelve on eight combinations
//
// Options: --out FILE (JSON lines; cells that it has are not run again), --jobs 2, --only TEXT (of a cell's key).
import { fork } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const topologyFolder = new URL("../topologies/", import.meta.url);
const compressors = {
  minmax: { kind: "minmax", bits: 4, scope: "block", block: 256 },
  sign: { kind: "sign", scope: "block", block: 1024 },
  topsign: { kind: "topsign", ratio: 0.05 },
  topk: { kind: "topk", ratio: 0.05 },
};
const ROUNDS = 1000;

function cell(topology, algorithm, compressor, consensusRate = "auto") {
  const settings = {
    ...{ algorithm, consensusRate, rounds: ROUNDS, evaluateEvery: 0, projectEvery: 0 },
    ...(compressor && { compressor: compressors[compressor] }),
  };
  const rate = typeof consensusRate === "string" ? consensusRate : JSON.stringify(consensusRate);
  return { key: [topology, algorithm, compressor ?? "exact", rate].join(" "), topology, settings };
}

async function measure({ key, topology: name, settings }) {
  const { parseTopology } = await import("../dist/graphs/topology.js");
  const { parseExperiment } = await import("../dist/runs/experiment.js");
  const { simulate } = await import("../dist/runs/simulate.js");
  const topology = parseTopology(
    JSON.parse(readFileSync(new URL(`${name}.json`, topologyFolder), "utf8")),
    name,
  );
  const started = performance.now();
  const isTuned = settings.consensusRate === "tune";
  const experiment = parseExperiment({ ...settings, ...(isTuned && { consensusRate: "auto" }) });
  if (isTuned) {
    const { tune } = await import("../dist/runs/tune.js");
    const { systemClock } = await import("../dist/foundation/clock.js");
    experiment.consensusRate = (await tune(topology, experiment, { clock: systemClock })).consensusRate;
  }
  const simulation = await simulate(topology, experiment);
  const prepared = performance.now();
  let learnt;
  let last;
  try {
    for await (const round of simulation.run()) {
      last = round;
      if (round.round === ROUNDS - 1) learnt = round;
    }
  } finally {
    simulation.dispose();
  }
  const worst = ({ reports }) => Math.min(...reports.map(({ evaluation }) => evaluation.accuracy));
  return {
    key,
    rates: [0, ROUNDS - 1].map(simulation.plan.consensusRate),
    ...{ closed: worst(last), mean: learnt.meanEvaluation.accuracy, worst: worst(learnt) },
    ...{ distance: learnt.consensusDistance, norm: learnt.meanModelNorm, warnings: simulation.warnings },
    ...{ prepareSeconds: (prepared - started) / 1000, seconds: (performance.now() - prepared) / 1000 },
  };
}

/** Runs the cells that the file lacks; every result is in the file as soon as it is known. */
async function runCells(cells, file, jobs) {
  const known = new Map(
    (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").filter(Boolean) : [])
      .map((line) => JSON.parse(line))
      .filter(({ error }) => error === undefined)
      .map((result) => [result.key, result]),
  );
  const left = cells.filter(({ key }) => !known.has(key));
  mkdirSync(dirname(file), { recursive: true });
  await Promise.all(
    Array.from({ length: Math.min(jobs, left.length) }, async () => {
      const worker = fork(fileURLToPath(import.meta.url), ["worker"]);
      for (let next = left.shift(); next; next = left.shift()) {
        worker.send(next);
        const result = await new Promise((resolve, reject) => {
          worker.once("message", resolve);
          worker.once("exit", () => reject(new Error("the worker ended")));
        });
        worker.removeAllListeners("exit");
        known.set(result.key, result);
        appendFileSync(file, `${JSON.stringify(result)}\n`);
        console.error(`${left.length} left: ${result.key}: ${result.error ?? percent(result.closed)}`);
      }
      worker.disconnect();
    }),
  );
  return cells.map(({ key }) => known.get(key));
}

const rangeText = (rates) => [...new Set(rates.map((rate) => Number(rate.toPrecision(3))))].join(" to ");
const percent = (share) => (100 * share).toFixed(1);

const TOLERANCE = 0.01;

/** Every shipped topology × algorithm × compressor with the automatic rate, next to D-PSGD. */
async function compareWithExact({ out, jobs, only }) {
  const topologies = readdirSync(topologyFolder)
    .filter((name) => /(?<!schema)\.json$/.test(name))
    .map((name) => name.replace(".json", ""))
    .sort((a, b) => peersOf(a) - peersOf(b));
  const cells = topologies.flatMap((topology) => [
    cell(topology, "dpsgd"),
    ...["deepsqueeze", "choco", "edge-choco"].flatMap((algorithm) =>
      ["minmax", "sign", "topsign"].map((compressor) => cell(topology, algorithm, compressor)),
    ),
  ]);
  const results = await runCells(
    cells.filter(({ key }) => key.includes(only)),
    out,
    Number(jobs),
  );
  const exact = new Map(
    results.flatMap((r) => (r.key.includes(" dpsgd ") ? [[r.key.split(" ")[0], r]] : [])),
  );
  console.log(
    "| graph, algorithm, compressor | η | every peer, closed % | D-PSGD % | worst peer before closing % | seconds to prepare | warned |",
  );
  console.log("|---|--:|--:|--:|--:|--:|---|");
  let short = 0;
  let silent = 0;
  for (const { key, error, rates, closed, worst, prepareSeconds, warnings } of results) {
    if (error) {
      console.log(`| ${key} | ${error} |`);
      continue;
    }
    const base = exact.get(key.split(" ")[0])?.closed;
    const isShort = base !== undefined && closed < base - TOLERANCE;
    short += isShort;
    silent += isShort && warnings.length === 0;
    const range = rangeText(rates);
    const numbers = [closed, base ?? Number.NaN, worst].map(percent).join(" | ");
    console.log(
      `| ${key} | ${range} | ${numbers} | ${prepareSeconds.toFixed(1)} | ${warnings.length > 0 ? "yes" : "no"}${isShort ? ", short" : ""} |`,
    );
  }
  console.log(
    `${short} of ${results.length} are more than a point short of D-PSGD, ${silent} of them without a warning`,
  );
}

function peersOf(topology) {
  return Number(/\d+/.exec(topology.replace("4x4", "16"))?.[0] ?? 8);
}

/** The automatic rate against constant ones. */
async function compareWithGrid({ out, jobs, only }) {
  const triples = [
    ["ring-8", "deepsqueeze", "minmax"],
    ["ring-8", "deepsqueeze", "sign"],
    ["torus-4x4", "deepsqueeze", "topsign"],
    ["torus-4x4", "deepsqueeze", "sign"],
    ["ring-8", "choco", "sign"],
    ["expander-16", "choco", "topsign"],
    ["ring-16", "edge-choco", "sign"],
    ["complete-8", "edge-choco", "topsign"],
  ];
  const grid = Array.from({ length: 12 }, (_, k) => Number((1.3 * 2 ** (-k / 2)).toPrecision(3)));
  const cells = triples.flatMap((triple) => ["auto", "tune", ...grid].map((rate) => cell(...triple, rate)));
  const results = await runCells(
    cells.filter(({ key }) => key.includes(only)),
    out,
    Number(jobs),
  );
  console.log(
    "| graph, algorithm, compressor | auto: η | closed % | tune: η | closed % | best of the grid: η | closed % |",
  );
  console.log("|---|--:|--:|--:|--:|--:|--:|");
  for (const triple of triples) {
    const own = results.filter(({ key, error }) => key.startsWith(`${triple.join(" ")} `) && !error);
    const [auto, tuned] = ["auto", "tune"].map((name) => own.find(({ key }) => key.endsWith(` ${name}`)));
    const constant = own.filter((result) => result !== auto && result !== tuned);
    if (!auto || !tuned || constant.length === 0) continue;
    const best = constant.reduce((a, b) => (b.closed > a.closed ? b : a));
    const columns = [auto, tuned, best].map(
      ({ rates, closed }) => `${rangeText(rates)} | ${percent(closed)}`,
    );
    console.log(`| ${[triple.join(" "), ...columns].join(" | ")} |`);
  }
}

if (process.argv[2] === "worker") {
  process.on("message", async (job) => {
    process.send(await measure(job).catch((error) => ({ key: job.key, error: String(error.message) })));
  });
} else {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: "string", default: "runs/rates.jsonl" },
      jobs: { type: "string", default: "2" },
      only: { type: "string", default: "" },
    },
  });
  const modes = { auto: compareWithExact, grid: compareWithGrid };
  const mode = modes[positionals[0]];
  if (!mode) {
    console.error("error: say what to compare: node scripts/rates.mjs auto, or grid");
    process.exit(2);
  }
  await mode(values);
}
