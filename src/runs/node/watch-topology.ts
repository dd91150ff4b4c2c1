/** Notices when a topology file changes while its run goes on. */
import { readFile, stat } from "node:fs/promises";
import { type Clock, systemClock } from "../../foundation/clock.js";
import { InvalidTopology } from "../../foundation/errors.js";
import { parseTopologyFile } from "../../graph-formats/index.js";
import { type Change, changesBetween } from "../../graphs/changes.js";
import type { Topology } from "../../graphs/topology.js";

/** Between two looks at the file. */
export const WATCH_MS = 1000;

/** Looks at a file that cannot be read before that is worth a word: it may be half written. */
export const MAX_UNREADABLE_LOOKS = 3;

export interface WatchOptions {
  readonly path: string;
  /** What the file said when the run began. */
  readonly topology: Topology;
  /** Is given what is new. */
  readonly changed: (change: Change) => void;
  /** Is given one line where the file says what cannot be. */
  readonly warn: (text: string) => void;
  /** Default {@link systemClock}. */
  readonly clock?: Clock;
}

/** Looks at the file every second. @returns ends that */
export function watchTopology({
  path,
  topology,
  changed,
  warn,
  clock = systemClock,
}: WatchOptions): () => void {
  let last = topology;
  let stamp: string | undefined;
  let unreadable = 0;
  let cancel = () => {};
  let isStopped = false;

  const look = async (): Promise<void> => {
    const current = await stampOf(path);
    if (current === undefined || current === stamp) return;
    try {
      const now = await parseTopologyFile(await readFile(path, "utf8"), path);
      const changes = changesBetween(last, now);
      last = now;
      stamp = current;
      unreadable = 0;
      for (const change of changes) if (!isStopped) take(change);
    } catch (error) {
      unreadable++;
      const isHalfWritten = !(error instanceof InvalidTopology) || error.code === "topology-not-parsed";
      if (isHalfWritten && unreadable < MAX_UNREADABLE_LOOKS) return;
      stamp = current;
      unreadable = 0;
      warn(`${(error as Error).message}; the run goes on as it is`);
    }
  };
  const take = (change: Change): void => {
    try {
      changed(change);
    } catch (error) {
      warn(`${(error as Error).message}; the run goes on without this change`);
    }
  };
  const next = (): void => {
    cancel = clock.after(WATCH_MS, () => void look().finally(() => !isStopped && next()));
  };
  next();
  return () => {
    isStopped = true;
    cancel();
  };
}

/** Differs when the file was written; undefined where there is none. */
async function stampOf(path: string): Promise<string | undefined> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return undefined;
  }
}
