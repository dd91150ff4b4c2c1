import { resolve, sep } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { Metric } from "../evaluation.js";
import { metricColumn, writeCsv } from "../inspect/csv.js";
import { createLiveServer } from "../inspect/live.js";
import { writeMlflow } from "../inspect/mlflow.js";
import { type Line, plot } from "../inspect/plot.js";
import { isSimulated, type Run, readRun } from "../inspect/read.js";
import { renderPage } from "../inspect/report.js";
import { writeTensorboard } from "../inspect/tensorboard.js";
import { type RunView, type SeriesName, seriesNames, viewRun } from "../inspect/view.js";
import { type LostTime, type Wait, waitsOf, waitText } from "../inspect/waits.js";
import {
  bytesText,
  metricTitle,
  note,
  numberText,
  percentText,
  print,
  secondsText,
  table,
  valueText,
  valueTitle,
  warn,
} from "./console.js";
import { writePage } from "./files.js";
import { classesJson, peerClassesJson, printByClass, printExamples } from "./inspect-classes.js";
import { runsTables } from "./inspect-runs.js";
import { portToServe } from "./option-types.js";
import { verdictText } from "./verdict.js";

/** Rows of the table at most; long runs show evenly spaced rounds. */
const TABLE_ROWS = 16;

const axes = ["round", "bytes", "time"] as const;
type Axis = (typeof axes)[number];
const axisSeries = { round: "round", bytes: "bytes", time: "seconds" } as const;

export function inspectCommand(): Command {
  return new Command("inspect")
    .description("read the logs of a run: table, plots, report, live page, exports")
    .argument("<folder>", "the folder given to --out")
    .option("--compare <folders...>", "overlay these runs")
    .option("--by <axis>", `what plots go by: ${axes.join(", ")}`, parseAxis, "round")
    .option("--html <file>", "write one self-contained page")
    .option("--csv <file>", "write one line per peer and round")
    .option("--tensorboard <folder>", "write TensorBoard event files")
    .option("--mlflow <folder>", "add the run to an MLflow file store")
    .option("--live [port]", "serve the page on this machine and follow the logs", portToServe)
    .option("--json", "print every round as JSON lines instead")
    .action(async (folder: string, options: Options) => {
      if (options.live !== undefined) {
        await serve(folder, options.live === true ? 0 : options.live);
        return;
      }
      const folders = [folder, ...(options.compare ?? [])];
      const runs = folders.map(readRun);
      const views = distinct(
        runs.map((run) => viewRun(run)),
        folders,
      );
      const { html, csv, tensorboard, mlflow } = options;
      const isExport = [html, csv, tensorboard, mlflow].some((path) => path !== undefined);
      if (options.json || !isExport) printRuns(runs, views, options);
      await exportRuns(runs, views, options);
    });
}

interface Options {
  readonly compare?: string[];
  readonly by: Axis;
  readonly html?: string;
  readonly csv?: string;
  readonly tensorboard?: string;
  readonly mlflow?: string;
  readonly live?: number | true;
  readonly json?: true;
}

function printRuns(runs: readonly Run[], views: readonly RunView[], { json, by }: Options): void {
  for (const { name, remarks } of views) {
    for (const remark of remarks) note(`note: ${views.length > 1 ? `${name}: ` : ""}${remark}`);
  }
  if (json) for (const run of runs) printJson(run);
  else if (views.length > 1) printComparison(views, by);
  else printRun(views[0]!, by);
}

function parseAxis(text: string): Axis {
  if (!axes.includes(text as Axis)) throw new InvalidArgumentError(`It is one of ${axes.join(", ")}.`);
  return text as Axis;
}

/** Serves until the process is asked to stop. */
async function serve(folder: string, port: number): Promise<void> {
  const server = await createLiveServer(folder, { port });
  print(`live: ${server.url} (Ctrl-C ends it)`);
  await new Promise<void>((end) => {
    process.once("SIGINT", end);
    process.once("SIGTERM", end);
  });
  await server.close();
}

async function exportRuns(runs: readonly Run[], views: readonly RunView[], options: Options): Promise<void> {
  const [first] = runs;
  const isSeveral = runs.length > 1;
  if (options.html !== undefined) {
    await writePage(options.html, renderPage({ runs: views, live: false, by: axisSeries[options.by] }));
    note(`report: ${options.html}`);
  }
  if (options.csv !== undefined) {
    if (isSeveral) warn(`the CSV file holds ${views[0]!.name} only: export the others one by one`);
    await writeCsv(first!, options.csv);
    note(`csv: ${options.csv}`);
  }
  if (options.tensorboard !== undefined) {
    if (isSeveral) warn(`the event files hold ${views[0]!.name} only: export the others one by one`);
    writeTensorboard(first!, options.tensorboard, startOf(first!));
    note(`event files: tensorboard --logdir ${options.tensorboard}`);
  }
  if (options.mlflow !== undefined) {
    for (const run of runs) writeMlflow(run, options.mlflow, startOf(run));
    // MLflow 3.17 and later read file stores only where this variable is set.
    note(`store: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri ${options.mlflow}`);
  }
}

/** Seconds since 1970 when the run began; 0 where the log does not say. */
function startOf({ header }: Run): number {
  const startedAt = Date.parse(String(header.machine.startedAt ?? ""));
  return Number.isNaN(startedAt) ? 0 : startedAt / 1000;
}

/** Runs of folders with the same name take as much of their paths as tells them apart, or a number. */
function distinct(views: readonly RunView[], folders: readonly string[]): RunView[] {
  const paths = folders.map((folder) => resolve(folder).split(sep));
  const seen = new Map<string, number>();
  return views.map((view, k) => {
    const alike = paths.filter((_, other) => other !== k && views[other]!.name === view.name);
    const own = paths[k]!;
    let parts = 1;
    const isTaken = () => alike.some((path) => path.slice(-parts).join("/") === own.slice(-parts).join("/"));
    while (parts < own.length && isTaken()) parts++;
    const name = parts === 1 || isTaken() ? view.name : own.slice(-parts).join("/");
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { ...view, name: count === 1 ? name : `${name} (${count})` };
  });
}

function printRun(view: RunView, by: Axis): void {
  const { experiment, topology, series, peers, seed } = view;
  const rounds = series.round.at(-1) ?? 0;
  if (view.verdict) print(`${verdictText(view.verdict)}\n`);
  print(
    `${experiment.name}: ${experiment.algorithm} on ${topology.name}, seed ${seed}, ${peers.length} of ${Math.max(topology.peers, peers.length)} peers, ${rounds} rounds\n`,
  );
  print(roundsTable(view));
  printByClass(view);
  printExamples(view);
  printWaits(view);
  for (const { peer, outcome } of peers) {
    if (outcome === "unfinished") note(`peer ${peer}: its log ends early, or it still runs`);
  }
  for (const warning of view.warnings) warn(warning);
  const x = axisSeries[by];
  const lines = (names: readonly (readonly [SeriesName, string])[]) =>
    names.filter(([name]) => has(view, name)).map(([name, label]) => lineOf(view, x, name, label));
  printPlots(by, view.metric, {
    consensus: lines([
      ["consensusExact", "exact"],
      ["consensusProjected", errorText(view)],
      ["consensusOnline", "peers' own estimate"],
    ]),
    loss: lines([["loss", "training loss"]]),
    metric: lines([
      ["metricWorst", "worst peer"],
      ["metricBest", "best peer"],
    ]),
  });
}

/** Where the peers' time went, and who held whom up. */
function printWaits({ goodput, waits, counts, peers }: RunView): void {
  if (goodput !== null) print(`\ngoodput ${percentText(goodput)} % of wall time in useful steps`);
  if (waits) {
    print(`\ntime lost waiting: ${secondsText(waits.lostMs / 1000)}, by the peer at the end of the chain\n`);
    const direct = new Map(waits.byNeighbour.map((lost) => [lost.peer, lost]));
    const seconds = ({ lostMs }: Pick<LostTime, "lostMs">) => secondsText(lostMs / 1000);
    print(
      table(
        ["peer", "lost", "share %", "waits", "waited for directly"],
        waits.byEnd
          .slice(0, TABLE_ROWS)
          .map((lost) => [
            lost.peer,
            seconds(lost),
            percentText(lost.share),
            lost.waits,
            seconds(direct.get(lost.peer) ?? { lostMs: 0 }),
          ]),
      ),
    );
    for (const wait of waits.longest.slice(0, 1))
      print(`\nlongest wait, in round ${wait.round + 1}: ${longText(wait)}`);
  }
  if (counts.length === 0) return;
  const isCounted = (_: unknown, place: number) => counts.some(({ amounts }) => amounts[place]! > 0);
  const rows = peers.map(({ peer }, place) => [peer, ...counts.map(({ amounts }) => amounts[place]!)]);
  print(`\n${table(["peer", ...counts.map(({ name }) => name)], rows.filter(isCounted))}`);
}

const longText = (wait: Wait) => waitText(wait, (milliseconds) => secondsText(milliseconds / 1000));

function errorText({ projectionError }: RunView): string {
  return projectionError === 0
    ? "from projections (whole models)"
    : `from projections ± ${percentText(projectionError)} %`;
}

function printComparison(views: readonly RunView[], by: Axis): void {
  print(`${runsTables(views)}\n`);
  for (const { name, verdict } of views) if (verdict) print(`${name}: ${verdictText(verdict)}`);
  const { metric } = views[0]!;
  const x = axisSeries[by];
  const overlay = (names: readonly SeriesName[], shown = views) =>
    shown.flatMap((view) => {
      const name = names.find((candidate) => has(view, candidate));
      return name ? [lineOf(view, x, name, view.name)] : [];
    });
  printPlots(by, metric, {
    consensus: overlay(["consensusExact", "consensusProjected", "consensusOnline"]),
    loss: overlay(["loss"]),
    metric: overlay(
      ["metricWorst"],
      views.filter((view) => view.metric.name === metric.name),
    ),
  });
}

function printPlots(
  by: Axis,
  metric: Metric,
  lines: Record<"consensus" | "loss" | "metric", readonly Line[]>,
): void {
  const xText = by === "bytes" ? (value: number) => bytesText(Math.round(value)) : numberText;
  const x = by === "round" ? "rounds" : by === "bytes" ? "sent per peer" : "seconds";
  const plots = [
    plot(lines.consensus, { title: "consensus distance", x, xText, text: numberText, log: true }),
    plot(lines.loss, { title: "training loss", x, xText, text: numberText }),
    plot(lines.metric, { title: valueTitle(metric), x, xText, text: (value) => valueText(metric, value) }),
  ];
  for (const drawn of plots) if (drawn !== undefined) print(`\n${drawn}`);
}

const has = ({ series }: RunView, name: SeriesName) => series[name].some((value) => value !== null);

/** The training rounds; closing makes all peers equal, and would press everything else flat. */
function lineOf({ series, learningRounds }: RunView, x: SeriesName, y: SeriesName, name: string): Line {
  const points = series[x].flatMap((value, point): [number, number | null][] =>
    value === null || series.round[point]! > learningRounds ? [] : [[value, series[y][point] ?? null]],
  );
  return { name, points };
}

/** Rounds count from 1 here, as on the page: what was reached after that many. */
function roundsTable({ series, metric, learningRounds }: RunView): string {
  // Rounds with evaluations say most; when there are too many, or none, evenly spaced ones.
  const points = series.round.map((_, point) => point);
  const evaluated = points.filter((point) => series.metricWorst[point] !== null);
  const candidates = evaluated.length > 1 ? evaluated : points;
  const step = Math.max(1, Math.ceil(candidates.length / TABLE_ROWS));
  const shown = candidates.filter((_, k) => (candidates.length - 1 - k) % step === 0);
  const number = (value: number | null | undefined) => (value == null ? "–" : numberText(value));
  const columns: readonly (readonly [SeriesName, string, (value: number | null | undefined) => string])[] = [
    ["loss", "training loss", number],
    ["metricWorst", metricTitle("worst", metric), (value) => valueText(metric, value)],
    ["metricBest", metricTitle("best", metric), (value) => valueText(metric, value)],
    ["metricMeanModel", metricTitle("mean model", metric), (value) => valueText(metric, value)],
    ["consensusExact", "consensus", number],
    ["consensusProjected", "projected", number],
    ["residual", "‖δ‖/‖x‖", number],
    ["bytes", "sent/peer", (value) => bytesText(Math.round(value ?? 0))],
  ];
  const filled = columns.filter(([name]) => series[name].some((value) => value !== null));
  return table(
    ["round", ...filled.map(([, title]) => title)],
    shown.map((point) => {
      const isClosing = series.round[point]! > learningRounds;
      const cell = ([name, , text]: (typeof columns)[number]) =>
        isClosing && name === "loss" ? "closing" : text(series[name][point]);
      return [series.round[point]!, ...filled.map(cell)];
    }),
  );
}

/** Every round over all peers, as JSON lines, and one line for the run; rounds count from 1. */
function printJson(run: Run): void {
  const { longest, ...waits } = waitsOf(isSimulated(run) ? [] : run.peers);
  const longestOf = new Map(longest.map(({ round, ...wait }) => [round + 1, wait]));
  const view = viewRun(run, Number.POSITIVE_INFINITY);
  const { series, metric, goodput, peers, counts, verdict } = view;
  for (const [point, round] of series.round.entries()) {
    const entries = seriesNames.slice(1).flatMap((name) => {
      const value = series[name][point] ?? null;
      return value === null ? [] : [[metricColumn(name, metric), value] as const];
    });
    const longestWait = longestOf.get(round!);
    print(
      JSON.stringify({
        round,
        ...Object.fromEntries(entries),
        ...(longestWait && { longestWait }),
      }),
    );
  }
  const byPeer = peers.map((peer, place) => ({
    peer: peer.peer,
    goodput: peer.goodput,
    counters: Object.fromEntries(counts.map(({ name, amounts }) => [name, amounts[place]!])),
    ...peerClassesJson(view, peer.peer),
  }));
  print(JSON.stringify({ run: run.name, goodput, waits, ...classesJson(view), peers: byPeer, verdict }));
}
