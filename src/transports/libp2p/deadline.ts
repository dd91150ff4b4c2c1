import type { Clock } from "../../clock.js";

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
