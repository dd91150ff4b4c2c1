/** Waits of libp2p's and of this transport, measured by a clock. */
import type { Clock } from "../../foundation/clock.js";

/** Runs an operation of libp2p under a signal that aborts once its deadline has passed. */
export async function within<Result>(
  clock: Clock,
  deadlineMs: number,
  operation: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const cancel = clock.after(deadlineMs, () =>
    controller.abort(new DOMException("timed out", "TimeoutError")),
  );
  try {
    return await operation(controller.signal);
  } finally {
    cancel();
  }
}

/** Resolves with the promise, or after this time. */
export async function atMost(clock: Clock, milliseconds: number, promise: Promise<unknown>): Promise<void> {
  let cancel = () => {};
  const expired = new Promise<void>((resolve) => {
    cancel = clock.after(milliseconds, resolve);
  });
  await Promise.race([promise, expired]);
  cancel();
}

/** Calls back again and again. @returns ends it */
export function every(clock: Clock, milliseconds: number, callback: () => void): () => void {
  let cancel = () => {};
  const next = () => {
    cancel = clock.after(milliseconds, () => {
      next();
      callback();
    });
  };
  next();
  return () => cancel();
}
