/**
 * What a run leaves on disk: a folder with one file of JSON lines per peer, and, after a simulation, one of the
 * whole graph. The first line is a header, then one line a round, then how it ended.
 */
import { z } from "zod";
import type { Experiment } from "./experiment.js";
import type { Layout } from "./layout.js";
import type { RoundReport } from "./report.js";
import type { SimulationRound } from "./simulate.js";
import type { Topology } from "./topology.js";

/** Version of the lines below; readers refuse a newer one. */
export const LOG_VERSION = 1;

/** File name of a peer's log. */
export const peerLogName = (peer: number): string => `peer-${peer}.jsonl`;
/** File name of the log of the whole graph, which only a simulation can write. */
export const GRAPH_LOG_NAME = "graph.jsonl";

const evaluation = z.object({ loss: z.number(), accuracy: z.number().optional() });

export const logHeader = z.object({
  type: z.literal("header"),
  logVersion: z.int(),
  /** This log's peer, or null for the whole graph. */
  peer: z.int().nullable(),
  experiment: z.looseObject({ name: z.string(), algorithm: z.string(), seed: z.number(), rounds: z.int() }),
  topology: z.object({ name: z.string(), peers: z.int(), edges: z.array(z.tuple([z.int(), z.int()])) }),
  tensors: z.array(z.object({ name: z.string(), shape: z.array(z.int()) })),
});

export const peerRound = z.object({
  type: z.literal("round"),
  round: z.int(),
  kind: z.enum(["exchange", "closing"]),
  loss: z.number().optional(),
  learningRate: z.number(),
  consensusRate: z.number(),
  modelNorm: z.number(),
  compressionError: z.number().optional(),
  residual: z.number().optional(),
  traffic: z.array(
    z.object({
      neighbour: z.int(),
      bytesSent: z.number(),
      bytesReceived: z.number(),
      messagesSent: z.number(),
      messagesReceived: z.number(),
    }),
  ),
  refused: z.array(z.object({ from: z.int(), reason: z.string() })).optional(),
  evaluation: evaluation.optional(),
  time: z.object({ computeMs: z.number(), compressMs: z.number(), waitMs: z.number(), mixMs: z.number() }),
});

export const graphRound = z.object({
  type: z.literal("graph"),
  round: z.int(),
  kind: z.enum(["exchange", "closing"]),
  consensusDistance: z.number(),
  meanModelNorm: z.number(),
  meanEvaluation: evaluation.optional(),
});

export const logEnd = z.object({
  type: z.literal("end"),
  outcome: z.enum(["completed", "stopped"]),
  reason: z.string().optional(),
});

export const logLine = z.discriminatedUnion("type", [logHeader, peerRound, graphRound, logEnd]);

export type LogHeader = z.output<typeof logHeader>;
export type PeerRound = z.output<typeof peerRound>;
export type GraphRound = z.output<typeof graphRound>;
export type LogEnd = z.output<typeof logEnd>;
export type LogLine = z.output<typeof logLine>;

export function headerLine(
  peer: number | null,
  experiment: Experiment,
  { name, graph }: Topology,
  { tensors }: Layout,
): LogHeader {
  return {
    type: "header",
    logVersion: LOG_VERSION,
    peer,
    experiment,
    topology: { name, peers: graph.peers, edges: graph.edges.map(([i, j]) => [i, j]) },
    tensors: tensors.map((tensor) => ({ name: tensor.name, shape: [...tensor.shape] })),
  };
}

/** A peer's report as a line; `peer` stands in the header. */
export function roundLine({ peer: _, ...report }: RoundReport) {
  return { type: "round", ...report } as const;
}

export function graphLine({
  round,
  kind,
  consensusDistance,
  meanModelNorm,
  meanEvaluation,
}: SimulationRound): GraphRound {
  return {
    type: "graph",
    round,
    kind,
    consensusDistance,
    meanModelNorm,
    ...(meanEvaluation && { meanEvaluation }),
  } as GraphRound;
}
