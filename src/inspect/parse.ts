/**
 * Lines of a log, checked without a schema library: a run has millions of them. What passes here passes the
 * schema in log.ts in every field that readers use; the suite holds the two against each other.
 */
import { counterNames } from "../foundation/counters.js";
import {
  type GraphRound,
  type LogEnd,
  type LogHeader,
  type LogResumed,
  logHeader,
  type PeerRound,
} from "../runs/log.js";

/** A line as it is used, or undefined where it is damaged. */
export function parseLine(
  text: string,
): LogHeader | PeerRound | GraphRound | LogResumed | LogEnd | undefined {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(line)) return undefined;
  switch (line.type) {
    case "round":
      return isPeerRound(line) ? (line as unknown as PeerRound) : undefined;
    case "graph":
      return isGraphRound(line) ? (line as unknown as GraphRound) : undefined;
    case "end":
      return isLogEnd(line) ? (line as unknown as LogEnd) : undefined;
    case "resumed":
      return isIndex(line.round) ? (line as unknown as LogResumed) : undefined;
    case "header":
      return logHeader.safeParse(line).data;
    default:
      return undefined;
  }
}

type Fields = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value: unknown) => typeof value === "number";
const isIndex = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
/** Logs of earlier versions call learning rounds `exchange`. */
const isKind = (value: unknown) => value === "learning" || value === "closing" || value === "exchange";
const isOptional = (value: unknown, check: (value: unknown) => boolean) =>
  value === undefined || check(value);
const isTexts = (value: unknown) => Array.isArray(value) && value.every((text) => typeof text === "string");
const isEvaluation = (value: unknown) =>
  isRecord(value) &&
  isNumber(value.loss) &&
  isOptional(value.accuracy, isNumber) &&
  isOptional(value.metric, isMetric) &&
  isOptional(value.metrics, isFigures) &&
  isOptional(value.byClass, isByClass);
const isMetric = (value: unknown) =>
  isRecord(value) &&
  typeof value.name === "string" &&
  (value.better === "higher" || value.better === "lower");
const isByClass = (value: unknown) => isRecord(value) && isCounts(value.correct) && isCounts(value.count);
const isCounts = (value: unknown) => Array.isArray(value) && value.every(isIndex);
const isFigures = (value: unknown) =>
  isRecord(value) && Object.values(value).every((figure) => figure === null || isNumber(figure));

function isPeerRound(line: Fields): boolean {
  const { time, traffic } = line;
  return (
    isIndex(line.round) &&
    isKind(line.kind) &&
    isNumber(line.learningRate) &&
    isNumber(line.consensusRate) &&
    isNumber(line.modelNorm) &&
    isOptional(line.loss, isNumber) &&
    isOptional(line.compressionError, isNumber) &&
    isOptional(line.residual, isNumber) &&
    isOptional(line.consensusEstimate, isNumber) &&
    isOptional(
      line.observed,
      (seen) => isRecord(seen) && isIndex(seen.neighbour) && isNumber(seen.distance),
    ) &&
    isOptional(line.projection, (text) => typeof text === "string") &&
    isOptional(line.warnings, isTexts) &&
    isOptional(line.quarantined, (peers) => Array.isArray(peers) && peers.every(isIndex)) &&
    isOptional(line.isReplayed, (value) => value === true) &&
    isOptional(line.missed, (missed) => Array.isArray(missed) && missed.every(isIndex)) &&
    isOptional(line.refused, (refused) => Array.isArray(refused) && refused.every(isRefusal)) &&
    isOptional(line.evaluation, isEvaluation) &&
    isOptional(line.iterateAverage, isEvaluation) &&
    hasCounters(line) &&
    Array.isArray(traffic) &&
    traffic.every(isEdge) &&
    isRecord(time) &&
    isNumber(time.computeMs) &&
    isNumber(time.compressMs) &&
    isNumber(time.waitMs) &&
    isNumber(time.mixMs) &&
    isOptional(time.elapsedMs, isNumber) &&
    isOptional(time.waitedFor, isIndex)
  );
}

const isEdge = (edge: unknown) =>
  isRecord(edge) &&
  isIndex(edge.neighbour) &&
  isNumber(edge.bytesSent) &&
  isNumber(edge.bytesReceived) &&
  isNumber(edge.messagesSent) &&
  isNumber(edge.messagesReceived);

const isRefusal = (refusal: unknown) =>
  isRecord(refusal) && Number.isSafeInteger(refusal.from) && typeof refusal.reason === "string";

const isCounters = (values: unknown) =>
  isRecord(values) && counterNames.every((name) => isOptional(values[name], isNumber));

const hasCounters = (line: Fields) =>
  isOptional(line.counters, isCounters) &&
  isOptional(
    line.edgeCounters,
    (edges) =>
      Array.isArray(edges) && edges.every((edge) => isCounters(edge) && isIndex((edge as Fields).neighbour)),
  );

const isGraphRound = (line: Fields) =>
  isIndex(line.round) &&
  isKind(line.kind) &&
  isNumber(line.consensusDistance) &&
  isNumber(line.meanModelNorm) &&
  isOptional(line.meanEvaluation, isEvaluation);

const isLogEnd = (line: Fields) =>
  (line.outcome === "completed" || line.outcome === "stopped") &&
  isOptional(line.reason, (reason) => typeof reason === "string") &&
  isOptional(line.code, (code) => typeof code === "string") &&
  hasCounters(line);
