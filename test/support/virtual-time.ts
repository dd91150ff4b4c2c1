import type { Clock } from "../../src/foundation/clock.js";

/** Time that moves from one timer to the next whenever everything else has come to rest. */
export interface VirtualTime {
  readonly clock: Clock;
  /** Lets time pass until the promise is settled. */
  run<T>(promise: Promise<T>): Promise<T>;
  /** Timers that are left. */
  pending(): number;
}

export function createVirtualTime(): VirtualTime {
  let now = 0;
  let order = 0;
  let timers: { at: number; order: number; callback: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    after(milliseconds, callback) {
      const timer = { at: now + milliseconds, order: order++, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
  const fireNext = (): boolean => {
    const [next] = timers.sort((a, b) => a.at - b.at || a.order - b.order);
    if (!next) return false;
    timers.shift();
    now = Math.max(now, next.at);
    next.callback();
    return true;
  };
  return {
    clock,
    pending: () => timers.length,
    async run(promise) {
      let isSettled = false;
      const end = () => {
        isSettled = true;
      };
      promise.then(end, end);
      for (;;) {
        // After the callbacks of setImmediate no promise is left to resolve.
        await new Promise((resolve) => setImmediate(resolve));
        if (isSettled) return promise;
        if (!fireNext()) throw new Error(`everything waits and no timer is left, after ${now} ms`);
      }
    },
  };
}
