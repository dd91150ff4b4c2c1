/** Where a run stands: the figures that cards and tables show of it, before and after the closing consensus apart. */

/** The series that figures come from, over common points; null where a point has no value. */
type Name = "round" | "loss" | "metricWorst" | "metricBest" | "consensusExact" | "consensusProjected";

/** The latest evaluation of one phase, and how far models lay apart at its end. */
export interface PhaseFigures {
  /** Of the worst and the best peer, in the run's metric; null without an evaluation. */
  readonly worst: number | null;
  readonly best: number | null;
  /** Exact where a simulator saw it, else from projections. */
  readonly consensus: number | null;
}

export interface Standing {
  /** Mean over peers, of the last training round. */
  readonly loss: number | null;
  /** After the last training round. */
  readonly learned: PhaseFigures;
  /** After the closing consensus; absent before its first round. */
  readonly closed?: PhaseFigures;
}

/**
 * @param learningRounds the last training round, counted from 1
 */
export function standingOf(
  series: Readonly<Record<Name, readonly (number | null)[]>>,
  learningRounds: number,
): Standing {
  const { round } = series;
  const last = (name: Name, isClosing: boolean) =>
    series[name].findLast((value, k) => value !== null && (round[k] ?? 0) > learningRounds === isClosing) ??
    null;
  const phase = (isClosing: boolean): PhaseFigures => ({
    worst: last("metricWorst", isClosing),
    best: last("metricBest", isClosing),
    consensus: last("consensusExact", isClosing) ?? last("consensusProjected", isClosing),
  });
  const hasClosed = (round.findLast((value) => value !== null) ?? 0) > learningRounds;
  return { loss: last("loss", false), learned: phase(false), ...(hasClosed && { closed: phase(true) }) };
}
