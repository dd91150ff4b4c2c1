import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import { Command, Option } from "commander";
import { type CellResult, cellsOf, parseComparison, type Standing } from "../runs/comparison.js";
import { compare } from "../runs/node/compare.js";
import { average } from "../runs/node/totals.js";
import { bytesText, numberText, percentText, print, progress, table, warn } from "./console.js";
import { readJson, readTopology } from "./files.js";
import { untilInterrupted } from "./interrupt.js";
import { wholeNumber } from "./option-types.js";

/** Of links for which the time to send is shown, in bits per second. */
const LINKS = { "10 Mbit/s": 1e7, "1 Gbit/s": 1e9 };

export function compareCommand(): Command {
  return new Command("compare")
    .description("run a grid of experiments, and show what accuracy costs how many bytes")
    .argument("<file>", "comparison file (JSON; murmur schema comparison)")
    .requiredOption("--out <folder>", "keep results there; runs that it has are not made again")
    .addOption(
      new Option("--jobs <count>", "runs at a time; default: one per core").argParser(wholeNumber(1, 256)),
    )
    .option("--json", "print every run's result as JSON lines")
    .action(async (file: string, options: { out: string; jobs?: number; json?: boolean }) => {
      const comparison = parseComparison(await readJson(file), file);
      const cells = cellsOf(comparison);
      const topologies = new Map<string, unknown>();
      for (const name of comparison.topologies) {
        const path = resolve(dirname(file), name);
        await readTopology(path);
        topologies.set(name, await readJson(path));
      }
      const interrupted = untilInterrupted();
      const bar = progress("runs", cells.length);
      let done = 0;
      let results: CellResult[];
      try {
        results = await compare({
          ...{ cells, topologies, target: comparison.target, folder: options.out },
          jobs: options.jobs ?? availableParallelism(),
          signal: interrupted.signal,
          onResult: ({ name, seed }, isKept) =>
            bar.update(++done, `${name}, seed ${seed}${isKept ? " (kept)" : ""}`),
        });
      } finally {
        bar.stop();
        interrupted.release();
      }
      if (options.json) for (const result of results) print(JSON.stringify(result));
      else print(comparisonTable(results, comparison.target));
      for (const { name, seed, problem } of results) {
        if (problem !== undefined) warn(`${name}, seed ${seed}: ${problem}`);
      }
    });
}

/** One line per row of the comparison, over its seeds; the fewest bytes to the target first, then the best accuracy. */
export function comparisonTable(results: readonly CellResult[], target: number | undefined): string {
  const groups = new Map<string, CellResult[]>();
  for (const result of results) {
    if (result.problem === undefined) groups.set(result.name, [...(groups.get(result.name) ?? []), result]);
  }
  const lines = [...groups]
    .map(([name, runs]) => lineOf(name, runs))
    .sort((a, b) => a.toTarget - b.toTarget || b.accuracy - a.accuracy || a.bytes - b.bytes);
  const goal = target === undefined ? [] : [`bytes to ${percentText(target)} %`, "round"];
  return table(
    [
      ...["run", "worst %", "mean model %", "closed %", "sent per peer", "bits/par./step"],
      ...goal,
      ...Object.keys(LINKS),
    ],
    lines.map((line) => [
      ...[line.name, line.worst, line.meanModel, line.closed],
      ...[bytesText(line.bytes), numberText(line.bits)],
      ...(target === undefined ? [] : [line.reached, line.round]),
      ...Object.values(LINKS).map((rate) => `${numberText((8 * line.bytes) / rate)} s`),
    ]),
  );
}

function lineOf(name: string, runs: readonly CellResult[]) {
  const of = (read: (run: CellResult) => number | undefined) => runs.flatMap((run) => read(run) ?? []);
  const bytes = average(of((run) => run.bytes));
  const reached = of((run) => run.target?.bytes);
  const isReached = reached.length === runs.length;
  const last = ({ closed, learned }: CellResult): Standing | undefined => closed ?? learned;
  return {
    ...{ name, bytes },
    worst: range(of((run) => run.learned?.worst)),
    meanModel: range(of((run) => run.learned?.meanModel)),
    closed: range(of((run) => run.closed?.worst)),
    bits: average(of((run) => run.bitsPerParameterAndStep)),
    accuracy: average(of((run) => last(run)?.worst)),
    toTarget: isReached ? average(reached) : Number.POSITIVE_INFINITY,
    reached: isReached ? bytesText(average(reached)) : `${reached.length} of ${runs.length}`,
    round: isReached ? Math.round(average(of((run) => run.target?.round))) : "–",
  };
}

/** The mean in percent, and how far its values lie apart. */
function range(values: readonly number[]): string {
  if (values.length === 0) return "–";
  const half = (Math.max(...values) - Math.min(...values)) / 2;
  return `${percentText(average(values))}${values.length > 1 ? ` ± ${percentText(half)}` : ""}`;
}
