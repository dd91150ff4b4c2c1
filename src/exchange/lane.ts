/** One direction of an edge between peers of one process. Halves wait in it as a list, so that it keeps nothing beside them. */
import type { Frame } from "./frame.js";

/** What a neighbour handed over. */
export interface Half extends Frame {
  /** Holds the payload, until the receiver needs it no longer. */
  readonly holder: { drop(): void };
  next: Half | undefined;
}

export interface Lane {
  /** The oldest half that waits. */
  first: Half | undefined;
  last: Half | undefined;
  /** What has crossed so far. */
  bytes: number;
  messages: number;
  /** Called once with the next half; the receiver has what came before. */
  awaited: (() => void) | undefined;
}

export const createLane = (): Lane => ({
  first: undefined,
  last: undefined,
  bytes: 0,
  messages: 0,
  awaited: undefined,
});

/** @param bytes of the half as a frame */
export function put(lane: Lane, half: Half, bytes: number): void {
  const { last, awaited } = lane;
  lane.bytes += bytes;
  lane.messages++;
  lane.last = half;
  if (last) last.next = half;
  else lane.first = half;
  lane.awaited = undefined;
  awaited?.();
}

/** The oldest half; undefined where none waits. */
export function take(lane: Lane): Half | undefined {
  const half = lane.first;
  lane.first = half?.next;
  if (!lane.first) lane.last = undefined;
  return half;
}
