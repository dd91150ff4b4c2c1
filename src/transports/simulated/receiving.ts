/** The receiving end of a lane: frames are delivered while fewer than `MAX_UNRELEASED_FRAMES` others are unreleased. */
import { decodeFrame, type Frame } from "../../exchange/frame.js";
import { MAX_UNRELEASED_FRAMES } from "../../exchange/transport.js";
import type { LaneEnd } from "./lane-end.js";

export interface ReceivingOptions {
  readonly from: number;
  readonly maximumPayloadBytes: number;
  /** The running peer at this end. */
  receiver(): LaneEnd | undefined;
  /** The last frame that arrived is delivered. */
  delivered(): void;
}

export interface Receiving {
  /** How many frames are here, delivered or waiting for room. */
  readonly complete: number;
  /** Whether the last one waits for room. */
  readonly isWaiting: boolean;
  /**
   * A frame has arrived: one message, or what a hostile peer sends in its place.
   * @throws MalformedFrame nothing of it is delivered
   */
  arrived(messages: readonly Uint8Array[]): void;
  /** Another process is at this end, which holds this many frames. */
  restart(held: number): void;
}

export function createReceiving(options: ReceivingOptions): Receiving {
  const { from, maximumPayloadBytes, receiver, delivered } = options;
  let complete = 0;
  let waiting: Frame[] | undefined;
  let unreleased = 0;
  /** What an earlier process releases makes no room. */
  let session = {};

  const deliver = (): void => {
    const end = receiver();
    if (!end || !waiting || unreleased >= MAX_UNRELEASED_FRAMES) return;
    const frames = waiting;
    waiting = undefined;
    // What a hostile peer sends in the place of one frame needs no more room than one.
    for (const frame of frames) {
      end.keep(from, frame);
      end.traffic.messagesReceived++;
      unreleased++;
      end.emit({ kind: "frame", peer: from, frame, release: releaseOnce() });
    }
    delivered();
  };

  const releaseOnce = (): (() => void) => {
    const mine = session;
    let isReleased = false;
    return () => {
      if (isReleased || mine !== session) return;
      isReleased = true;
      unreleased--;
      deliver();
    };
  };

  return {
    get complete() {
      return complete;
    },
    get isWaiting() {
      return waiting !== undefined;
    },
    arrived(messages) {
      const end = receiver();
      if (!end) return;
      for (const { length } of messages) end.traffic.bytesReceived += length;
      waiting = messages.map((bytes) => decodeFrame(bytes, maximumPayloadBytes));
      complete++;
      deliver();
    },
    restart(held) {
      complete = held;
      waiting = undefined;
      unreleased = 0;
      session = {};
    },
  };
}
