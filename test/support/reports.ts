import type { RoundReport } from "../../src/observing/report.js";

/** A round in which everything that has a metric happened. */
export const roundReport: RoundReport = {
  peer: 1,
  round: 19,
  kind: "learning",
  loss: 0.5,
  learningRate: 0.1,
  consensusRate: 1,
  modelNorm: 7,
  compressionError: 0.25,
  residual: 0.125,
  consensusEstimate: 1e-7,
  traffic: [{ neighbour: 0, bytesSent: 100, bytesReceived: 90, messagesSent: 2, messagesReceived: 1 }],
  missed: [0],
  refused: [{ from: 0, reason: "payload of 3 bytes" }],
  warnings: ["the residual grows"],
  evaluation: { loss: 0.25, accuracy: 0.75 },
  observed: { neighbour: 0, distance: 2 },
  counters: { reconnects: 1, checkpointMs: 250 },
  edgeCounters: [{ neighbour: 0, reconnects: 1 }],
  time: { computeMs: 8, compressMs: 1, waitMs: 5, mixMs: 1, elapsedMs: 20, waitedFor: 0 },
};
