/**
 * Frames from one neighbour. A frame's memory is taken once, when its announced length has been checked; its
 * pieces are copied there as they arrive. Nothing else of it is ever kept.
 */
import { MalformedFrame } from "../../errors.js";
import { decodeFrame, FRAME_HEADER_BYTES, type Frame } from "../../frame.js";
import { MAX_UNRELEASED_FRAMES } from "../../transport.js";
import { type Channel, type Ending, Kind, listOf, MAX_PIECE_BODY_BYTES, message } from "./channel.js";
import { CREDIT_STEP_BYTES } from "./limits.js";

/** Frames whose memory is in use at a time: those that are not released, and one that waits. */
const MAX_HELD_FRAMES = MAX_UNRELEASED_FRAMES + 1;

/** A whole frame and the memory it lies in. */
interface Complete {
  readonly frame: Frame;
  readonly memory: ArrayBuffer;
}

export interface Incoming {
  readonly channel: Channel | undefined;
  /** Number of the last frame that is complete. */
  readonly last: number;
  /** The other process is a new one: it counts from where its hello says. */
  forget(): void;
  /**
   * Takes up a new stream.
   *
   * @param next the number of the first frame that the other end has no confirmation of
   * @throws MalformedFrame when it goes back behind what was confirmed, or leaves frames out
   */
  resume(next: number): void;
  attach(channel: Channel, ended: (ending: Ending) => void): void;
  /** From now on no frame is delivered or confirmed. */
  stop(): void;
}

/** @param deliver takes a frame; `release` gives its memory back and makes room for another */
export function createIncoming(
  maximumPayloadBytes: number,
  deliver: (frame: Frame, release: () => void) => void,
): Incoming {
  const maximumFrameBytes = FRAME_HEADER_BYTES + maximumPayloadBytes;
  let channel: Channel | undefined;
  let last: number | undefined;
  /** Delivered frames that are not released. */
  let unreleased = 0;
  /** The last frame, complete, while there is no room to deliver it. */
  let waiting: Complete | undefined;
  let isStopped = false;
  /** Whether the last frame still has to be confirmed: it waits, or the stream broke before it could be. */
  let owesConfirmation = false;
  /** Memory of earlier frames that was given back. Large new memory costs as much as what is copied there. */
  const spare: ArrayBuffer[] = [];

  const memoryFor = (length: number): Uint8Array<ArrayBuffer> => {
    const index = spare.findIndex(({ byteLength }) => byteLength >= length);
    const [memory] = index < 0 ? [] : spare.splice(index, 1);
    return new Uint8Array(memory ?? new ArrayBuffer(length), 0, length);
  };
  const giveBack = (memory: ArrayBuffer): void => {
    // The newest is of the size that is in use now.
    if (spare.unshift(memory) > MAX_HELD_FRAMES) spare.pop();
  };

  const handOver = ({ frame, memory }: Complete): void => {
    unreleased++;
    let isReleased = false;
    deliver(frame, () => {
      if (isReleased) return;
      isReleased = true;
      giveBack(memory);
      unreleased--;
      advance();
    });
  };
  /** Delivers what waits, if there is room now, and confirms what is delivered. */
  const advance = (): void => {
    if (isStopped) return;
    if (waiting && unreleased < MAX_UNRELEASED_FRAMES) {
      const complete = waiting;
      waiting = undefined;
      handOver(complete);
    }
    if (waiting || !owesConfirmation || !channel) return;
    owesConfirmation = false;
    channel.send(Kind.taken, last!);
  };

  return {
    get channel() {
      return channel;
    },
    get last() {
      return last ?? 0;
    },
    forget() {
      last = undefined;
      if (waiting) giveBack(waiting.memory);
      waiting = undefined;
    },
    resume(next) {
      if (next < Math.max(1, last ?? 1)) {
        throw new MalformedFrame(`frame number ${next} is offered again after ${last ?? 0}`);
      }
      if (last !== undefined && next > last + 1) {
        throw new MalformedFrame(`frame number ${next} is offered where ${last + 1} is due`);
      }
      last ??= next - 1;
      owesConfirmation = next === last;
    },
    attach(next, ended) {
      channel = next;
      let assembling: Uint8Array<ArrayBuffer> | undefined;
      let announced = 0;
      let filled = 0;
      let taken = 0;

      next.listen({
        frame(sequence, length) {
          if (assembling)
            throw new MalformedFrame(`frame begins after ${filled} of ${assembling.length} bytes of another`);
          if (owesConfirmation) {
            throw new MalformedFrame(`frame ${sequence} begins before frame ${last} is confirmed`);
          }
          if (sequence !== last! + 1)
            throw new MalformedFrame(`frame number ${sequence} where ${last! + 1} is due`);
          if (length < FRAME_HEADER_BYTES || length > maximumFrameBytes) {
            throw new MalformedFrame(
              `frame of ${length} bytes announced; this model's have ${FRAME_HEADER_BYTES} to ${maximumFrameBytes}`,
            );
          }
          assembling = memoryFor(length);
          announced = sequence;
          filled = 0;
        },
        piece(length) {
          if (!assembling) throw new MalformedFrame("piece of no frame");
          const due = Math.min(MAX_PIECE_BODY_BYTES, assembling.length - filled);
          if (length !== due) throw new MalformedFrame(`piece of ${length} bytes where one of ${due} is due`);
        },
        bytes(part) {
          assembling!.set(part, filled);
          filled += part.length;
          taken += part.length;
          const isComplete = filled === assembling!.length;
          if (taken < CREDIT_STEP_BYTES && !isComplete) return;
          const reply = listOf(message(Kind.credit, taken));
          taken = 0;
          if (isComplete && isStopped) {
            assembling = undefined;
          } else if (isComplete) {
            const frame = decodeFrame(assembling!, maximumPayloadBytes);
            const complete = { frame, memory: assembling!.buffer };
            assembling = undefined;
            last = announced;
            owesConfirmation = unreleased >= MAX_UNRELEASED_FRAMES;
            if (!owesConfirmation) reply.append(message(Kind.taken, announced));
            next.sendList(reply);
            if (owesConfirmation) waiting = complete;
            else handOver(complete);
          } else {
            next.sendList(reply);
          }
        },
        ended(ending) {
          if (channel === next) channel = undefined;
          if (assembling) giveBack(assembling.buffer);
          assembling = undefined;
          ended(ending);
        },
      });
      advance();
    },
    stop() {
      isStopped = true;
    },
  };
}
