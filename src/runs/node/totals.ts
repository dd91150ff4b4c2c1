/** Totals and means of what peers report. */
import type { Quality } from "../../evaluation.js";
import type { RoundReport } from "../../observing/report.js";

/** Bytes that a peer has sent so far, over all of its edges. */
export function bytesSent({ traffic }: RoundReport): number {
  return traffic.reduce((sum, edge) => sum + edge.bytesSent, 0);
}

export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of peers' models, which are judged alike. */
export function meanQuality(qualities: readonly Quality[]): Quality {
  return { metric: qualities[0]!.metric, value: average(qualities.map(({ value }) => value)) };
}
