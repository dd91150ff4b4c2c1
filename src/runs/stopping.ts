/** When all peers of a run stopped learning, from what they report. */
import type { RoundReport } from "../observing/report.js";
import type { Experiment } from "./experiment.js";

/** Rounds count from 1. */
export interface Stopping {
  readonly lastRound: number;
  /** Of the least mean held-out loss. */
  readonly bestRound: number;
  /** The run ends with the models of that round. */
  readonly keptBest: boolean;
}

/** @param last report of a learning round @returns undefined where peers do not stop early */
export function stoppingOf(
  { earlyStopping }: Experiment,
  { round, agreedLoss }: Pick<RoundReport, "round" | "agreedLoss">,
): Stopping | undefined {
  if (!agreedLoss || earlyStopping === "off") return undefined;
  const keptBest = earlyStopping.keep === "best";
  return { lastRound: round + 1, bestRound: agreedLoss.bestRound + 1, keptBest };
}
