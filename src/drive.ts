import type { RoundSteps } from "./algorithm.js";
import type { Exchanges, Step } from "./exchange/exchanges.js";
import type { Settled } from "./exchange/settlement.js";
import type { Clock } from "./foundation/clock.js";
import { InvalidExperiment } from "./foundation/errors.js";
import type { Eventually } from "./foundation/eventually.js";
import type { CompressionMeter } from "./observing/compression-meter.js";
import type { RoundTimes } from "./observing/report.js";

/** What every round of a peer is driven with. */
export interface DriveTools {
  readonly exchanges: Exchanges;
  readonly laps: Laps;
  readonly meter: CompressionMeter;
}

/** A round, as an algorithm runs it. */
export interface Driven extends Omit<Step, "step"> {
  readonly steps: RoundSteps;
  /** How often the round must yield: `AlgorithmKind.steps`. */
  readonly count: number;
  /** Sees what has settled before the algorithm takes it and encodes its next payload. */
  readonly settled?: (settled: readonly Settled[]) => void;
}

/**
 * Drives an algorithm through one round: sends what it yields, waits, and resumes it with what has settled.
 *
 * @returns false when the transport was closed meanwhile
 * @throws what `Exchanges.wait` and `Exchanges.take` throw. The round then ends at a yield, where model and state are valid
 */
export function drive(tools: DriveTools, driven: Driven): Eventually<boolean> {
  if (!tools.exchanges.isOpen()) return false;
  try {
    tools.meter.begin(driven.round, 0);
    return offer(tools, driven, driven.steps.next(), 0);
  } catch (error) {
    return end(driven, error);
  }
}

/** Sends what the algorithm yields in this step, and goes on with what settles. */
function offer(
  tools: DriveTools,
  driven: Driven,
  next: ReturnType<RoundSteps["next"]>,
  step: number,
): Eventually<boolean> {
  const { kind, round, edges, wait, count } = driven;
  if (next.done) {
    if (step !== count) throw wrongSteps(step, count);
    return true;
  }
  if (step >= count) throw wrongSteps(step + 1, count);
  const exchange = { kind, round, step, edges, wait, outgoing: next.value };
  tools.exchanges.offer(exchange);
  tools.laps.end("compressMs");
  const waited = tools.exchanges.wait(exchange);
  if (!waited) return resume(tools, driven, step);
  return waited.then(
    () => resume(tools, driven, step),
    (error) => end(driven, error),
  );
}

/** Lets the algorithm take what has settled. */
function resume(tools: DriveTools, driven: Driven, step: number): Eventually<boolean> {
  const { exchanges, laps, meter } = tools;
  const { steps } = driven;
  try {
    const { settled, isClosed } = exchanges.take();
    laps.end("waitMs");
    driven.settled?.(settled);
    meter.begin(driven.round, step + 1);
    if (!isClosed) {
      const next = steps.next(settled);
      laps.end("mixMs");
      return offer(tools, driven, next, step + 1);
    }
    // What has settled here settles at the other end too.
    if (settled.length > 0) steps.next(settled);
    steps.return();
    return false;
  } catch (error) {
    return end(driven, error);
  }
}

/** Lets the algorithm clean up. */
function end({ steps }: Driven, error: unknown): never {
  steps.return();
  throw error;
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
  readonly countsWaits: boolean;
  /** A round begins. */
  begin(): void;
  /** The time since the last call belongs to this part. */
  end(part: keyof Laps["times"] & keyof RoundTimes): void;
}

/** @param countsWaits false where waits say nothing about peers or edges: they are left out then */
export function createLaps(clock: Clock, countsWaits = true): Laps {
  const times = { computeMs: 0, compressMs: 0, waitMs: 0, mixMs: 0 };
  let last = clock.now();
  return {
    times,
    countsWaits,
    begin() {
      times.computeMs = 0;
      times.compressMs = 0;
      times.waitMs = 0;
      times.mixMs = 0;
      last = clock.now();
    },
    end(part) {
      const now = clock.now();
      if (countsWaits || part !== "waitMs") times[part] += now - last;
      last = now;
    },
  };
}
