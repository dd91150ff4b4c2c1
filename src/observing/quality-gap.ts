/** How good the worst peer's model is beside the mean of all. */
import { type Metric, rangeOf, shareOf } from "../evaluation.js";
import { meanOf, type RunRecords } from "./reason.js";

/**
 * Share of the mean model's accuracy, or other metric, that the worst peer has at least before the closing consensus, where models agree.
 * Digits of two classes a peer on a ring of 8: 0.8 after 100 rounds and 0.96 after 500 where the mean model was as good
 * as that of full models; 0.35 to 0.71 where it was 5 to 50 points worse.
 */
export const WORST_SHARE = 0.75;

export interface Gap {
  readonly metric: Metric;
  readonly worst: number;
  readonly mean: number;
  /** How good the worst is beside the mean. */
  readonly share: number;
}

/** Of the worst peer and of the mean model, which closing turns all models into, before it. */
export function qualityGap({ graph, peers }: RunRecords): Gap | undefined {
  const all = peers.flatMap(({ lastOfLearning }) => lastOfLearning ?? []);
  const round = Math.max(...all.map((each) => each.round));
  // Logs may be read, or have ended, in different rounds.
  const evaluated = all.filter((each) => each.round === round);
  const [first] = evaluated;
  if (!first) return undefined;
  const { metric } = first;
  const closed = peers.map(({ last }) => (last && last.round > round ? last.value : undefined));
  const seen = graph?.mean?.round === round ? graph.mean.quality : undefined;
  const mean = seen ?? meanOf(closed);
  const { worst } = rangeOf(
    metric,
    evaluated.map(({ value }) => value),
  );
  const share = mean === undefined ? undefined : shareOf(metric, worst, mean);
  return share === undefined ? undefined : { metric, worst, mean: mean!, share };
}
