import { bytesText, numberText, percentText, table } from "./console.js";
import type { RunSummary } from "./run-simulation.js";

/**
 * One row per run. Bytes are what a peer sent, closing consensus included; the ratio is to the first run that
 * sends full models, where there is one.
 */
export function summaryTable(runs: readonly RunSummary[]): string {
  const reference = runs.find(({ algorithm }) => algorithm === "dpsgd")?.bytesSentPerPeer;
  const withAccuracy = runs.some(({ final }) => final.averageAccuracy !== undefined);
  const head = [
    "run",
    ...(withAccuracy ? ["worst peer %", "best peer %", "mean model %"] : ["loss of mean model"]),
    "sent per peer",
    ...(reference === undefined ? [] : ["fewer bytes"]),
    "consensus distance",
    "after closing",
    "seconds",
  ];
  const rows = runs.map(({ name, final, beforeClosing, bytesSentPerPeer, seconds }) => [
    name,
    ...(withAccuracy
      ? [
          percentText(final.worstAccuracy),
          percentText(final.bestAccuracy),
          percentText(final.meanModelAccuracy),
        ]
      : [numberText(final.meanModelLoss)]),
    bytesSentPerPeer === 0 ? "0 B" : bytesText(bytesSentPerPeer),
    ...(reference === undefined
      ? []
      : [bytesSentPerPeer === 0 ? "–" : `${(reference / bytesSentPerPeer).toFixed(1)}×`]),
    numberText(beforeClosing.consensusDistance),
    final.round === beforeClosing.round ? "–" : numberText(final.consensusDistance),
    seconds.toFixed(1),
  ]);
  return table(head, rows);
}
