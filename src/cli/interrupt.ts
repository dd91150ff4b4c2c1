import { constants } from "node:os";

let received: NodeJS.Signals | undefined;

/** Exit code of a command that ended in order after a signal: 128 and its number, as of one that the signal kills. */
export const interruptedExitCode = (): number => 128 + constants.signals[received ?? "SIGINT"];

/**
 * A signal that Ctrl-C (or a polite kill) aborts, with a reason in words, so that what runs can end in order.
 * Asked a second time, the process ends at once.
 *
 * @returns the signal, and a function that ends the watch
 */
export function untilInterrupted(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    received = name;
    if (controller.signal.aborted) process.exit(interruptedExitCode());
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
