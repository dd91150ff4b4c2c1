/** When a neighbour counts as unreachable: it has not connected in time, or is connected but takes nothing. */
import type { Clock } from "../../foundation/clock.js";
import type { Deadlines } from "./limits.js";
import type { Outgoing } from "./outgoing.js";
import { megabytes, seconds } from "./reasons.js";

export interface ExpiryOptions {
  readonly id: number;
  readonly neighbour: number;
  readonly clock: Clock;
  readonly deadlines: Pick<Deadlines, "progressMs">;
  readonly outgoing: Outgoing;
  /** Why the neighbour is not connected. */
  reason(): string;
  expired(reason: string): void;
}

export interface Expiry {
  /** The neighbour must connect within this time. */
  expectConnection(deadlineMs: number): void;
  /** It has connected, or is not expected any more. */
  cancel(): void;
  /** Ends a stream on which nothing of a frame has been taken for too long. */
  checkProgress(): void;
}

export function createExpiry(options: ExpiryOptions): Expiry {
  const { id, neighbour, clock, deadlines, outgoing, expired } = options;
  let cancel = () => {};
  return {
    expectConnection(deadlineMs) {
      const waited = `peer ${id} waited ${seconds(deadlineMs)} for peer ${neighbour} to connect`;
      cancel();
      cancel = clock.after(deadlineMs, () => expired(`${waited}: ${options.reason()}`));
    },
    cancel: () => cancel(),
    checkProgress() {
      const { stalled } = outgoing;
      if (!stalled || stalled.forMs < deadlines.progressMs) return;
      const { frame, sentBytes, totalBytes } = stalled;
      expired(
        `peer ${id} waited ${seconds(deadlines.progressMs)} for peer ${neighbour} to take the frame of round ${frame.round + 1} (${megabytes(sentBytes)} of ${megabytes(totalBytes)} sent): it is connected, but takes nothing`,
      );
      outgoing.channel?.abort("it takes nothing");
    },
  };
}
