/**
 * What a run leaves on disk: a folder with one file of JSON lines per peer, and, after a simulation, one of the
 * whole graph. The first line is a header, then one line a round, then how it ended.
 *
 * Runs of one seed write the same bytes except for what a clock or the machine said. All of that stands in two
 * fields, `machine` of the header and `time` of a round, which come last in their lines. Over a simulated network the
 * clock is modelled and the machine left out: there all bytes are the same.
 */
import { z } from "zod";
import { type CounterReport, counterRecord } from "../foundation/counters.js";
import { Interrupted, MurmurationError } from "../foundation/errors.js";
import { changeSchema } from "../graphs/changes.js";
import type { RoundReport } from "../observing/report.js";
import type { SimulationRound } from "./round.js";

/** Version of the lines below; readers refuse a newer one. */
export const LOG_VERSION = 1;

/** File name of a peer's log. */
export const peerLogName = (peer: number): string => `peer-${peer}.jsonl`;
/** File name of the log of the whole graph, which only a simulation can write. */
export const GRAPH_LOG_NAME = "graph.jsonl";
/** The names of logs, among other files of a folder. */
export const LOG_NAME_PATTERN = /^(?:peer-\d+|graph)\.jsonl$/;

/** Where and when a log was written: nothing that the run depends on. */
export type Machine = Readonly<Record<string, string | number>>;

const evaluation = z.object({
  loss: z.number(),
  accuracy: z.number().optional(),
  metric: z.object({ name: z.string(), better: z.enum(["higher", "lower"]) }).optional(),
  /** JSON has null for numbers that are not finite. */
  metrics: z.record(z.string(), z.number().nullable()).optional(),
  byClass: z
    .object({ correct: z.array(z.int().nonnegative()), count: z.array(z.int().nonnegative()) })
    .optional(),
});

export const logHeader = z.object({
  type: z.literal("header"),
  logVersion: z.int(),
  /** Of the package that wrote the log. */
  version: z.string(),
  frameVersion: z.int(),
  /** This log's peer, or null for the whole graph. */
  peer: z.int().nonnegative().nullable(),
  seed: z.number(),
  /** Digest of experiment, topology and tensors: logs of one run share it. */
  fingerprint: z.string(),
  experiment: z.looseObject({
    name: z.string(),
    algorithm: z.string(),
    seed: z.number(),
    rounds: z.int(),
    /** Without one there are no projections to read. */
    projectionSize: z.int().min(1).optional(),
  }),
  topology: z.object({
    name: z.string(),
    peers: z.int().min(1),
    edges: z.array(z.tuple([z.int(), z.int()])),
    /** The edges are those of this log's peer; the log of the whole graph has all. */
    isPart: z.literal(true).optional(),
    /** What people call the peers, by number. */
    names: z.array(z.string()).optional(),
  }),
  tensors: z.array(z.object({ name: z.string(), shape: z.array(z.int()) })),
  /** How many examples the peer has; see `ExampleCounts`. Absent in earlier logs, and where the trainer does not know. */
  data: z
    .object({
      train: z.int().nonnegative(),
      test: z.int().nonnegative(),
      classes: z
        .object({
          names: z.array(z.string()).readonly().optional(),
          train: z.array(z.int().nonnegative()).readonly(),
          test: z.array(z.int().nonnegative()).readonly(),
        })
        .optional(),
    })
    .optional(),
  /** The peer came into the run with this round. */
  joined: z.object({ round: z.int().nonnegative() }).optional(),
  /** Settings of the simulated network, where there was one. */
  network: z.looseObject({}).optional(),
  machine: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
});

/** Cumulative, as the carrier counted them. */
const traffic = z.object({
  neighbour: z.int().nonnegative(),
  bytesSent: z.number(),
  bytesReceived: z.number(),
  messagesSent: z.number(),
  messagesReceived: z.number(),
});

/** Amounts since the last line, by counter; those that are 0 are absent. */
const counters = z.object(counterRecord(() => z.number().optional()));
/** The same by neighbour, for those that are counted so. */
const edgeCounters = z.array(counters.extend({ neighbour: z.int().nonnegative() }));

export const peerRound = z.object({
  type: z.literal("round"),
  round: z.int().nonnegative(),
  kind: z.enum(["learning", "closing"]),
  loss: z.number().optional(),
  learningRate: z.number(),
  consensusRate: z.number(),
  modelNorm: z.number(),
  compressionError: z.number().optional(),
  residual: z.number().optional(),
  traffic: z.array(traffic),
  missed: z.array(z.int().nonnegative()).optional(),
  quarantined: z.array(z.int().nonnegative()).optional(),
  isReplayed: z.literal(true).optional(),
  /** The round is the first after the run's members changed. */
  epoch: z.object({ number: z.int().min(1), changes: z.array(changeSchema) }).optional(),
  refused: z.array(z.object({ from: z.int(), reason: z.string() })).optional(),
  counters: counters.optional(),
  edgeCounters: edgeCounters.optional(),
  observed: z.object({ neighbour: z.int().nonnegative(), distance: z.number() }).optional(),
  consensusEstimate: z.number().optional(),
  warnings: z.array(z.string()).optional(),
  evaluation: evaluation.optional(),
  agreedLoss: z
    .object({ meanLoss: z.number(), bestRound: z.int().nonnegative(), isLast: z.literal(true).optional() })
    .optional(),
  iterateAverage: evaluation.optional(),
  /** float32, little-endian, in base64. */
  projection: z.string().optional(),
  time: z.object({
    computeMs: z.number(),
    compressMs: z.number(),
    waitMs: z.number(),
    mixMs: z.number(),
    elapsedMs: z.number().optional(),
    waitedFor: z.int().nonnegative().optional(),
  }),
});

export const graphRound = z.object({
  type: z.literal("graph"),
  round: z.int().nonnegative(),
  kind: z.enum(["learning", "closing"]),
  consensusDistance: z.number(),
  meanModelNorm: z.number(),
  meanEvaluation: evaluation.optional(),
  hasPooledStatistics: z.literal(true).optional(),
  /** Over a simulated network: when the last peer had finished the round. */
  time: z.object({ elapsedMs: z.number() }).optional(),
});

export const logEnd = z.object({
  type: z.literal("end"),
  outcome: z.enum(["completed", "stopped"]),
  reason: z.string().optional(),
  /** Of the error that stopped the run. */
  code: z.string().optional(),
  /** What was counted after the last round. */
  counters: counters.optional(),
  edgeCounters: edgeCounters.optional(),
});

/** The run went on from a checkpoint: the rounds before `round` are from before. */
export const logResumed = z.object({ type: z.literal("resumed"), round: z.int().nonnegative() });

export const logLine = z.discriminatedUnion("type", [logHeader, peerRound, graphRound, logResumed, logEnd]);

export type LogHeader = z.output<typeof logHeader>;
export type PeerRound = z.output<typeof peerRound>;
export type GraphRound = z.output<typeof graphRound>;
export type LogEnd = z.output<typeof logEnd>;
export type LogResumed = z.output<typeof logResumed>;

/** What a line has of a report as it is. */
type Plain = Omit<RoundReport, "peer" | "projection" | "time">;

/** In the order of a line, so that equal reports are equal lines, whoever put them together. */
const plainFields: Record<keyof Plain, true> = {
  round: true,
  kind: true,
  loss: true,
  learningRate: true,
  consensusRate: true,
  modelNorm: true,
  compressionError: true,
  residual: true,
  observed: true,
  consensusEstimate: true,
  warnings: true,
  evaluation: true,
  iterateAverage: true,
  agreedLoss: true,
  traffic: true,
  isReplayed: true,
  epoch: true,
  missed: true,
  refused: true,
  quarantined: true,
  counters: true,
  edgeCounters: true,
};

const plainNames = Object.keys(plainFields) as (keyof Plain)[];

/** A peer's report as a line; `peer` stands in the header. */
export function roundLine(report: RoundReport) {
  const { projection, time } = report;
  const plain: Partial<Record<keyof Plain, unknown>> = {};
  for (const field of plainNames) if (report[field] !== undefined) plain[field] = report[field];
  return {
    type: "round",
    ...(plain as Plain),
    ...(projection && { projection: encodeProjection(projection) }),
    time,
  } as const;
}

/** The code that a log ends with; absent where somebody stopped the run. */
export function failureCode(error: unknown): string | undefined {
  return error instanceof MurmurationError && !(error instanceof Interrupted) ? error.code : undefined;
}

/** How a log ends. @param counted after the last round @param code of the error that stopped the run */
export function endLine(
  outcome: LogEnd["outcome"],
  reason?: string,
  counted: CounterReport = {},
  code?: string,
) {
  const why = { ...(reason !== undefined && { reason }), ...(code !== undefined && { code }) };
  return { type: "end", outcome, ...why, ...counted } as const;
}

export function graphLine({
  round,
  kind,
  consensusDistance,
  meanModelNorm,
  meanEvaluation,
  hasPooledStatistics,
  elapsedMs,
}: SimulationRound): GraphRound {
  return {
    type: "graph",
    round,
    kind,
    consensusDistance,
    meanModelNorm,
    ...(meanEvaluation && { meanEvaluation }),
    ...(hasPooledStatistics && { hasPooledStatistics }),
    ...(elapsedMs !== undefined && { time: { elapsedMs } }),
  } as GraphRound;
}

/** A line as every run of its seed writes it: without `machine` and `time`. */
export function withoutTimes(line: string): string {
  return line.replace(/,"(?:machine|time)":\{[^{}]*\}\}$/, "}");
}

/** Numbers per call when bytes become text: arguments of one call are limited. */
const CHUNK_BYTES = 8192;

export function encodeProjection(projection: Float32Array): string {
  const bytes = new Uint8Array(projection.buffer, projection.byteOffset, projection.byteLength);
  let text = "";
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    text += String.fromCharCode(...bytes.subarray(start, start + CHUNK_BYTES));
  }
  return btoa(text);
}
