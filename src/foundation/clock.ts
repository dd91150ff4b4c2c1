/** Time, behind one port: the runtime reads and waits through a clock, so that tests and simulated networks own it. */
export interface Clock {
  /** Milliseconds from any fixed point. */
  now(): number;
  /**
   * Calls back once, after this many milliseconds.
   * @returns cancels the call; safe to use twice
   */
  after(milliseconds: number, callback: () => void): () => void;
}

/** Longest timer of a JavaScript engine, 25 days; it fires at once when it is given more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The time of this machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, Math.min(milliseconds, MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** Time that stands still: no deadline passes, and equal runs report equal times. */
export const stoppedClock: Clock = { now: () => 0, after: () => () => {} };

/** Resolves once every promise that can be resolved without waiting for anything else has been, and what it led to. */
export function quiescence(): Promise<void> {
  return new Promise((resolve) => {
    // Promises resolve before the engine takes its next task. Browsers have no setImmediate.
    if (typeof setImmediate === "function") setImmediate(resolve);
    else {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(undefined);
    }
  });
}
