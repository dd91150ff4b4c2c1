/** What exports of a run's log call a peer's numbers, `group/name`, and the column that each one is. */
import type { PeerColumn } from "./history.js";

/** @param metric what models are judged by, such as `accuracy` */
export const peerScalars = (metric: string): readonly (readonly [name: string, column: PeerColumn])[] => [
  ["loss/training", "loss"],
  ["loss/held-out", "evaluationLoss"],
  [metric, "metric"],
  ["iterate average/loss", "iterateAverageLoss"],
  [`iterate average/${metric}`, "iterateAverageMetric"],
  ["consensus/own estimate", "consensusEstimate"],
  ["compression/residual", "residual"],
  ["compression/error", "compressionError"],
  ["model/norm", "modelNorm"],
  ["rate/learning", "learningRate"],
  ["rate/consensus", "consensusRate"],
  ["traffic/bytes sent", "bytesSent"],
  ["traffic/bytes received", "bytesReceived"],
  ["time/compute ms", "computeMs"],
  ["time/wait ms", "waitMs"],
];
