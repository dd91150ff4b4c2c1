/** What this end knows of a neighbour: one record, changed by one function. */

import { MAX_VIOLATIONS } from "../../exchange/transport.js";
import type { HandshakeRefused } from "../../foundation/errors.js";

export interface Standing {
  /** Whether both streams of the edge are open. */
  readonly isConnected: boolean;
  /** Whether the neighbour has missed a deadline and has not been connected since. */
  readonly isDown: boolean;
  /** Why it is not connected, as far as this end knows. */
  readonly reason: string;
  /** The handshake that was refused, until one succeeds. */
  readonly refusal: HandshakeRefused | undefined;
  /** How often the neighbour was refused something. */
  readonly refusals: number;
  /** Broken rules since the last ban ended. */
  readonly violations: number;
  /** How often the neighbour was banned. */
  readonly bans: number;
}

export type StandingEvent =
  | { readonly kind: "connected" }
  /** A stream ended, or an attempt to open one failed. */
  | { readonly kind: "disconnected"; readonly reason: string }
  /** A deadline has passed. */
  | { readonly kind: "expired" }
  /** The neighbour runs something else. */
  | { readonly kind: "mismatched"; readonly refusal: HandshakeRefused }
  | { readonly kind: "refused" }
  | { readonly kind: "violated" }
  /** Its ban is over. */
  | { readonly kind: "readmitted" };

export function initialStanding(reason: string): Standing {
  return {
    isConnected: false,
    isDown: false,
    reason,
    refusal: undefined,
    refusals: 0,
    violations: 0,
    bans: 0,
  };
}

/** The standing after an event. */
export function after(standing: Standing, event: StandingEvent): Standing {
  const { refusal, refusals, violations, bans } = standing;
  switch (event.kind) {
    case "connected":
      return { ...standing, isConnected: true, isDown: false, reason: "connected", refusal: undefined };
    case "disconnected":
      // A refused handshake explains more than the end of the connection that follows it.
      return { ...standing, isConnected: false, reason: refusal?.message ?? event.reason };
    case "expired":
      return { ...standing, isDown: true };
    case "mismatched":
      return {
        ...standing,
        refusal: event.refusal,
        reason: event.refusal.message,
        refusals: refusals + 1,
      };
    case "refused":
      return { ...standing, refusals: refusals + 1 };
    case "violated":
      return {
        ...standing,
        refusals: refusals + 1,
        violations: violations + 1,
        bans: bans + (violations + 1 === MAX_VIOLATIONS ? 1 : 0),
      };
    case "readmitted":
      return { ...standing, violations: 0 };
  }
}

/** Whether the neighbour is shut out at present. */
export function isBanned({ violations }: Standing): boolean {
  return violations >= MAX_VIOLATIONS;
}
