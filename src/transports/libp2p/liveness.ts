import type { Clock } from "../../foundation/clock.js";

/** Whether the other end of a stream is alive: everything that arrives is a sign of life. */
export interface Liveness {
  /** Something arrived. */
  arrived(): void;
  /** One heartbeat. @returns how many of them have passed since something arrived */
  beat(): number;
  /** Whether something arrives within the deadline; false at once when the stream ends. */
  nextSign(deadlineMs: number): Promise<boolean>;
  /** The stream has ended. */
  end(): void;
}

export function createLiveness(clock: Clock): Liveness {
  let hasArrived = false;
  let silentBeats = 0;
  const waiting = new Set<(isAlive: boolean) => void>();
  const resume = (isAlive: boolean) => {
    for (const each of [...waiting]) each(isAlive);
  };
  return {
    arrived() {
      hasArrived = true;
      if (waiting.size > 0) resume(true);
    },
    beat() {
      silentBeats = hasArrived ? 0 : silentBeats + 1;
      hasArrived = false;
      return silentBeats;
    },
    nextSign: (deadlineMs) =>
      new Promise((resolve) => {
        const done = (isAlive: boolean) => {
          cancel();
          waiting.delete(done);
          resolve(isAlive);
        };
        const cancel = clock.after(deadlineMs, () => done(false));
        waiting.add(done);
      }),
    end: () => resume(false),
  };
}
