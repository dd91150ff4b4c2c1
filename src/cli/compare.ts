import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { basename, dirname, resolve } from "node:path";
import { Command, Option } from "commander";
import { ACCURACY, type Metric } from "../evaluation.js";
import { parseTopology } from "../graphs/topology.js";
import { comparisonPage, rowDifferences, viewComparison } from "../inspect/comparison-page.js";
import type { RunVerdict } from "../observing/verdict.js";
import { type Cell, type Comparison, cellsOf, parseComparison, weightsOf } from "../runs/comparison.js";
import { type CellResult, figuresOf, modelledTime, RATES } from "../runs/comparison-result.js";
import {
  type ComparisonRow,
  type RowSettings,
  rowsOf,
  type Spread,
  secondsAtRates,
} from "../runs/comparison-rows.js";
import { compare } from "../runs/node/compare.js";
import { bytesOfWeights } from "../trainers/initial-weights.js";
import {
  bytesText,
  metricTitle,
  note,
  numberText,
  print,
  progress,
  secondsText,
  table,
  valueText,
  valueTitle,
  warn,
} from "./console.js";
import { readJson, readLocatedTopology, writePage } from "./files.js";
import { differencesTable } from "./inspect-runs.js";
import { untilInterrupted } from "./interrupt.js";
import { wholeNumber } from "./option-types.js";

/** Characters of a line of a row's name; longer names take several. */
const NAME_WIDTH = 30;

interface Options {
  readonly out: string;
  readonly jobs?: number;
  readonly html?: string;
  readonly json?: true;
}

export function compareCommand(): Command {
  return new Command("compare")
    .description("run a grid of experiments, and compare accuracy by bytes sent and by time")
    .argument("<file>", "comparison file (JSON; murmur schema comparison)")
    .requiredOption("--out <folder>", "keep results there; runs that it has are not made again")
    .addOption(
      new Option("--jobs <count>", "runs at a time; default: one per core").argParser(wholeNumber(1, 256)),
    )
    .option("--html <file>", "write one self-contained page: accuracy over bytes, time over bandwidth, table")
    .option("--json", "print every run's result as JSON lines")
    .action(async (file: string, options: Options) => {
      const comparison = parseComparison(await readJson(file), file);
      const cells = await cellsIn(comparison, file);
      const results = await resultsOf(cells, options);
      const rows = rowsOf(results, comparison);
      if (options.json) for (const result of results) print(jsonOf(result, comparison));
      else {
        print(comparisonTables(rows, comparison));
        const differences = rowDifferences(rows, cells);
        const names = rows.map(({ name }) => name);
        if (differences.length > 0) print(`\n${differencesTable(names, differences)}`);
      }
      if (options.html !== undefined) {
        await writePage(
          options.html,
          comparisonPage(viewComparison(results, comparison, basename(file, ".json"), cells)),
        );
        note(`page: ${options.html}`);
      }
      for (const result of results) {
        const name = `${result.name}, seed ${result.seed}`;
        if ("problem" in result) warn(`${name}: ${result.problem}`);
        else if (result.verdict && isUnwell(result.verdict)) warn(`${name}: ${result.verdict.text}`);
      }
      const healthy = results.filter(
        (result) => "verdict" in result && result.verdict && !isUnwell(result.verdict),
      );
      note(`${healthy.length} of ${results.length} runs are healthy`);
      if (results.every((result) => "problem" in result)) process.exitCode = NO_RESULT;
    });
}

/** Exit code of a comparison of which no run came to its end. */
const NO_RESULT = 1;

/** The runs of a comparison, with what its topology files and files of weights hold. */
async function cellsIn(comparison: Comparison, file: string): Promise<Cell[]> {
  const contents = new Map<string, unknown>();
  for (const name of comparison.topologies) {
    const path = resolve(dirname(file), name);
    const content = await readLocatedTopology(path);
    parseTopology(content, path);
    contents.set(name, content);
  }
  for (const name of weightsOf(comparison)) {
    // A run whose weights cannot be read is refused when it starts.
    const parts = await bytesOfWeights(name).catch(() => undefined);
    if (!parts) continue;
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    contents.set(name, hash.digest("hex"));
  }
  return cellsOf(comparison, contents);
}

async function resultsOf(cells: readonly Cell[], { out, jobs }: Options): Promise<CellResult[]> {
  const interrupted = untilInterrupted();
  const bar = progress("runs", cells.length, "run");
  let done = 0;
  try {
    return await compare({
      ...{ cells, folder: out, jobs: jobs ?? availableParallelism(), signal: interrupted.signal },
      onResult: ({ name, seed }, isKept) =>
        bar.update(++done, `${name}, seed ${seed}${isKept ? " (kept)" : ""}`),
    });
  } finally {
    bar.stop();
    interrupted.release();
  }
}

function jsonOf(result: CellResult, comparison: RowSettings): string {
  if ("problem" in result) return JSON.stringify(result);
  const { name, seed, key, parameters, total, seconds, points, verdict } = result;
  const { target, ...figures } = figuresOf(result, comparison.target);
  const times = (cost: typeof total) => secondsAtRates(modelledTime(cost, comparison));
  return JSON.stringify({
    ...{ name, seed, key, parameters, ...figures, ...total, modelledSeconds: times(total) },
    ...(target && { target: { ...target, modelledSeconds: times(target) } }),
    ...{ seconds, points, verdict },
  });
}

/** What the rows reached and sent, and what the target, or the whole run without one, takes. */
export function comparisonTables(rows: readonly ComparisonRow[], { target }: RowSettings): string {
  const names = rows.map(wrappedName);
  const metric = rows[0]?.metric ?? ACCURACY;
  const isMixed = rows.some((row) => row.metric.name !== metric.name);
  const titles = ["worst", "mean model", "closed"].map((words) =>
    isMixed ? words : metricTitle(words, metric),
  );
  const quality = table(
    ["run", ...titles, ...(isMixed ? ["metric"] : []), "consensus", "sent/peer", "bits/par./step"],
    rows.map(({ learned, closed, bytes, bitsPerParameterAndStep, metric }, k) => [
      names[k]!,
      ...[learned?.worst, learned?.meanModel, closed?.worst].map((spread) => rangeText(metric, spread)),
      ...(isMixed ? [valueTitle(metric)] : []),
      ...[numberText(learned?.consensusDistance.mean), bytesText(bytes), numberText(bitsPerParameterAndStep)],
    ]),
  );
  const head =
    target === undefined
      ? ["whole run"]
      : [`to ${valueText(metric, target)}${metric.name === ACCURACY.name ? " %" : ""}`, "sent/peer", "round"];
  const cost = table(
    [...head, ...Object.keys(RATES)],
    rows.map((row, k) => [names[k]!, ...costOf(row, target)]),
  );
  return `${quality}\n\n${cost}`;
}

function costOf(row: ComparisonRow, target: number | undefined): (string | number)[] {
  const texts = (time: ComparisonRow["time"]) => Object.values(secondsAtRates(time)).map(secondsText);
  if (target === undefined) return texts(row.time);
  if (row.target) return [bytesText(row.target.bytes), row.target.rounds, ...texts(row.target.time)];
  const runs = row.seeds.length + row.failed;
  const reached = runs > 1 ? `${row.reached} of ${runs}` : "–";
  return [reached, "–", ...Object.keys(RATES).map(() => "–")];
}

function wrappedName({ name, failed, seeds }: ComparisonRow): string {
  const text = failed > 0 ? `${name} (${seeds.length} of ${seeds.length + failed} seeds)` : name;
  const lines: string[] = [];
  let rest = text;
  while (rest.length > NAME_WIDTH) {
    const space = rest.lastIndexOf(" ", NAME_WIDTH);
    const end = space > 0 ? space : NAME_WIDTH;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest].join("\n");
}

/** The mean, and how far its values lie apart. */
function rangeText(metric: Metric, spread: Spread | undefined): string {
  if (!spread) return "–";
  const half = (spread.high - spread.low) / 2;
  return `${valueText(metric, spread.mean)}${half > 0 ? ` ± ${valueText(metric, half)}` : ""}`;
}

const isUnwell = ({ kind }: RunVerdict): boolean => kind === "unhealthy" || kind === "diverged";
