/**
 * Frames to one neighbour, one after the other. A frame stays queued until the neighbour confirms all of it, and is
 * sent again after a break. Its payload stays where the sender keeps it.
 */

import { encodeHeader, type Frame } from "../../exchange/frame.js";
import type { Clock } from "../../foundation/clock.js";
import { MalformedFrame } from "../../foundation/errors.js";
import type { Channel, Ending } from "./channel.js";
import { PIECE_BYTES, WINDOW_BYTES } from "./limits.js";
import { Kind, listOf, MAX_PIECE_BODY_BYTES, message, messageHeader } from "./messages.js";

/**
 * Pieces are passed to the muxer in lots of about this many bytes: few calls, but the first is sent soon. A muxer may
 * make one message of a lot, which the receiver cannot use before all of it has arrived.
 */
const WRITE_BYTES = 4 * PIECE_BYTES;

interface Sending {
  readonly frame: Frame;
  readonly header: Uint8Array;
  readonly length: number;
  /** Number of the frame on this edge, from 1; 0 until it is first. */
  sequence: number;
  isAnnounced: boolean;
  sent: number;
}

export interface Stalled {
  readonly frame: Frame;
  readonly sentBytes: number;
  readonly totalBytes: number;
  readonly forMs: number;
}

export interface Outgoing {
  readonly channel: Channel | undefined;
  /** Number of the next frame that the neighbour has not confirmed. */
  readonly nextSequence: number;
  /** The frame that a connected neighbour is due to take, and for how long it has taken nothing. */
  readonly stalled: Stalled | undefined;
  /** Queues a frame. Its payload must stay as it is until it is acknowledged. */
  send(frame: Frame): void;
  /** Whether a neighbour that has every frame up to `last` can go on from here. */
  follows(last: number): boolean;
  /** The neighbour has every frame that is queued. */
  confirmAll(): void;
  /** Continues on a new stream, whose other end has every frame up to `last`. */
  attach(channel: Channel, last: number, ended: (ending: Ending) => void): void;
}

/**
 * @param sent how many frames the neighbour has from before
 * @param acknowledged called once per frame, in order, when the neighbour has confirmed it
 * @param resent called when a frame is sent again after a break
 */
export function createOutgoing(
  clock: Clock,
  sent: number,
  acknowledged: () => void,
  resent = () => {},
): Outgoing {
  const queue: Sending[] = [];
  let sequence = sent;
  /** Number of the next frame, where the neighbour has it from before this process started. */
  let held = 0;
  let isHeldConfirmed = false;
  let channel: Channel | undefined;
  let credit = 0;
  /** When the neighbour last took something, or became due to. */
  let progressAt = 0;

  /** Sends pieces of the first frame, without copying them, while there is credit and the stream has room. */
  const pump = (): void => {
    const sending = queue[0];
    if (!channel || !sending) return;
    if (sending.sequence === 0) begin(sending);
    if (isHeldConfirmed && sending.sequence === held) {
      isHeldConfirmed = false;
      confirmed();
      pump();
      return;
    }
    while (!channel?.ending && !channel?.isFull) {
      const lot = nextLot(sending);
      if (lot.byteLength === 0) return;
      channel?.sendList(lot);
    }
  };

  const begin = (sending: Sending): void => {
    sending.sequence = ++sequence;
    if (sending.sequence === held) skip(sending);
  };
  /** The neighbour has the frame: its confirmation is all that is missing. */
  const skip = (sending: Sending): void => {
    sending.isAnnounced = true;
    sending.sent = sending.length;
  };

  /** As many whole messages as there is credit for, up to WRITE_BYTES or a little more; empty when there are none. */
  const nextLot = (sending: Sending) => {
    const lot = listOf();
    if (!sending.isAnnounced) lot.append(message(Kind.frame, sending.sequence, sending.length));
    sending.isAnnounced = true;
    while (sending.sent < sending.length && lot.byteLength < WRITE_BYTES) {
      const length = Math.min(MAX_PIECE_BODY_BYTES, sending.length - sending.sent);
      if (length > credit) break;
      const end = sending.sent + length;
      lot.append(messageHeader(Kind.piece, length));
      const { header, frame } = sending;
      if (sending.sent < header.length) lot.append(header.subarray(sending.sent, end));
      if (end > header.length) {
        const from = Math.max(0, sending.sent - header.length);
        lot.append(frame.payload.subarray(from, end - header.length));
      }
      sending.sent = end;
      credit -= length;
    }
    return lot;
  };

  const nextSequence = (): number => queue[0]?.sequence || sequence + 1;

  function confirmed(): void {
    queue.shift();
    progressAt = clock.now();
    acknowledged();
  }

  return {
    get channel() {
      return channel;
    },
    get nextSequence() {
      return nextSequence();
    },
    get stalled() {
      const first = queue[0];
      if (!first || !channel) return undefined;
      const { frame, sent, length } = first;
      return { frame, sentBytes: sent, totalBytes: length, forMs: clock.now() - progressAt };
    },
    send(frame) {
      const header = encodeHeader(frame);
      const length = header.length + frame.payload.length;
      queue.push({ frame, header, length, sequence: 0, isAnnounced: false, sent: 0 });
      if (queue.length > 1) return;
      progressAt = clock.now();
      pump();
    },
    follows(last) {
      const next = nextSequence();
      // A process that resumes may have sent a frame before, and has not queued it again yet.
      return last === next - 1 || (last === next && (next <= sequence || next === sent + 1));
    },
    confirmAll() {
      while (queue.length > 0) {
        if (queue[0]!.sequence === 0) queue[0]!.sequence = ++sequence;
        confirmed();
      }
    },
    attach(next, last, ended) {
      channel = next;
      credit = WINDOW_BYTES;
      progressAt = clock.now();
      const first = queue[0];
      held = last;
      isHeldConfirmed = false;
      if (first && first.sequence !== 0) {
        first.isAnnounced = false;
        first.sent = 0;
        if (first.sequence === last) skip(first);
        else resent();
      }
      next.listen({
        credit(bytes) {
          credit += bytes;
          progressAt = clock.now();
          if (credit > WINDOW_BYTES)
            throw new MalformedFrame("more credit than was used", { code: "credit-exceeded" });
          pump();
        },
        taken(confirmedSequence) {
          const sending = queue[0];
          if (confirmedSequence === held && confirmedSequence === sequence + 1 && !isHeldConfirmed) {
            isHeldConfirmed = true;
            return;
          }
          if (!sending || sending.sequence !== confirmedSequence || sending.sent < sending.length) {
            throw new MalformedFrame(`frame ${confirmedSequence} was confirmed, but not sent`, {
              code: "confirmed-but-not-sent",
            });
          }
          confirmed();
          pump();
        },
        drained: pump,
        ended(ending) {
          if (channel === next) channel = undefined;
          ended(ending);
        },
      });
      pump();
    },
  };
}
