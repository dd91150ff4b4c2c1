/** When to dial a neighbour again: after pauses that double with every failure and differ from peer to peer. */
import type { Clock } from "../../foundation/clock.js";
import { random } from "../../foundation/random.js";
import type { Deadlines } from "./limits.js";

/** Backoff exponent after an orderly departure: the neighbour is not back in a moment. */
const GOODBYE_ATTEMPTS = 5;

type Pauses = Pick<Deadlines, "firstPauseMs" | "longestPauseMs">;

/**
 * The pause after this many failures: half of the doubled pause, plus a random part of the other half.
 * @param draw uniform in [0, 1)
 */
export function redialPauseMs(pauses: Pauses, failures: number, draw: number): number {
  // Doubled thirty times, any pause is beyond the longest.
  const doubled = Math.min(pauses.longestPauseMs, pauses.firstPauseMs * 2 ** Math.min(failures, 30));
  return Math.round(doubled * (0.5 + 0.5 * draw));
}

export interface RedialOptions {
  readonly id: number;
  readonly neighbour: number;
  readonly clock: Clock;
  readonly deadlines: Pauses;
  /** Shortest pause, for the end that waits to be dialled. */
  readonly leastMs: number;
  attempt(): void;
}

export interface Redial {
  /** Plans the next attempt after the pause that is due. @returns the plan; undefined where there is one already */
  plan(): { readonly attempt: number; readonly pauseMs: number } | undefined;
  /** Plans an attempt after this time. */
  planAfter(pauseMs: number): void;
  cancel(): void;
  /** The neighbour was reached: pauses are short again. */
  succeeded(): void;
  /** The neighbour left in good order: pauses are long. */
  left(): void;
}

export function createRedial({ id, neighbour, clock, deadlines, leastMs, attempt }: RedialOptions): Redial {
  const draws = random(0, "redial", id, neighbour);
  let failures = 0;
  let cancel: (() => void) | undefined;

  const planAfter = (pauseMs: number): void => {
    cancel = clock.after(pauseMs, () => {
      cancel = undefined;
      attempt();
    });
  };
  return {
    plan() {
      if (cancel) return undefined;
      const pauseMs = Math.max(leastMs, redialPauseMs(deadlines, failures, draws.uniform(failures)));
      failures++;
      planAfter(pauseMs);
      return { attempt: failures, pauseMs };
    },
    planAfter,
    cancel() {
      cancel?.();
      cancel = undefined;
    },
    succeeded() {
      failures = 0;
    },
    left() {
      failures = Math.max(failures, GOODBYE_ATTEMPTS);
    },
  };
}
