/**
 * Frames from one neighbour, each delivered once. A frame is confirmed when it is delivered, and delivered while fewer
 * than `MAX_UNRELEASED_FRAMES` others are unreleased. The neighbour may not begin a frame before the one before it is
 * confirmed.
 */

import { decodeFrame, type Frame } from "../../exchange/frame.js";
import { MAX_UNRELEASED_FRAMES } from "../../exchange/transport.js";
import { MalformedFrame } from "../../foundation/errors.js";
import { createAssembly, createFrameMemory } from "./assembly.js";
import type { Channel, Ending } from "./channel.js";
import { CREDIT_STEP_BYTES } from "./limits.js";
import { Kind, listOf, message } from "./messages.js";

/** A whole frame and the memory it lies in. */
interface Complete {
  readonly frame: Frame;
  readonly memory: ArrayBuffer;
}

export interface Incoming {
  readonly channel: Channel | undefined;
  /** Number of the last frame that is complete. */
  readonly last: number;
  /** Whether frames can go on with this number: no frame is left out, and none is offered again after its confirmation. */
  follows(next: number): boolean;
  /**
   * Prepares for a new stream.
   *
   * @param next number of the first frame that the other end has no confirmation of
   */
  resume(next: number): void;
  /** Receives on a new stream. */
  attach(channel: Channel, ended: (ending: Ending) => void): void;
  /** From now on no frame is delivered or confirmed. */
  stop(): void;
}

/**
 * @param received how many frames this peer has from before
 * @param deliver takes a frame; `release` gives its memory back and makes room for another
 */
export function createIncoming(
  maximumPayloadBytes: number,
  received: number,
  deliver: (frame: Frame, release: () => void) => void,
): Incoming {
  // One more than unreleased: a frame that waits.
  const memory = createFrameMemory(MAX_UNRELEASED_FRAMES + 1);
  let channel: Channel | undefined;
  let last = received;
  /** Delivered frames that are not released. */
  let unreleased = 0;
  /** The last frame, complete, while there is no room to deliver it. */
  let waiting: Complete | undefined;
  /** Whether the last frame is not confirmed: it waits, or the stream broke before it could be. */
  let isUnconfirmed = false;
  let isStopped = false;

  const handOver = (complete: Complete): void => {
    let isReleased = false;
    deliver(complete.frame, () => {
      if (isReleased) return;
      isReleased = true;
      memory.giveBack(complete.memory);
      unreleased--;
      advance();
    });
    unreleased++;
  };
  /** Delivers the frame that waits, if there is room now, and confirms what is delivered. */
  const advance = (): void => {
    if (isStopped) return;
    if (waiting && unreleased < MAX_UNRELEASED_FRAMES) {
      const complete = waiting;
      waiting = undefined;
      handOver(complete);
    }
    if (waiting || !isUnconfirmed || !channel) return;
    isUnconfirmed = false;
    channel.send(Kind.taken, last);
  };

  /** The next frame is complete. @returns whether it can be confirmed at once */
  const completed = (bytes: Uint8Array<ArrayBuffer>): boolean => {
    const complete = { frame: decodeFrame(bytes, maximumPayloadBytes), memory: bytes.buffer };
    const hasRoom = !isStopped && unreleased < MAX_UNRELEASED_FRAMES;
    // Before it counts: a frame that cannot be kept comes again.
    if (hasRoom) handOver(complete);
    else waiting = complete;
    last++;
    isUnconfirmed = !hasRoom;
    return hasRoom;
  };

  const requireNext = (sequence: number): void => {
    if (isUnconfirmed) {
      throw new MalformedFrame(`frame ${sequence} begins before frame ${last} is confirmed`, {
        code: "frame-before-confirmation",
      });
    }
    if (sequence !== last + 1) {
      throw new MalformedFrame(`frame number ${sequence} where ${last + 1} is due`, {
        code: "frame-number",
      });
    }
  };

  return {
    get channel() {
      return channel;
    },
    get last() {
      return last;
    },
    follows: (next) => next === last + 1 || (next === last && last > 0),
    resume(next) {
      isUnconfirmed = next === last;
    },
    attach(next, ended) {
      const assembly = createAssembly(maximumPayloadBytes, memory);
      let uncredited = 0;
      channel = next;
      next.listen({
        frame(sequence, length) {
          assembly.begin(length);
          requireNext(sequence);
        },
        piece: assembly.piece,
        bytes(part) {
          const complete = assembly.add(part);
          uncredited += part.length;
          if (uncredited < CREDIT_STEP_BYTES && !complete) return;
          const reply = listOf(message(Kind.credit, uncredited));
          uncredited = 0;
          if (complete && completed(complete)) reply.append(message(Kind.taken, last));
          next.sendList(reply);
        },
        ended(ending) {
          if (channel === next) channel = undefined;
          assembly.abandon();
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
