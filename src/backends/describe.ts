import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { backends } from "./index.js";
import { missingPackages } from "./installed.js";

/** Longest that a backend may take to start while it is looked at. */
const START_DEADLINE_MS = 60_000;

/** What can be said of a backend on this machine. */
export interface BackendDescription {
  readonly name: string;
  /** What it is, in a few words. */
  readonly about: string;
  /** `missing`: a package of it is not installed. `broken`: all are, but it does not start. */
  readonly state: "available" | "missing" | "broken";
  /** What it computes on, where it is available; why it cannot be used, where it is not. */
  readonly detail: string;
  /** How to get it, where it is not available. */
  readonly remedy?: string;
}

/**
 * Tries every backend, the fastest first. Each starts in a process of its own, so that a native library which
 * ends its process is reported like any other that does not work, and this process computes as before.
 */
export function describeBackends(): Promise<BackendDescription[]> {
  return Promise.all(
    backends.map(async ({ name, about, packages, remedy }): Promise<BackendDescription> => {
      const missing = await missingPackages(packages);
      if (missing.length > 0) {
        return { name, about, state: "missing", detail: `${missing.join(" and ")} not installed`, remedy };
      }
      const { device, reason } = await startElsewhere(name);
      return device === undefined
        ? { name, about, state: "broken", detail: reason ?? "its process ended without a word", remedy }
        : { name, about, state: "available", detail: device };
    }),
  );
}

interface Outcome {
  readonly device?: string;
  readonly reason?: string;
}

/** Starts a backend in a child process. */
function startElsewhere(name: string): Promise<Outcome> {
  const child = fork(fileURLToPath(new URL("./start-alone.js", import.meta.url)), [name], {
    // Native libraries are talkative.
    stdio: "ignore",
    timeout: START_DEADLINE_MS,
  });
  return new Promise((resolve) => {
    child.once("message", (outcome) => resolve(outcome as Outcome));
    child.once("error", ({ message }) => resolve({ reason: message }));
    child.once("exit", (code, signal) => resolve({ reason: `its process ended with ${signal ?? code}` }));
  });
}
