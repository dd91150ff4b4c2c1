import type { Clock } from "../../src/foundation/clock.js";

/** A clock that stands still until it is advanced. */
export interface ManualClock extends Clock {
  /** Moves time forward; due callbacks run in the order of their times, also those that callbacks add. */
  advance(milliseconds: number): void;
}

export function createManualClock(): ManualClock {
  const due = new Map<number, { readonly at: number; readonly callback: () => void }>();
  let now = 0;
  let calls = 0;
  return {
    now: () => now,
    after(milliseconds, callback) {
      const call = calls++;
      due.set(call, { at: now + milliseconds, callback });
      return () => due.delete(call);
    },
    advance(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        // Calls of one time run in the order in which they were asked for, which is the order of the map.
        let next: number | undefined;
        for (const [call, { at }] of due) {
          if (at <= end && (next === undefined || at < due.get(next)!.at)) next = call;
        }
        if (next === undefined) break;
        const { at, callback } = due.get(next)!;
        due.delete(next);
        now = at;
        callback();
      }
      now = end;
    },
  };
}
