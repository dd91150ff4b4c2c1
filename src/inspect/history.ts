/** What a peer's log said, in columns: a run has millions of lines, and columns of numbers are all that is kept. */
import type { GraphRound, LogEnd, PeerRound } from "../log.js";
import { type Column, createColumn, recordOf } from "./column.js";

/** One number per round and peer. Bytes, messages and elapsed time are cumulative, over restarts too. */
export const peerColumnNames = [
  "round",
  "closing",
  "loss",
  "accuracy",
  "evaluationLoss",
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
  missed: number;
  /** ‖x_i − x_j‖ as this peer last told it from messages; NaN where it did not. */
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
  readonly columns: Readonly<Record<PeerColumn, Column>>;
  /** By neighbour. */
  readonly edges: ReadonlyMap<number, EdgeHistory>;
  readonly warnings: readonly PeerWarning[];
  readonly end: LogEnd | undefined;
  /** Rounds that the log told again, after a restart. */
  readonly repeatedRounds: number;
  readonly lastRound: number;
  add(line: PeerRound): void;
  finish(end: LogEnd): void;
}

export function createPeerHistory(peer: number): PeerHistory {
  const columns = recordOf(peerColumnNames, createColumn);
  const edges = new Map<number, EdgeHistory & { before: Counters; last: Counters }>();
  const warnings: PeerWarning[] = [];
  let end: LogEnd | undefined;
  let repeatedRounds = 0;
  let lastRound = -1;
  let elapsedBefore = 0;
  let lastElapsed = 0;

  function edgeTo(neighbour: number) {
    let edge = edges.get(neighbour);
    if (!edge) {
      edge = {
        ...noCounts(),
        waitMs: 0,
        missed: 0,
        distance: Number.NaN,
        before: noCounts(),
        last: noCounts(),
      };
      edges.set(neighbour, edge);
    }
    return edge;
  }

  return {
    peer,
    columns,
    edges,
    warnings,
    get end() {
      return end;
    },
    get repeatedRounds() {
      return repeatedRounds;
    },
    get lastRound() {
      return lastRound;
    },
    add(line) {
      const { time } = line;
      end = undefined;
      const counts = noCounts();
      for (const entry of line.traffic) {
        const edge = edgeTo(entry.neighbour);
        // A restarted peer counts from zero again.
        const restarted =
          entry.messagesSent < edge.last.messagesSent || entry.bytesSent < edge.last.bytesSent;
        for (const name of counterNames) {
          if (restarted) edge.before[name] += edge.last[name];
          edge.last[name] = entry[name];
          edge[name] = edge.before[name] + entry[name];
          counts[name] += edge[name];
        }
      }
      if (time.waitedFor !== undefined) edgeTo(time.waitedFor).waitMs += time.waitMs;
      for (const neighbour of line.missed ?? []) edgeTo(neighbour).missed++;
      if (line.observed) edgeTo(line.observed.neighbour).distance = line.observed.distance;
      const elapsed =
        time.elapsedMs ?? lastElapsed + time.computeMs + time.compressMs + time.waitMs + time.mixMs;
      if (elapsed < lastElapsed) elapsedBefore += lastElapsed;
      lastElapsed = elapsed;

      if (line.round <= lastRound) {
        repeatedRounds++;
        return;
      }
      lastRound = line.round;
      for (const text of line.warnings ?? []) {
        if (warnings.length < MAX_WARNINGS) warnings.push({ peer, round: line.round, text });
      }
      columns.round.push(line.round);
      columns.closing.push(line.kind === "closing" ? 1 : 0);
      columns.loss.push(line.loss);
      columns.accuracy.push(line.evaluation?.accuracy);
      columns.evaluationLoss.push(line.evaluation?.loss);
      columns.learningRate.push(line.learningRate);
      columns.consensusRate.push(line.consensusRate);
      columns.modelNorm.push(line.modelNorm);
      columns.compressionError.push(line.compressionError);
      columns.residual.push(line.residual);
      columns.consensusEstimate.push(line.consensusEstimate);
      for (const name of counterNames) columns[name].push(counts[name]);
      columns.missed.push(line.missed?.length ?? 0);
      columns.refused.push(line.refused?.length ?? 0);
      columns.computeMs.push(time.computeMs);
      columns.compressMs.push(time.compressMs);
      columns.waitMs.push(time.waitMs);
      columns.mixMs.push(time.mixMs);
      columns.elapsedMs.push(elapsedBefore + elapsed);
    },
    finish(line) {
      end = line;
    },
  };
}

/** What a simulation saw from outside. */
export interface GraphHistory {
  readonly columns: Readonly<Record<GraphColumn, Column>>;
  add(line: GraphRound): void;
}

export const graphColumnNames = [
  "round",
  "consensusDistance",
  "meanModelNorm",
  "meanAccuracy",
  "meanLoss",
] as const;
export type GraphColumn = (typeof graphColumnNames)[number];

export function createGraphHistory(): GraphHistory {
  const columns = recordOf(graphColumnNames, createColumn);
  let lastRound = -1;
  return {
    columns,
    add({ round, consensusDistance, meanModelNorm, meanEvaluation }) {
      if (round <= lastRound) return;
      lastRound = round;
      columns.round.push(round);
      columns.consensusDistance.push(consensusDistance);
      columns.meanModelNorm.push(meanModelNorm);
      columns.meanAccuracy.push(meanEvaluation?.accuracy);
      columns.meanLoss.push(meanEvaluation?.loss);
    },
  };
}

const counterNames = ["bytesSent", "bytesReceived", "messagesSent", "messagesReceived"] as const;
type Counters = Record<(typeof counterNames)[number], number>;

function noCounts(): Counters {
  return { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 };
}
