/** Goodput: the share of a peer's wall time that went into steps that count. */
import type { RoundReport, RoundTimes } from "./report.js";

/** Time of a round that moved the model: computing, compressing and mixing, not waiting, evaluating or writing. */
export function usefulMs({
  computeMs,
  compressMs,
  mixMs,
}: Pick<RoundTimes, "computeMs" | "compressMs" | "mixMs">): number {
  return computeMs + compressMs + mixMs;
}

/** Useful time over elapsed time, in [0, 1]; undefined before any time has passed. */
export function shareOf(usefulMs: number, elapsedMs: number): number | undefined {
  return elapsedMs > 0 ? Math.min(1, Math.max(0, usefulMs / elapsedMs)) : undefined;
}

export interface Goodput {
  /** Takes a round's report. A round that was reported before counts once. */
  add(report: Pick<RoundReport, "round" | "time">): void;
  /** So far; undefined before any time has passed. */
  readonly share: number | undefined;
}

export function createGoodput(): Goodput {
  let useful = 0;
  let elapsed = 0;
  let lastRound = -1;
  return {
    add({ round, time }) {
      if (round > lastRound) useful += usefulMs(time);
      lastRound = Math.max(lastRound, round);
      elapsed = time.elapsedMs;
    },
    get share() {
      return shareOf(useful, elapsed);
    },
  };
}
