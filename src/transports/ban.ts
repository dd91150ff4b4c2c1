/** How long a neighbour that breaks the protocol is shut out. Afterwards it may connect again, and its violations count from 0. */
import { MAX_VIOLATIONS } from "../exchange/transport.js";
import { Unreachable } from "../foundation/errors.js";

/** The first ban of a neighbour, in milliseconds, where deadlines leave the time for it. */
export const FIRST_BAN_MS = 60_000;
/** A ban is twice as long as the one before, up to this many times. */
export const MAX_BAN_DOUBLINGS = 6;

/**
 * How long a ban lasts, in milliseconds.
 * @param firstMs how long the first one of a neighbour lasts
 * @param before bans of the same neighbour before it
 */
export function banMs(firstMs: number, before: number): number {
  return firstMs * 2 ** Math.min(before, MAX_BAN_DOUBLINGS);
}

/** Why the edge is down, for the `down` event. */
export function bannedFor(
  peer: number,
  neighbour: number,
  forMs: number,
  violations = MAX_VIOLATIONS,
): Unreachable {
  return new Unreachable(
    `peer ${peer} bans peer ${neighbour} for ${forMs / 1000} s: it broke the protocol ${violations} times; run the same version on both`,
    { code: "banned", peer, neighbour },
  );
}
