/** How long a run takes on a simulated network, and when it was how good. */
import type { SimulationRound } from "./round.js";

/** Accuracies whose times are reported. */
export const ACCURACY_MARKS = [0.5, 0.8, 0.9, 0.95] as const;

export interface ModelledTimes {
  /** When the last peer had finished, closing consensus included. */
  readonly seconds: number;
  /** For each mark that was reached. */
  readonly toAccuracy: readonly TimeToAccuracy[];
}

/**
 * The first evaluation in which the mean of the peers' accuracies was at least a mark, and the first in which the worst
 * peer's was. It counts as made when the last peer had finished the round.
 */
export interface TimeToAccuracy {
  /** A share in [0, 1]. */
  readonly accuracy: number;
  /** Seconds of modelled time. */
  readonly mean?: number;
  readonly worst?: number;
}

export function createModelledTimes() {
  const marks = ACCURACY_MARKS.map(
    (accuracy) => ({ accuracy }) as { -readonly [K in keyof TimeToAccuracy]: TimeToAccuracy[K] },
  );
  let seconds = 0;
  return {
    add({ reports, elapsedMs = 0 }: SimulationRound): void {
      // A round that late peers finish after a later one of others does not turn time back.
      seconds = Math.max(seconds, elapsedMs / 1000);
      const accuracies = reports.flatMap(({ evaluation }) => evaluation?.accuracy ?? []);
      if (accuracies.length < reports.length || accuracies.length === 0) return;
      const mean = accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / accuracies.length;
      const worst = Math.min(...accuracies);
      for (const mark of marks) {
        if (mean >= mark.accuracy) mark.mean ??= seconds;
        if (worst >= mark.accuracy) mark.worst ??= seconds;
      }
    },
    times: (): ModelledTimes => ({ seconds, toAccuracy: marks.filter(({ mean }) => mean !== undefined) }),
  };
}
