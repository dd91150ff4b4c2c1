import { constants } from "node:os";

/**
 * A signal that Ctrl-C (or a polite kill) aborts, with a reason in words, so that what runs can end in order.
 * Asked a second time, the process ends at once.
 *
 * @returns the signal, and a function that ends the watch
 */
export function untilInterrupted(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(128 + constants.signals[name]);
    controller.abort(name === "SIGINT" ? "Ctrl-C" : name);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    release() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
