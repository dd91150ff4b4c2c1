import type { RoundSteps } from "./algorithm.js";
import type { Exchanges, Outcome, Step } from "./exchange/exchanges.js";
import type { Settled } from "./exchange/settlement.js";
import type { Clock } from "./foundation/clock.js";
import { InvalidExperiment } from "./foundation/errors.js";
import { type Eventually, whenThere } from "./foundation/eventually.js";
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
export function drive({
  steps,
  count,
  exchanges,
  laps,
  meter,
  settled,
  kind,
  round,
  edges,
  wait,
}: DriveOptions): Eventually<boolean> {
  if (!exchanges.isOpen()) return false;
  /** Sends what the algorithm yields, and goes on with what settles. */
  const offer = (next: ReturnType<RoundSteps["next"]>, step: number): Eventually<boolean> => {
    if (next.done) {
      if (step !== count) throw wrongSteps(step, count);
      return true;
    }
    if (step >= count) throw wrongSteps(step + 1, count);
    const exchange = { kind, round, step, edges, wait, outgoing: next.value };
    exchanges.offer(exchange);
    laps.end("compressMs");
    return whenThere(exchanges.settle(exchange), (outcome) => resume(outcome, step));
  };
  const resume = (outcome: Outcome, step: number): Eventually<boolean> => {
    laps.end("waitMs");
    settled?.(outcome.settled);
    meter.begin(round, step + 1);
    // Also when the transport was closed: what has settled here settles at the other end too.
    if (outcome.isClosed && outcome.settled.length === 0) return false;
    const next = steps.next(outcome.settled);
    laps.end("mixMs");
    return outcome.isClosed ? false : offer(next, step + 1);
  };
  meter.begin(round, 0);
  return ended(steps, () => offer(steps.next(), 0));
}

/** Lets the algorithm clean up at the end, whatever that is. */
function ended(steps: RoundSteps, work: () => Eventually<boolean>): Eventually<boolean> {
  const end = (): void => void steps.return();
  let result: Eventually<boolean> | undefined;
  try {
    result = work();
    return result instanceof Promise ? result.finally(end) : result;
  } finally {
    if (!(result instanceof Promise)) end();
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
