import type { RoundSteps } from "./algorithm.js";
import type { Exchanges, Step } from "./exchange/exchanges.js";
import type { Settled } from "./exchange/ledger.js";
import type { Clock } from "./foundation/clock.js";
import { InvalidExperiment } from "./foundation/errors.js";
import type { CompressionMeter } from "./observing/compression-meter.js";
import type { RoundTimes } from "./observing/report.js";

export interface DriveOptions extends Omit<Step, "step"> {
  readonly steps: RoundSteps;
  /** How often the round must yield: `AlgorithmKind.steps`. */
  readonly count: number;
  readonly exchanges: Exchanges;
  readonly laps: Laps;
  readonly meter: CompressionMeter;
  /** Sees what has settled before the algorithm takes it and encodes its next payload. */
  readonly settled?: (settled: readonly Settled[]) => void;
}

/**
 * Drives an algorithm through one round: sends what it yields, waits, and resumes it with what has settled.
 *
 * @returns false when the transport was closed meanwhile
 * @throws what `Exchanges.settle` throws. The round then ends at a yield, where model and state are valid
 */
export async function drive({
  steps,
  count,
  exchanges,
  laps,
  meter,
  settled,
  ...round
}: DriveOptions): Promise<boolean> {
  if (!exchanges.isOpen()) return false;
  try {
    meter.begin(round.round, 0);
    let next = steps.next();
    let step = 0;
    for (; !next.done; step++) {
      if (step >= count) throw wrongSteps(step + 1, count);
      exchanges.offer({ ...round, step, outgoing: next.value });
      laps.end("compressMs");
      const outcome = await exchanges.settle({ ...round, step });
      laps.end("waitMs");
      settled?.(outcome.settled);
      meter.begin(round.round, step + 1);
      // Also when the transport was closed: what has settled here settles at the other end too.
      if (!outcome.isClosed || outcome.settled.length > 0) next = steps.next(outcome.settled);
      laps.end("mixMs");
      if (outcome.isClosed) return false;
    }
    if (step !== count) throw wrongSteps(step, count);
    return true;
  } finally {
    steps.return();
  }
}

function wrongSteps(yields: number, count: number): InvalidExperiment {
  return new InvalidExperiment(
    `the algorithm yields ${yields} payloads in a round and declares ${count}: correct \`steps\` of its kind`,
    { code: "wrong-steps", field: "algorithm.steps" },
  );
}

/** Adds up the parts of a round, in milliseconds. */
export interface Laps {
  readonly times: Record<"computeMs" | "compressMs" | "waitMs" | "mixMs", number>;
  /** The time since the last call belongs to this part. */
  end(part: keyof Laps["times"] & keyof RoundTimes): void;
}

export function createLaps(clock: Clock): Laps {
  const times = { computeMs: 0, compressMs: 0, waitMs: 0, mixMs: 0 };
  let last = clock.now();
  return {
    times,
    end(part) {
      const now = clock.now();
      times[part] += now - last;
      last = now;
    },
  };
}
