/**
 * How the ends of an edge part after the run. A neighbour that starts again near its end may lack an acknowledgement, so a
 * peer that is done stays until its neighbour states that it is done too, or has been gone for too long.
 */
import type { Clock } from "../foundation/clock.js";

/** How long a peer that is done stays for one neighbour, in milliseconds. */
export interface FarewellWaits {
  /** While the neighbour, which was connected before, is gone. */
  readonly lingerMs: number;
  /** While the neighbour has not connected to this process at all. */
  readonly absentMs: number;
  /** In all, also while it is connected. */
  readonly roundMs: number;
}

export interface FarewellOptions {
  readonly clock: Clock;
  readonly waits: FarewellWaits;
  /** States to the neighbour, which is connected, that this peer is done. */
  state(): void;
}

/** One end of one edge. */
export interface Farewell {
  /** Whether the neighbour is not awaited any more; false until this peer is done. */
  readonly isOver: boolean;
  /** How long this peer, which is done, waits for the neighbour as things are; undefined where it does not wait. */
  readonly waitMs: number | undefined;
  /** This peer is done. Resolves once the neighbour is not awaited any more. */
  finish(): Promise<void>;
  /** The neighbour has stated that it is done; this holds for good. */
  stated(): void;
  connected(): void;
  disconnected(): void;
  /** The neighbour is not awaited, whatever it does. */
  stop(): void;
}

export function createFarewell({ clock, waits, state }: FarewellOptions): Farewell {
  const { lingerMs, absentMs, roundMs } = waits;
  let isDone = false;
  /** The neighbour is done, or not awaited. */
  let isExcused = false;
  let isConnected = false;
  let hasConnected = false;
  let cancelAbsence = () => {};
  let cancelAll = () => {};
  let resolve!: () => void;
  const excused = new Promise<void>((resolvePromise) => {
    resolve = resolvePromise;
  });

  const excuse = (): void => {
    isExcused = true;
    cancelAbsence();
    cancelAll();
    resolve();
  };
  const absenceMs = (): number => (hasConnected ? lingerMs : absentMs);
  const awaitReturn = (): void => {
    cancelAbsence();
    if (isDone && !isExcused && !isConnected) cancelAbsence = clock.after(absenceMs(), excuse);
  };

  return {
    get isOver() {
      return isDone && isExcused;
    },
    get waitMs() {
      if (!isDone || isExcused) return undefined;
      return isConnected ? roundMs : absenceMs();
    },
    finish() {
      if (isDone) return excused;
      isDone = true;
      if (isConnected) state();
      if (!isExcused) cancelAll = clock.after(roundMs, excuse);
      awaitReturn();
      return excused;
    },
    stated: excuse,
    connected() {
      isConnected = true;
      hasConnected = true;
      cancelAbsence();
      if (isDone) state();
    },
    disconnected() {
      isConnected = false;
      awaitReturn();
    },
    stop: excuse,
  };
}
