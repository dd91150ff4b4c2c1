/**
 * What tables, plots and pages show of a run: plain numbers, few enough to send. Long runs are thinned into
 * points, each standing for the rounds since the one before.
 */
import { payloadsOf } from "../algorithms/index.js";
import type { Metric } from "../evaluation.js";
import type { RunVerdict } from "../observing/verdict.js";
import type { LogHeader } from "../runs/log.js";
import { type ByClassView, type ExamplesView, viewByClass, viewData } from "./by-class.js";
import { recordOf } from "./column.js";
import type { Instant } from "./consensus.js";
import { type CountView, countsOf } from "./counts.js";
import type { PeerColumn, PeerHistory } from "./history.js";
import { verdictIn } from "./judged.js";
import { type Progress, progressOf } from "./progress.js";
import { isInLockstep, isSimulated, metricOf, type Run } from "./read.js";
import { type Standing, standingOf } from "./standing.js";
import { goodputOf, viewWaits } from "./time.js";
import type { RunWaits } from "./waits.js";
import { warningsOf } from "./warnings.js";

/** Points of a series at most. */
export const MAX_POINTS = 1000;
/** Instants in the picture of every peer's distance to the mean at most. */
const MAX_DRIFT_INSTANTS = 240;

/** null where a point has no value: JSON knows no NaN. */
export type Series = readonly (number | null)[];

/** Names of the series of a run, all over the same points. */
export const seriesNames = [
  "round",
  "bytes",
  "seconds",
  "peers",
  "loss",
  "lossLow",
  "lossHigh",
  "metricWorst",
  "metricBest",
  "metricMean",
  "metricMeanModel",
  "consensusExact",
  "consensusProjected",
  "consensusOnline",
  "residual",
  "residualHigh",
  "contraction",
  "contractionLow",
  "modelNorm",
  "learningRate",
  "consensusRate",
  "computeMs",
  "compressMs",
  "waitMs",
  "mixMs",
] as const;
export type SeriesName = (typeof seriesNames)[number];

export interface EdgeView {
  readonly a: number;
  readonly b: number;
  /** Both directions, as the senders counted; where a log is missing, as the receiver did. */
  readonly bytes: number;
  readonly messages: number;
  /** What both ends together waited for each other. */
  readonly waitMs: number;
  readonly missed: number;
}

export interface PeerView {
  readonly peer: number;
  /** Learning and closing rounds that were logged. */
  readonly rounds: number;
  /** A page that follows a run shows `running` or `silent` in place of `unfinished`. */
  readonly outcome: "completed" | "stopped" | "unfinished" | "running" | "silent";
  readonly reason?: string;
  readonly loss: number | null;
  /** Of the run's metric. */
  readonly metric: number | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly computeMs: number;
  readonly compressMs: number;
  readonly waitMs: number;
  readonly mixMs: number;
  /** Share of wall time in useful steps; null where all peers were simulated in one process. */
  readonly goodput: number | null;
}

/** How far the models lay from each other after a round. */
export interface PairsView {
  readonly round: number;
  /** ‖x_i − x_j‖, i < j, row by row. */
  readonly distances: readonly number[];
}

export interface RunView {
  readonly name: string;
  readonly experiment: LogHeader["experiment"];
  /** What travels between peers. */
  readonly payloads: ReturnType<typeof payloadsOf>;
  readonly seed: number;
  readonly fingerprint: string;
  /** Of the package that wrote the logs. */
  readonly version: string;
  readonly topology: {
    readonly name: string;
    readonly peers: number;
    readonly edges: readonly (readonly [number, number])[];
    /** What people call the peers, by number. */
    readonly names?: readonly string[] | undefined;
  };
  /** Settings of the simulated network, where there was one. */
  readonly network?: LogHeader["network"];
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly machine: Readonly<Record<string, string | number>>;
  /** What the models are judged by; its values are in the series `metric…` and with the peers. */
  readonly metric: Metric;
  readonly series: Readonly<Record<SeriesName, Series>>;
  /** The last training round, counted from 1; rounds after it are of the closing consensus. 0 before the first one. */
  readonly learningRounds: number;
  readonly standing: Standing;
  readonly peers: readonly PeerView[];
  readonly edges: readonly EdgeView[];
  /** Peers in `drift` and `pairs`, ascending. */
  readonly projectedPeers: readonly number[];
  /** ‖x_i − x̄‖ by peer, then by instant. */
  readonly drift: { readonly rounds: readonly number[]; readonly distances: readonly Series[] };
  readonly pairs: readonly PairsView[];
  /** Shares of the consensus distance before closing, by tensor. */
  readonly layers: readonly { readonly name: string; readonly share: number }[];
  /** Twice the relative standard deviation of `consensusProjected` at its largest. */
  readonly projectionError: number;
  /** Over all peers; null where they were simulated in one process. */
  readonly goodput: number | null;
  /** Absent where no peer waited, or all peers were simulated in one process. */
  readonly waits?: RunWaits;
  readonly counts: readonly CountView[];
  readonly progress: Progress;
  /** Absent where no log says how many examples its peer has. */
  readonly data?: ExamplesView;
  /** Absent where no evaluation counted classes. */
  readonly byClass?: ByClassView;
  /** Absent before there is anything to judge. */
  readonly verdict?: RunVerdict;
  readonly warnings: readonly string[];
  readonly remarks: readonly string[];
}

export function viewRun(run: Run, points = MAX_POINTS): RunView {
  const { header, peers, consensus } = run;
  const verdict = verdictIn(run);
  const instants = consensus.instants();
  const simulated = isSimulated(run);
  const metric = metricOf(run);
  const series = thin(mergeRounds(peers, metric), points);
  addGraph(series, run);
  addInstants(series, instants);
  const projectedPeers = [...new Set(instants.flatMap((instant) => instant.peers))].sort((a, b) => a - b);
  const drifting = evenly(instants, MAX_DRIFT_INSTANTS);
  const lastLearning = instants.findLast(({ closing }) => !closing);
  const shown = recordOf(seriesNames, (name) => Array.from(series[name], short));
  const learningRounds = learningRoundsOf(peers);
  return {
    name: run.name,
    experiment: header.experiment,
    payloads: payloadsOf(header.experiment.algorithm),
    seed: header.seed,
    fingerprint: header.fingerprint,
    version: header.version,
    topology: header.topology,
    ...(header.network && { network: header.network }),
    tensors: header.tensors,
    machine: header.machine,
    metric,
    series: shown,
    learningRounds,
    standing: standingOf(shown, learningRounds),
    peers: peers.map((peer) => viewPeer(peer, run)),
    edges: viewEdges(run),
    projectedPeers,
    drift: {
      rounds: drifting.map(({ round }) => round + 1),
      distances: projectedPeers.map((peer) =>
        drifting.map(({ peers: present, toMean }) => short(toMean[present.indexOf(peer)] ?? Number.NaN)),
      ),
    },
    // Only instants at which everyone is there can be laid side by side.
    pairs: instants.flatMap(({ round, pairs, peers: present }) =>
      pairs && present.length === projectedPeers.length
        ? [{ round: round + 1, distances: Array.from(pairs, (distance) => short(distance) ?? 0) }]
        : [],
    ),
    layers: lastLearning ? layerShares(lastLearning, run) : [],
    projectionError: 2 * Math.max(0, ...instants.map(({ relativeError }) => relativeError)),
    goodput: simulated ? null : short(goodputOf(peers)),
    ...(!simulated && viewWaits(peers)),
    counts: countsOf(run),
    progress: progressOf(peers, header.experiment.rounds),
    ...viewData(run),
    ...viewByClass(run),
    ...(verdict && { verdict }),
    warnings: warningsOf(run, instants),
    remarks: run.remarks,
  };
}

function learningRoundsOf(peers: readonly PeerHistory[]): number {
  const lasts = peers.map(({ columns: { round, closing } }) => {
    let row = round.length - 1;
    while (row >= 0 && closing.at(row) === 1) row--;
    return row < 0 ? 0 : round.at(row) + 1;
  });
  return Math.max(0, ...lasts);
}

/** One number per round over all peers that logged it; NaN where there is none. */
type Merged = Record<SeriesName, Float64Array>;

const emptySeries = (rounds: number): Merged =>
  recordOf(seriesNames, () => new Float64Array(rounds).fill(Number.NaN));

/** Every round that any peer logged; means over the peers that did. */
function mergeRounds(peers: readonly PeerHistory[], { better }: Metric): Merged {
  const seen = new Set<number>();
  for (const { columns } of peers) for (const round of columns.round.values()) seen.add(round);
  const rounds = Float64Array.from(seen).sort();
  const places = peers.map(({ columns }) => placesIn(rounds, columns.round.values()));

  const merged = emptySeries(rounds.length);
  merged.round = rounds.map((round) => round + 1);
  for (const [name, column, scale] of averaged) {
    const summary = createSummary(rounds.length);
    for (const [p, { columns }] of peers.entries()) {
      const values = columns[column].values();
      const closing = columns.closing.values();
      const isOfLearning = ofLearning.has(name);
      const own = places[p]!;
      for (let row = 0; row < values.length; row++) {
        if (!(isOfLearning && closing[row] === 1)) summary.add(own[row]!, values[row]! * scale);
      }
    }
    merged[name] = summary.means();
    if (name === "seconds") merged.peers = summary.counts;
    if (name === "loss") [merged.lossLow, merged.lossHigh] = [summary.lows, summary.highs];
    if (name === "metricMean") {
      const { lows, highs } = summary;
      [merged.metricWorst, merged.metricBest] = better === "higher" ? [lows, highs] : [highs, lows];
    }
    if (name === "residual") merged.residualHigh = summary.highs;
    if (name === "contraction") {
      // What was summed up are errors e; the contraction is 1 − e².
      merged.contraction = merged.contraction.map((error) => 1 - error ** 2);
      merged.contractionLow = summary.highs.map((error) => 1 - error ** 2);
    }
  }
  return merged;
}

/** Where each of some of the rounds lies among all of them; both ascend. */
function placesIn(rounds: Float64Array, some: Float64Array): Int32Array {
  let place = 0;
  return Int32Array.from(some, (round) => {
    while (rounds[place]! < round) place++;
    return place;
  });
}

/** Series that are means over peers: the column they are made of, and the factor to their unit. */
const averaged: readonly (readonly [SeriesName, PeerColumn, number])[] = [
  ["bytes", "bytesSent", 1],
  ["seconds", "elapsedMs", 1e-3],
  ["loss", "loss", 1],
  ["metricMean", "metric", 1],
  ["consensusOnline", "consensusEstimate", 1],
  ["residual", "residual", 1],
  ["contraction", "compressionError", 1],
  ["modelNorm", "modelNorm", 1],
  ["learningRate", "learningRate", 1],
  ["consensusRate", "consensusRate", 1],
  ["computeMs", "computeMs", 1],
  ["compressMs", "compressMs", 1],
  ["waitMs", "waitMs", 1],
  ["mixMs", "mixMs", 1],
];

/** Series of the training rounds: closing exchanges are exact, and say nothing about compression. */
const ofLearning = new Set<SeriesName>(["residual", "contraction", "learningRate", "consensusRate"]);

/** Mean, least and largest by place, of the numbers that are there. */
function createSummary(places: number) {
  const sums = new Float64Array(places);
  const counts = new Float64Array(places);
  const lows = new Float64Array(places).fill(Number.NaN);
  const highs = new Float64Array(places).fill(Number.NaN);
  return {
    counts,
    lows,
    highs,
    add(place: number, value: number): void {
      if (Number.isNaN(value)) return;
      sums[place]! += value;
      counts[place]!++;
      if (!(lows[place]! <= value)) lows[place] = value;
      if (!(highs[place]! >= value)) highs[place] = value;
    },
    /** NaN where there was no number. */
    means: () => sums.map((sum, place) => sum / counts[place]!),
  };
}

/** Series whose point is the last value of its rounds, not their mean. */
const latest = new Set<SeriesName>([
  "round",
  "bytes",
  "seconds",
  "peers",
  "metricWorst",
  "metricBest",
  "metricMean",
  "consensusOnline",
]);
const lowest = new Set<SeriesName>(["lossLow", "contractionLow"]);
const highest = new Set<SeriesName>(["lossHigh", "residualHigh"]);

function thin(merged: Merged, points: number): Merged {
  if (merged.round.length <= points) return merged;
  // One less, since what follows the last evaluation may take a point of its own.
  const place = placesUpToEvaluations(merged.metricMean, points - 1);
  const places = place.at(-1)! + 1;
  return recordOf(seriesNames, (name) => {
    const values = merged[name];
    const summary = createSummary(places);
    const last = new Float64Array(places).fill(Number.NaN);
    for (const [row, value] of values.entries()) {
      summary.add(place[row]!, value);
      if (!Number.isNaN(value)) last[place[row]!] = value;
    }
    if (latest.has(name)) return last;
    return lowest.has(name) ? summary.lows : highest.has(name) ? summary.highs : summary.means();
  });
}

/**
 * Places of about as many rounds each. One with an evaluation ends with it, so that the figures of an evaluation stand
 * beside its own round; the rounds that follow belong to the next place.
 *
 * @param evaluated by row; NaN where there was no evaluation
 * @returns the place of every row; `places` + 1 different ones at most
 */
function placesUpToEvaluations(evaluated: Float64Array, places: number): Int32Array {
  const rows = evaluated.length;
  const placeOf = (row: number) => Math.floor((row * places) / rows);
  const ends = new Float64Array(places).fill(rows);
  for (const [row, value] of evaluated.entries()) if (!Number.isNaN(value)) ends[placeOf(row)] = row;
  return Int32Array.from(evaluated, (_, row) => placeOf(row) + (row > ends[placeOf(row)]! ? 1 : 0));
}

/** Puts what the simulator saw at the points, the last of each point's rounds. */
function addGraph(series: Merged, { graph: { columns } }: Run): void {
  for (let row = 0; row < columns.round.length; row++) {
    const point = pointOf(series.round, columns.round.at(row) + 1);
    if (point < 0) continue;
    series.consensusExact[point] = columns.consensusDistance.at(row);
    const value = columns.meanMetric.at(row);
    if (!Number.isNaN(value)) series.metricMeanModel[point] = value;
  }
}

function addInstants(series: Merged, instants: readonly Instant[]): void {
  for (const { round, consensusDistance } of instants) {
    const point = pointOf(series.round, round + 1);
    if (point >= 0) series.consensusProjected[point] = consensusDistance;
  }
}

/** The first point that stands for rounds up to at least this one; −1 after the last. */
function pointOf(rounds: Float64Array, round: number): number {
  let low = 0;
  let high = rounds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rounds[middle]! < round) low = middle + 1;
    else high = middle;
  }
  return low < rounds.length ? low : -1;
}

function viewPeer(history: PeerHistory, run: Run): PeerView {
  const { peer, columns, end } = history;
  const rows = columns.round.length;
  const lastOf = (column: PeerColumn) => {
    for (let row = rows - 1; row >= 0; row--) {
      const value = columns[column].at(row);
      if (!Number.isNaN(value)) return value;
    }
    return Number.NaN;
  };
  const total = (column: PeerColumn) => columns[column].values().reduce((sum, value) => sum + value, 0);
  return {
    peer,
    rounds: rows,
    outcome: end?.outcome ?? "unfinished",
    ...(end?.reason !== undefined && { reason: end.reason }),
    loss: short(lastOf("loss")),
    metric: short(lastOf("metric")),
    bytesSent: rows === 0 ? 0 : columns.bytesSent.at(rows - 1),
    bytesReceived: rows === 0 ? 0 : columns.bytesReceived.at(rows - 1),
    computeMs: total("computeMs"),
    compressMs: total("compressMs"),
    // Earlier versions logged the others' turns as waits.
    waitMs: isInLockstep(run) ? 0 : total("waitMs"),
    mixMs: total("mixMs"),
    goodput: isSimulated(run) ? null : short(goodputOf([history])),
  };
}

function viewEdges(run: Run): EdgeView[] {
  const { header, peers } = run;
  const isWaiting = !isInLockstep(run);
  const histories = new Map(peers.map((history) => [history.peer, history]));
  return header.topology.edges.map(([a, b]) => {
    const there = histories.get(a)?.edges.get(b);
    const back = histories.get(b)?.edges.get(a);
    return {
      a,
      b,
      bytes: (there?.bytesSent ?? back?.bytesReceived ?? 0) + (back?.bytesSent ?? there?.bytesReceived ?? 0),
      messages:
        (there?.messagesSent ?? back?.messagesReceived ?? 0) +
        (back?.messagesSent ?? there?.messagesReceived ?? 0),
      waitMs: isWaiting ? (there?.waitMs ?? 0) + (back?.waitMs ?? 0) : 0,
      missed: (there?.missed ?? 0) + (back?.missed ?? 0),
    };
  });
}

function layerShares({ parts, consensusDistance }: Instant, { header }: Run) {
  return header.tensors.map(({ name }, t) => ({
    name,
    share: consensusDistance === 0 ? 0 : (short(parts[t]! / consensusDistance) ?? 0),
  }));
}

/** At most `count` values, the first and the last among them. */
function evenly<Value>(values: readonly Value[], count: number): Value[] {
  if (values.length <= count) return [...values];
  return Array.from(
    { length: count },
    (_, k) => values[Math.round((k * (values.length - 1)) / (count - 1))]!,
  );
}

/** Six digits are enough for a picture, and JSON has no NaN. */
function short(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
}
