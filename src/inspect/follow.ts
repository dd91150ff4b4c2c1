/** Follows the logs of a run that may still be written to, without taking all of a core for it. */
import { setTimeout as wait } from "node:timers/promises";
import { InvalidLog } from "../foundation/errors.js";
import { createRunReader } from "./read.js";
import { type RunView, viewRun } from "./view.js";

/** How often logs are looked at, in milliseconds. */
const LOOK_MS = 500;
/** Longest that reading keeps the process from other work, in milliseconds. */
const READ_SLICE_MS = 50;
/** The share of time that making views may take. */
const VIEW_SHARE = 0.2;

export interface Follower {
  /** Resolves once everything that was there at the start has been read. */
  readonly caughtUp: Promise<void>;
  /** Shows what was written last, unless there is much to read still, and stops. */
  close(): Promise<void>;
}

/**
 * Hands `show` a view whenever there is more to see, and when the logs last grew. The folder may still be empty, or
 * missing.
 */
export function followRun(directory: string, show: (view: RunView, changedAt: number) => void): Follower {
  const reader = createRunReader(directory);
  const closed = new AbortController();
  const caughtUp = createSignal();

  function publish(): void {
    if (reader.run) show(viewRun(reader.run), reader.changedAt);
  }

  async function follow(): Promise<void> {
    let isChanged = false;
    let viewMs = 0;
    let viewed = Number.NEGATIVE_INFINITY;
    while (!closed.signal.aborted) {
      const { hasRead, hasMore } = readSlice(reader);
      isChanged ||= hasRead;
      const now = performance.now();
      const isDue = now - viewed > Math.max(LOOK_MS, viewMs / VIEW_SHARE);
      if (isChanged && (isDue || (!hasMore && !caughtUp.isGiven))) {
        publish();
        isChanged = false;
        viewed = performance.now();
        viewMs = viewed - now;
      }
      if (!hasMore && reader.run) caughtUp.give();
      await wait(hasMore ? 0 : LOOK_MS, undefined, { signal: closed.signal });
      if (!hasMore) scan(reader);
    }
  }

  scan(reader);
  const following = follow().catch((error: Error) => {
    if (error.name !== "AbortError") throw error;
  });
  return {
    caughtUp: caughtUp.given,
    async close() {
      if (caughtUp.isGiven && !closed.signal.aborted) {
        scan(reader);
        if (!readSlice(reader).hasMore) publish();
      }
      closed.abort();
      await following;
    },
  };
}

type Reader = ReturnType<typeof createRunReader>;

/** Looks for new logs. Finds nothing in a folder without any, or one that is gone: what was read stays. */
function scan(reader: Reader): void {
  attempt(() => reader.scan());
}

/** Reads for a slice of time. */
function readSlice(reader: Reader): { readonly hasRead: boolean; readonly hasMore: boolean } {
  const until = performance.now() + READ_SLICE_MS;
  let hasRead = false;
  let hasMore = false;
  attempt(() => {
    while (reader.read()) {
      hasRead = true;
      if (performance.now() > until) {
        hasMore = true;
        return;
      }
    }
  });
  return { hasRead, hasMore };
}

/** Does what may meet a log that cannot be read just now. */
function attempt(look: () => void): void {
  try {
    look();
  } catch (error) {
    if (!(error instanceof InvalidLog)) throw error;
  }
}

/** A promise that is kept by hand, once. */
function createSignal() {
  let isGiven = false;
  let resolve = () => {};
  const given = new Promise<void>((keep) => {
    resolve = keep;
  });
  return {
    given,
    get isGiven() {
      return isGiven;
    },
    give() {
      isGiven = true;
      resolve();
    },
  };
}
