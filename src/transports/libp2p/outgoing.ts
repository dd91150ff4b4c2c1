/**
 * Frames to one neighbour, one after the other. A frame is let go when the neighbour says that it has all of it;
 * until then its payload stays where the sender keeps it, and is sent again when the connection breaks.
 */
import { MalformedFrame } from "../../errors.js";
import { encodeHeader, FRAME_HEADER_BYTES, type Frame, frameBytes } from "../../frame.js";
import {
  type Channel,
  type Ending,
  Kind,
  listOf,
  MAX_PIECE_BODY_BYTES,
  message,
  messageHeader,
} from "./channel.js";
import { PIECE_BYTES, WINDOW_BYTES } from "./limits.js";

/**
 * Pieces go down to the muxer in lots of about this many bytes: few calls, and yet the first is soon on its way.
 * A muxer that is given more may make one message of it, which arrives only when all of it has.
 */
const WRITE_BYTES = 4 * PIECE_BYTES;

interface Sending {
  readonly frame: Frame;
  readonly header: Uint8Array;
  readonly length: number;
  /** Number of the frame on this edge, from 1; 0 until its turn comes. */
  sequence: number;
  isAnnounced: boolean;
  sent: number;
}

export interface Outgoing {
  readonly channel: Channel | undefined;
  /** Number of the next frame that the neighbour has not confirmed. */
  readonly nextSequence: number;
  /** Goes up whenever the neighbour takes something. */
  readonly progress: number;
  /** What waits, for error messages; undefined when nothing does. */
  readonly waiting:
    | { readonly frame: Frame; readonly sentBytes: number; readonly totalBytes: number }
    | undefined;
  send(frame: Frame): void;
  /** Whether a neighbour that has every frame up to `last` can go on from here. */
  follows(last: number): boolean;
  /** Continues on a new stream, whose other end has every frame up to `last`. */
  attach(channel: Channel, last: number, ended: (ending: Ending) => void): void;
}

/** @param acknowledged called once per frame, in order, when the neighbour has confirmed it */
export function createOutgoing(acknowledged: () => void): Outgoing {
  const queue: Sending[] = [];
  let sequence = 0;
  let channel: Channel | undefined;
  let credit = 0;
  let progress = 0;

  /** Sends pieces of the first frame, without copying them, while there is credit and the stream has room. */
  const pump = (): void => {
    const sending = queue[0];
    if (!channel || !sending) return;
    if (sending.sequence === 0) sending.sequence = ++sequence;
    while (!channel?.ending && !channel?.isFull) {
      const lot = nextLot(sending);
      if (lot.byteLength === 0) return;
      channel?.sendList(lot);
    }
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
      if (sending.sent < FRAME_HEADER_BYTES) lot.append(sending.header.subarray(sending.sent, end));
      if (end > FRAME_HEADER_BYTES) {
        const from = Math.max(0, sending.sent - FRAME_HEADER_BYTES);
        lot.append(sending.frame.payload.subarray(from, end - FRAME_HEADER_BYTES));
      }
      sending.sent = end;
      credit -= length;
    }
    return lot;
  };

  const confirmed = (): void => {
    queue.shift();
    progress++;
    acknowledged();
  };

  return {
    get channel() {
      return channel;
    },
    get nextSequence() {
      return queue[0]?.sequence || sequence + 1;
    },
    get progress() {
      return progress;
    },
    get waiting() {
      const first = queue[0];
      return first && { frame: first.frame, sentBytes: first.sent, totalBytes: first.length };
    },
    send(frame) {
      const length = frameBytes(frame.payload);
      const header = encodeHeader(frame);
      queue.push({ frame, header, length, sequence: 0, isAnnounced: false, sent: 0 });
      if (queue.length === 1) pump();
    },
    follows(last) {
      const next = queue[0]?.sequence || sequence + 1;
      return last === next - 1 || (last === next && next <= sequence);
    },
    attach(next, last, ended) {
      channel = next;
      credit = WINDOW_BYTES;
      const first = queue[0];
      if (first && first.sequence !== 0) {
        // Where the break swallowed only the confirmation, that is all to wait for.
        first.isAnnounced = first.sequence === last;
        first.sent = first.isAnnounced ? first.length : 0;
      }
      next.listen({
        credit(bytes) {
          credit += bytes;
          progress++;
          if (credit > WINDOW_BYTES) throw new MalformedFrame("more credit than was used");
          pump();
        },
        taken(confirmedSequence) {
          const sending = queue[0];
          if (!sending || sending.sequence !== confirmedSequence || sending.sent < sending.length) {
            throw new MalformedFrame(`frame ${confirmedSequence} was confirmed, but not sent`);
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
