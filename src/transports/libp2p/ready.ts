/** The wait for every neighbour to be connected. */
import type { Clock } from "../../foundation/clock.js";
import { type MurmurationError, Unreachable } from "../../foundation/errors.js";
import { seconds } from "./reasons.js";
import type { Standing } from "./standing.js";

export interface ReadinessOptions {
  readonly id: number;
  readonly clock: Clock;
  readonly readyMs: number;
  /** What is known of each neighbour. */
  standings(): readonly (readonly [neighbour: number, standing: Standing])[];
  /** Whether the transport is closed, and why if it failed. */
  closed(): { readonly error?: MurmurationError } | undefined;
}

export interface Readiness {
  /** Something changed that may end a wait. */
  check(): void;
  /**
   * Resolves when every neighbour is connected, or the transport is closed.
   * @throws HandshakeRefused, Unreachable or what the transport failed with
   */
  wait(): Promise<void>;
}

export function createReadiness(options: ReadinessOptions): Readiness {
  const { id, clock, readyMs, standings, closed } = options;
  const waiting = new Set<() => void>();
  const missing = () => standings().filter(([, { isConnected }]) => !isConnected);
  /** The first refusal, once every neighbour was refused. */
  const refusal = () => {
    const refusals = standings().map(([, standing]) => standing.refusal);
    return refusals.includes(undefined) ? undefined : refusals[0];
  };
  const isDecided = () => closed() !== undefined || missing().length === 0 || refusal() !== undefined;

  const decided = (): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        cancel();
        waiting.delete(check);
        resolve();
      };
      const check = () => {
        if (isDecided()) done();
      };
      const cancel = clock.after(readyMs, done);
      waiting.add(check);
      check();
    });

  return {
    check() {
      for (const check of [...waiting]) check();
    },
    async wait() {
      await decided();
      const end = closed();
      if (end?.error) throw end.error;
      if (end || missing().length === 0) return;
      const refused = refusal();
      if (refused) throw refused;
      const who = missing().map(([neighbour, { reason }]) => `peer ${neighbour} (${reason})`);
      throw new Unreachable(
        `peer ${id} waited ${seconds(readyMs)} for ${who.join(", ")}: start what is missing, or find the cause with \`murmur doctor\``,
        { code: "not-connected-in-time", peer: id, neighbour: missing()[0]?.[0] },
      );
    },
  };
}
