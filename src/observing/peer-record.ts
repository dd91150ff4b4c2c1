/**
 * What a verdict needs of one peer: sums that do not grow with the run, taken one round at a time from a report or from
 * a line of a log, which come to the same. Plain data, so that a peer's process can hand it over.
 */

import { isBetter, type LooseFigures, type Quality, qualityOf } from "../evaluation.js";
import { isRateWarning } from "../rate-guard.js";
import { usefulMs } from "./goodput.js";
import { driftingPeer } from "./observer.js";
import type { RoundReport, RoundTimes } from "./report.js";
import { addRound, createSpans, type Spans } from "./spans.js";

/** What a report and a line of a log have in common. */
export type PeerRoundFigures = Pick<
  RoundReport,
  "round" | "kind" | "learningRate" | "consensusRate" | "modelNorm" | "traffic"
> & {
  readonly [Name in "loss" | "residual" | "compressionError" | "consensusEstimate"]?: number | undefined;
} & {
  readonly missed?: readonly number[] | undefined;
  readonly warnings?: readonly string[] | undefined;
  readonly evaluation?: (LooseFigures & { readonly loss: number }) | undefined;
  readonly time: Pick<RoundTimes, "computeMs" | "compressMs" | "waitMs" | "mixMs">;
};

/** How a peer's run ended. */
export interface PeerEnd {
  readonly outcome: "completed" | "stopped";
  readonly reason?: string | undefined;
  /** Of the error that stopped it. */
  readonly code?: string | undefined;
}

/** An evaluation that is remembered, by what the model is judged by. */
export interface Evaluated extends Quality {
  readonly round: number;
}

export interface PeerRecord {
  readonly peer: number;
  /** Of the model. */
  readonly parameters: number;
  /** From 0; −1 before the first. */
  lastRound: number;
  /** The first that was seen: later than 0 where the peer was resumed, or joined. */
  firstRound?: number;
  learningRounds: number;
  /** Of learning rounds: loss, modelNorm, residual, compressionError. */
  readonly spans: Spans;
  firstLoss?: number;
  firstNorm?: number;
  lastNorm?: number;
  largestNorm: number;
  learningRate?: number;
  consensusRate?: number;
  /** This peer's own estimate of the consensus distance, divided by ‖x‖². */
  disagreement?: number;
  best?: Evaluated;
  last?: Evaluated;
  /** Before the closing consensus. */
  lastOfLearning?: Evaluated;
  /** Loss of the last evaluation on held-out data, and whether it was after the closing consensus. */
  heldOut?: { readonly loss: number; readonly isClosed: boolean };
  /** All bytes; messages apart, since those of closing rounds are whole models. */
  bytesSent: number;
  learningMessages: number;
  closingMessages: number;
  workMs: number;
  waitMs: number;
  /** Rounds that went on without a neighbour, by neighbour. */
  readonly missed: Record<number, number>;
  /** Peers that were found to drift. */
  readonly drifting: number[];
  /** The last warning of the rate guard. */
  rateWarning?: string;
  end?: PeerEnd;
  /** Counters of the last round, and those before a restart that began at zero again. */
  readonly counted: { bytes: number; messages: number; bytesBefore: number; messagesBefore: number };
}

export function createPeerRecord(peer: number, parameters: number): PeerRecord {
  return {
    ...{ peer, parameters, lastRound: -1, learningRounds: 0, spans: createSpans(), largestNorm: 0 },
    ...{ bytesSent: 0, learningMessages: 0, closingMessages: 0, workMs: 0, waitMs: 0 },
    ...{
      neighbours: 0,
      waitedFor: {},
      missed: {},
      drifting: [],
      counted: { bytes: 0, messages: 0, bytesBefore: 0, messagesBefore: 0 },
    },
  };
}

/** Takes a round. One that was taken before, as after a restart, does not count again. */
export function recordRound(record: PeerRecord, line: PeerRoundFigures): void {
  delete record.end;
  countTraffic(record, line);
  if (line.round <= record.lastRound) return;
  record.firstRound ??= line.round;
  record.lastRound = line.round;
  record.lastNorm = line.modelNorm;
  record.largestNorm = Math.max(record.largestNorm, line.modelNorm);
  takeEvaluation(record, line);
  takeTime(record, line);
  if (line.kind === "closing") return;
  const { loss, modelNorm, residual, compressionError, consensusEstimate } = line;
  record.learningRounds++;
  record.firstLoss ??= loss!;
  record.firstNorm ??= modelNorm;
  record.learningRate = line.learningRate;
  record.consensusRate = line.consensusRate;
  if (consensusEstimate !== undefined && modelNorm > 0)
    record.disagreement = consensusEstimate / modelNorm ** 2;
  addRound(record.spans, { loss, modelNorm, residual, compressionError });
  for (const neighbour of line.missed ?? []) record.missed[neighbour] = (record.missed[neighbour] ?? 0) + 1;
  for (const text of line.warnings ?? []) takeWarning(record, text);
}

/** Adds up what the carrier counted so far. */
function countTraffic(record: PeerRecord, { traffic, kind }: PeerRoundFigures): void {
  const { counted } = record;
  const bytes = traffic.reduce((sum, edge) => sum + edge.bytesSent, 0);
  const messages = traffic.reduce((sum, edge) => sum + edge.messagesSent, 0);
  if (messages < counted.messages || bytes < counted.bytes) {
    counted.bytesBefore += counted.bytes;
    counted.messagesBefore += counted.messages;
  }
  Object.assign(counted, { bytes, messages });
  record.bytesSent = counted.bytesBefore + bytes;
  const all = counted.messagesBefore + messages;
  if (kind === "learning") record.learningMessages = all;
  else record.closingMessages = all - record.learningMessages;
}

function takeEvaluation(record: PeerRecord, { round, kind, evaluation }: PeerRoundFigures): void {
  if (evaluation) record.heldOut = { loss: evaluation.loss, isClosed: kind === "closing" };
  const quality = evaluation && qualityOf(evaluation);
  if (!quality) return;
  const seen = { round, ...quality };
  record.last = seen;
  if (kind === "learning") record.lastOfLearning = seen;
  if (!record.best || isBetter(seen.metric, seen.value, record.best.value)) record.best = seen;
}

function takeTime(record: PeerRecord, { time }: PeerRoundFigures): void {
  const work = usefulMs(time);
  record.workMs += work;
  record.waitMs += time.waitMs;
}

/** Keeps whom a warning is about, or that it is about η. */
function takeWarning(record: PeerRecord, text: string): void {
  const peer = driftingPeer(text);
  if (peer !== undefined && !record.drifting.includes(peer)) record.drifting.push(peer);
  if (isRateWarning(text)) record.rateWarning = text;
}
