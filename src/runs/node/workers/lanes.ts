/**
 * Frames between peers of different worker threads. A frame is written into shared memory, where its receiver reads it in
 * place; a message says where. Places are used again once the receiver has released them, so that rounds allocate nothing
 * after the first ones.
 */
import type { MessagePort } from "node:worker_threads";
import { decodeFrame, encodeHeader, type Frame } from "../../../exchange/frame.js";
import type { Elsewhere } from "../../../exchange/hand-over.js";
import type { Lines } from "./service.js";

/** Bytes before a place's frame, the first four of them its state; as many as a cache line. */
const HEAD_BYTES = 64;
const FREE = 0;
const TAKEN = 1;
/** Places that are looked at before another one is made. */
const MOST_TRIES = 64;
/** Least room of a place, in bytes. */
const MINIMUM_BYTES = 1 << 10;

interface Place {
  readonly state: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

/** What one message announces: new places, and frames as four numbers each: from, to, place, bytes. */
interface Announcement {
  readonly places: readonly SharedArrayBuffer[];
  readonly frames: readonly number[];
}

const placeIn = (memory: SharedArrayBuffer): Place => ({
  state: new Int32Array(memory, 0, 1),
  bytes: new Uint8Array(memory, HEAD_BYTES),
});

/** The peers of the other workers. */
export function createLanes({ own, homes, ports, maximumPayloadBytes }: Lines): Elsewhere {
  const senders = ports.map((port) => port && createSender(port, maximumPayloadBytes));
  return {
    has: (peer) => homes[peer] !== own,
    send: (from, to, frame) => senders[homes[to]!]!(from, to, frame),
    receive(arrived) {
      for (const port of ports) if (port) listen(port, arrived);
    },
  };
}

function createSender(port: MessagePort, maximumPayloadBytes: number): Elsewhere["send"] {
  const places: Place[] = [];
  let made: SharedArrayBuffer[] = [];
  let frames: number[] = [];

  let next = 0;
  const isFree = ({ state, bytes }: Place, length: number): boolean =>
    bytes.length >= length && Atomics.load(state, 0) === FREE;

  /** A place that is free and has room, or a new one. From the last one on: those behind it were released first. */
  const take = (length: number): number => {
    for (let tries = 0; tries < Math.min(places.length, MOST_TRIES); tries++) {
      next = (next + 1) % places.length;
      if (isFree(places[next]!, length)) return next;
    }
    // Of a few sizes, so that payloads whose length varies share places.
    const room = 2 ** Math.ceil(Math.log2(Math.max(MINIMUM_BYTES, length)));
    const memory = new SharedArrayBuffer(HEAD_BYTES + room);
    made.push(memory);
    places.push(placeIn(memory));
    return places.length - 1;
  };
  const announce = (): void => {
    port.postMessage({ places: made, frames } satisfies Announcement);
    made = [];
    frames = [];
  };

  return (from, to, frame: Frame) => {
    const header = encodeHeader(frame);
    const length = header.length + frame.payload.length;
    const place = take(length);
    const { state, bytes } = places[place]!;
    Atomics.store(state, 0, TAKEN);
    bytes.set(header);
    bytes.set(frame.payload, header.length);
    decodeFrame(bytes.subarray(0, length), maximumPayloadBytes);
    // One message for all that peers of this worker send before any of them waits.
    if (frames.length === 0) setImmediate(announce);
    frames.push(from, to, place, length);
    return length;
  };
}

function listen(port: MessagePort, arrived: Parameters<Elsewhere["receive"]>[0]): void {
  const places: Place[] = [];
  port.on("messageerror", endWith);
  port.on("message", ({ places: made, frames }: Announcement) => {
    places.push(...made.map(placeIn));
    for (let k = 0; k < frames.length; k += 4) {
      const { state, bytes } = places[frames[k + 2]!]!;
      const release = () => void Atomics.store(state, 0, FREE);
      arrived(frames[k]!, frames[k + 1]!, bytes.subarray(0, frames[k + 3]!), once(release));
    }
  });
}

/** Ends this worker, and with it the run: somebody waits for a message that cannot be read. */
export function endWith(error: Error): never {
  throw error;
}

/** The place may be another frame's by the second call. */
function once(release: () => void): () => void {
  let isReleased = false;
  return () => {
    if (!isReleased) release();
    isReleased = true;
  };
}
