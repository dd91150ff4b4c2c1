/**
 * One direction of an edge. Frames cross it one at a time: a frame stays queued until the receiver's confirmation has
 * come back, and is sent again, from its first byte, where the connection breaks before that. The receiver confirms a
 * frame when it delivers it (receiving.ts).
 */
import { encodeFrame, type Frame } from "../../exchange/frame.js";
import type { Clock } from "../../foundation/clock.js";
import { MalformedFrame } from "../../foundation/errors.js";
import type { Random } from "../../foundation/random.js";
import type { LinkConditions } from "./conditions.js";
import type { LaneEnd } from "./lane-end.js";
import { createReceiving } from "./receiving.js";
import type { Uplink } from "./uplink.js";

/** What a frame becomes when it is sent by a hostile peer: another frame, several, or none. */
export type Tamper = (from: number, to: number, frame: Frame) => Frame | readonly Frame[];

export interface LaneOptions {
  readonly from: number;
  readonly to: number;
  readonly clock: Clock;
  readonly link: LinkConditions;
  /** Bits per millisecond. */
  readonly rate: number;
  readonly uplink: Uplink;
  readonly draws: Random;
  /** Probability that a frame has a wrong byte. */
  readonly corruption: number;
  readonly tamper?: Tamper | undefined;
  readonly maximumPayloadBytes: number;
  /** The running peers at the two ends. */
  sender(): LaneEnd | undefined;
  receiver(): LaneEnd | undefined;
  /** The receiver was sent something that is no frame. */
  violated(reason: string): void;
}

export interface Lane {
  /** Number of the next frame that is not confirmed. */
  readonly next: number;
  /** How many frames the receiver has, delivered or waiting for room. */
  readonly complete: number;
  send(frame: Frame): void;
  /** The connection is there. */
  resume(): void;
  /** The connection is gone, and with it what was under way. */
  interrupt(): void;
  /** Another process is at this end, whose first frame has this number, or which holds that many. */
  restartSender(next: number): void;
  restartReceiver(complete: number): void;
  /** Frames that are not confirmed. */
  readonly queued: number;
}

/** Where the first frame is: not sent, on its way, or with the receiver. */
type Progress = "queued" | "sending" | "arrived";

export function createLane(options: LaneOptions): Lane {
  const { from, to, clock, link, rate, uplink, draws, corruption, tamper, sender } = options;
  const receiving = createReceiving({ ...options, delivered: () => confirm() });
  const queue: Frame[] = [];
  let next = 0;
  let progress: Progress = "queued";
  let isConnected = false;
  let isConfirming = false;
  let cancel = () => {};
  /** What is on the line now, for the bytes that have left when it breaks. */
  let onLine: { readonly bytes: number; readonly since: number; readonly durationMs: number } | undefined;
  let draw = 0;

  const delay = (): number =>
    link.latencyMs + (link.jitterMs > 0 ? link.jitterMs * draws.uniform(draw++) : 0);

  const pump = (): void => {
    if (!isConnected || progress !== "queued" || queue.length === 0) return;
    if (receiving.complete > next) {
      // Only its confirmation was lost.
      progress = "arrived";
      confirm();
      return;
    }
    progress = "sending";
    let messages: Uint8Array[] = [];
    cancel = uplink.transmit({
      begin() {
        messages = written(queue[0]!);
        const bytes = messages.reduce((sum, { length }) => sum + length, 0);
        const durationMs = (8 * bytes) / rate;
        onLine = { bytes, since: clock.now(), durationMs };
        const end = sender();
        if (end) end.traffic.bytesSent += bytes;
        return durationMs;
      },
      ended() {
        onLine = undefined;
        // A sender that has left sends nothing more.
        if (sender()) cancel = clock.after(delay(), () => arrive(messages));
      },
    });
  };

  /** The bytes of a frame, read when it leaves: until it is confirmed its payload must stay as it is. */
  const written = (frame: Frame): Uint8Array[] => {
    const frames = tamper ? [tamper(from, to, frame)].flat() : [frame];
    const messages = frames.map(encodeFrame);
    if (corruption === 0 || draws.uniform(draw++) >= corruption || messages.length === 0) return messages;
    const [first] = messages;
    const place = Math.floor(draws.uniform(draw++) * first!.length);
    first![place]! ^= 1 + Math.floor(draws.uniform(draw++) * 255);
    return messages;
  };

  const arrive = (messages: readonly Uint8Array[]): void => {
    progress = "arrived";
    try {
      receiving.arrived(messages);
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      options.violated(error.message);
    }
  };

  /** Once the frame is delivered. */
  const confirm = (): void => {
    if (receiving.isWaiting || progress !== "arrived" || isConfirming) return;
    isConfirming = true;
    cancel = clock.after(delay(), confirmed);
  };

  const confirmed = (): void => {
    const end = sender();
    if (!end) return;
    queue.shift();
    next++;
    progress = "queued";
    isConfirming = false;
    end.traffic.messagesSent++;
    end.emit({ kind: "acknowledged", peer: to });
    pump();
  };

  const interrupt = (): void => {
    cancel();
    if (onLine) {
      const { bytes, since, durationMs } = onLine;
      const left = durationMs === 0 ? bytes : Math.ceil((bytes * (clock.now() - since)) / durationMs);
      const end = sender();
      if (end) end.traffic.bytesSent -= bytes - Math.min(bytes, left);
      onLine = undefined;
    }
    isConnected = false;
    isConfirming = false;
    progress = "queued";
  };

  return {
    get next() {
      return next;
    },
    get complete() {
      return receiving.complete;
    },
    get queued() {
      return queue.length;
    },
    send(frame) {
      queue.push(frame);
      pump();
    },
    resume() {
      isConnected = true;
      pump();
    },
    interrupt,
    restartSender(first) {
      interrupt();
      queue.length = 0;
      next = first;
    },
    restartReceiver(held) {
      interrupt();
      receiving.restart(held);
    },
  };
}
