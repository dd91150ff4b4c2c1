/** What a peer's log said, in columns: a run has millions of lines, and columns of numbers are all that is kept. */
import type { ExampleCounts } from "../dataset.js";
import { ACCURACY, type Metric, qualityOf } from "../evaluation.js";
import { addAll, type CounterReport, type CounterValues } from "../foundation/counters.js";
import type { Change } from "../graphs/changes.js";
import { usefulMs } from "../observing/goodput.js";
import { createGraphRecord, type GraphRecord, recordGraphRound } from "../observing/graph-record.js";
import { createPeerRecord, type PeerRecord, recordRound } from "../observing/peer-record.js";
import type { GraphRound, LogEnd, PeerRound } from "../runs/log.js";
import { type ByClassRecord, recordByClass } from "./by-class.js";
import { type Column, createColumn, recordOf } from "./column.js";

/** One number per round and peer. Bytes, messages and elapsed time are cumulative, over restarts too. */
export const peerColumnNames = [
  "round",
  "closing",
  "loss",
  "metric",
  "evaluationLoss",
  "iterateAverageMetric",
  "iterateAverageLoss",
  "learningRate",
  "consensusRate",
  "modelNorm",
  "compressionError",
  "residual",
  "consensusEstimate",
  "bytesSent",
  "bytesReceived",
  "messagesSent",
  "messagesReceived",
  "missed",
  "refused",
  "computeMs",
  "compressMs",
  "waitMs",
  "mixMs",
  "elapsedMs",
  "waitedFor",
] as const;
export type PeerColumn = (typeof peerColumnNames)[number];

/** One end of an edge, as the peer that wrote the log saw it, over the whole run. */
export interface EdgeHistory {
  bytesSent: number;
  bytesReceived: number;
  messagesSent: number;
  messagesReceived: number;
  /** Time this peer waited while this neighbour's frame was the last to come. */
  waitMs: number;
  /** Rounds in which it did. */
  waits: number;
  missed: number;
  /** What this peer counted on the edge. */
  readonly counters: CounterValues;
  /** ‖x_i − x_j‖ as this peer last estimated it from messages; NaN where it did not. */
  distance: number;
}

export interface PeerWarning {
  readonly peer: number;
  readonly round: number;
  readonly text: string;
}

/** Warnings kept per peer. */
const MAX_WARNINGS = 100;

export interface PeerHistory {
  readonly peer: number;
  /** How many examples the peer has; undefined where its log does not say. */
  readonly data: ExampleCounts | undefined;
  readonly byClass: ByClassRecord;
  /** What the verdict is made of. */
  readonly record: PeerRecord;
  readonly columns: Readonly<Record<PeerColumn, Column>>;
  /** By neighbour. */
  readonly edges: ReadonlyMap<number, EdgeHistory>;
  readonly warnings: readonly PeerWarning[];
  /** What this peer counted, over all edges and restarts. */
  readonly counters: CounterValues;
  /** Time in useful steps, in milliseconds, and all of it. Rounds that were run again count once. */
  readonly usefulMs: number;
  readonly elapsedMs: number;
  readonly end: LogEnd | undefined;
  /** What its models are judged by; undefined before an evaluation. */
  readonly metric: Metric | undefined;
  /** Rounds that the log repeats after a restart. */
  readonly repeatedRounds: number;
  /** Changes of the run's members, by the round that they began with. */
  readonly epochs: ReadonlyMap<number, readonly Change[]>;
  readonly lastRound: number;
  add(line: PeerRound): void;
  finish(end: LogEnd): void;
}

/** @param parameters of the model @param data what the log says of the peer's examples */
export function createPeerHistory(peer: number, parameters: number, data?: ExampleCounts): PeerHistory {
  const record = createPeerRecord(peer, parameters);
  const columns = recordOf(peerColumnNames, createColumn);
  const edges = new Map<number, CountedEdge>();
  const warnings: PeerWarning[] = [];
  const clock = createRunClock();
  let end: LogEnd | undefined;
  let metric: Metric | undefined;
  let repeatedRounds = 0;
  let lastRound = -1;
  let useful = 0;
  let elapsed = 0;
  const counters: CounterValues = {};
  const byClass: ByClassRecord = {};
  const epochs = new Map<number, readonly Change[]>();

  return {
    peer,
    data,
    byClass,
    record,
    epochs,
    columns,
    edges,
    warnings,
    counters,
    get usefulMs() {
      return useful;
    },
    get elapsedMs() {
      return elapsed;
    },
    get end() {
      return end;
    },
    get metric() {
      return metric;
    },
    get repeatedRounds() {
      return repeatedRounds;
    },
    get lastRound() {
      return lastRound;
    },
    add(line) {
      end = undefined;
      recordRound(record, line);
      const counts = countTraffic(edges, line);
      noteEdges(edges, line);
      addCounters(counters, edges, line);
      const elapsedMs = clock.elapsed(line.time);
      elapsed = elapsedMs;
      if (line.round <= lastRound) {
        repeatedRounds++;
        return;
      }
      lastRound = line.round;
      recordByClass(byClass, line, line.evaluation);
      if (line.evaluation) metric = line.evaluation.metric ?? ACCURACY;
      if (line.epoch) epochs.set(line.round, line.epoch.changes as readonly Change[]);
      useful += usefulMs(line.time);
      for (const text of line.warnings ?? []) {
        if (warnings.length < MAX_WARNINGS) warnings.push({ peer, round: line.round, text });
      }
      const row = rowOf(line, counts, elapsedMs);
      for (const name of peerColumnNames) columns[name].push(row[name]);
    },
    finish(line) {
      addCounters(counters, edges, line);
      end = line;
      record.end = line;
    },
  };
}

/** An edge, with the counters of the runs before the last restart, and those of the line before. */
interface CountedEdge extends EdgeHistory {
  readonly before: Counters;
  readonly last: Counters;
}

function edgeTo(edges: Map<number, CountedEdge>, neighbour: number): CountedEdge {
  let edge = edges.get(neighbour);
  if (!edge) {
    const empty = { ...noCounts(), waitMs: 0, waits: 0, missed: 0, counters: {}, distance: Number.NaN };
    edge = { ...empty, before: noCounts(), last: noCounts() };
    edges.set(neighbour, edge);
  }
  return edge;
}

function addCounters(all: CounterValues, edges: Map<number, CountedEdge>, counted: CounterReport): void {
  if (counted.counters) addAll(all, counted.counters);
  for (const edge of counted.edgeCounters ?? []) addAll(edgeTo(edges, edge.neighbour).counters, edge);
}

/** Adds a line's traffic to the edges. @returns what this peer sent and received so far */
function countTraffic(edges: Map<number, CountedEdge>, { traffic }: PeerRound): Counters {
  const counts = noCounts();
  for (const entry of traffic) {
    const edge = edgeTo(edges, entry.neighbour);
    // A restarted peer counts from zero again.
    const restarted = entry.messagesSent < edge.last.messagesSent || entry.bytesSent < edge.last.bytesSent;
    for (const name of counterNames) {
      if (restarted) edge.before[name] += edge.last[name];
      edge.last[name] = entry[name];
      edge[name] = edge.before[name] + entry[name];
      counts[name] += edge[name];
    }
  }
  return counts;
}

function noteEdges(edges: Map<number, CountedEdge>, { time, missed, observed }: PeerRound): void {
  if (time.waitedFor !== undefined) {
    const edge = edgeTo(edges, time.waitedFor);
    edge.waitMs += time.waitMs;
    edge.waits++;
  }
  for (const neighbour of missed ?? []) edgeTo(edges, neighbour).missed++;
  if (observed) edgeTo(edges, observed.neighbour).distance = observed.distance;
}

/** Time since a run began, over restarts, each of which begins at zero. */
function createRunClock(): { elapsed(time: PeerRound["time"]): number } {
  let before = 0;
  let last = 0;
  return {
    elapsed({ elapsedMs, computeMs, compressMs, waitMs, mixMs }) {
      const elapsed = elapsedMs ?? last + computeMs + compressMs + waitMs + mixMs;
      if (elapsed < last) before += last;
      last = elapsed;
      return before + elapsed;
    },
  };
}

function rowOf(line: PeerRound, counts: Counters, elapsedMs: number): Record<PeerColumn, number | undefined> {
  const { computeMs, compressMs, waitMs, mixMs } = line.time;
  return {
    round: line.round,
    closing: line.kind === "closing" ? 1 : 0,
    loss: line.loss,
    metric: metricIn(line.evaluation),
    evaluationLoss: line.evaluation?.loss,
    iterateAverageMetric: metricIn(line.iterateAverage),
    iterateAverageLoss: line.iterateAverage?.loss,
    learningRate: line.learningRate,
    consensusRate: line.consensusRate,
    modelNorm: line.modelNorm,
    compressionError: line.compressionError,
    residual: line.residual,
    consensusEstimate: line.consensusEstimate,
    ...counts,
    missed: line.missed?.length ?? 0,
    refused: line.refused?.length ?? 0,
    computeMs,
    compressMs,
    waitMs,
    mixMs,
    elapsedMs,
    waitedFor: line.time.waitedFor,
  };
}

/** The value of the metric that models are judged by. */
function metricIn(evaluation: LoggedEvaluation | undefined): number | undefined {
  return evaluation && qualityOf(evaluation)?.value;
}

type LoggedEvaluation = NonNullable<PeerRound["evaluation"]>;

/** What a simulation saw from outside. */
export interface GraphHistory {
  /** Of the mean model. */
  readonly byClass: ByClassRecord;
  /** What the verdict is made of. */
  readonly record: GraphRecord;
  readonly columns: Readonly<Record<GraphColumn, Column>>;
  add(line: GraphRound): void;
}

export const graphColumnNames = [
  "round",
  "consensusDistance",
  "meanModelNorm",
  "meanMetric",
  "meanLoss",
] as const;
export type GraphColumn = (typeof graphColumnNames)[number];

export function createGraphHistory(): GraphHistory {
  const columns = recordOf(graphColumnNames, createColumn);
  const record = createGraphRecord();
  const byClass: ByClassRecord = {};
  let lastRound = -1;
  return {
    byClass,
    record,
    columns,
    add(line) {
      const { round, consensusDistance, meanModelNorm, meanEvaluation } = line;
      if (round <= lastRound) return;
      recordGraphRound(record, line);
      recordByClass(byClass, line, meanEvaluation);
      lastRound = round;
      columns.round.push(round);
      columns.consensusDistance.push(consensusDistance);
      columns.meanModelNorm.push(meanModelNorm);
      columns.meanMetric.push(metricIn(meanEvaluation));
      columns.meanLoss.push(meanEvaluation?.loss);
    },
  };
}

const counterNames = ["bytesSent", "bytesReceived", "messagesSent", "messagesReceived"] as const;
type Counters = Record<(typeof counterNames)[number], number>;

function noCounts(): Counters {
  return { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 };
}
