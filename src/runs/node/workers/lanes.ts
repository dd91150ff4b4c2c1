/**
 * Frames between peers of different worker threads. A frame is written into a slab of shared memory, where its receiver reads
 * it in place; one message announces all that were written before a wait. A slab is used again once its frames are released, so
 * that rounds allocate nothing after the first ones.
 *
 * A slab begins with the count of its frames that are not released. A frame in it is a head of int32 words, its payload, and
 * room up to the next multiple of 8 bytes.
 */
import type { MessagePort } from "node:worker_threads";
import { type Frame, frameKinds } from "../../../exchange/frame.js";
import type { Elsewhere } from "../../../exchange/hand-over.js";
import type { Lines } from "./service.js";

/** Least bytes of a slab. */
export const SLAB_BYTES = 1 << 20;
/** Bytes before a slab's first frame: as many as a cache line. */
const SLAB_HEAD_BYTES = 64;
const UNRELEASED = 0;

// Words of a frame's head.
const FROM = 0;
const TO = 1;
const KIND = 2;
const ROUND = 3;
const STEP = 4;
const EXCHANGE = 5;
const HALVINGS = 6;
const PAYLOAD_BYTES = 7;
const HEAD_BYTES = 32;

interface Slab {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

/** New slabs, and where new frames are, as three numbers each time: which slab, first byte, end. */
interface Announcement {
  readonly slabs: readonly SharedArrayBuffer[];
  readonly ranges: readonly number[];
}

const slabIn = (memory: SharedArrayBuffer): Slab => ({
  words: new Int32Array(memory),
  bytes: new Uint8Array(memory),
});

const sizeOf = ({ payload }: Frame): number => HEAD_BYTES + Math.ceil(payload.length / 8) * 8;

/** The peers of the other workers. */
export function createLanes({ own, homes, ports }: Lines): Elsewhere {
  const senders = ports.map((port) => port && createSender(port));
  return {
    has: (peer) => homes[peer] !== own,
    send: (from, to, frame) => senders[homes[to]!]!(from, to, frame),
    receive(arrived) {
      for (const port of ports) if (port) listen(port, arrived);
    },
  };
}

function createSender(port: MessagePort): Elsewhere["send"] {
  const slabs: Slab[] = [];
  let made: SharedArrayBuffer[] = [];
  let ranges: number[] = [];
  let current = -1;
  /** Where the current slab's new frames begin, and end. */
  let first = 0;
  let end = 0;

  const isFree = ({ words, bytes }: Slab, room: number): boolean =>
    bytes.length >= room && Atomics.load(words, UNRELEASED) === 0;
  const closeRange = (): void => {
    if (end > first) ranges.push(current, first, end);
  };
  const open = (slab: number): void => {
    current = slab;
    first = SLAB_HEAD_BYTES;
    end = SLAB_HEAD_BYTES;
  };
  /** Makes room for so many bytes in the current slab, which may become another one. */
  const reserve = (size: number): void => {
    const isBetweenBatches = first === end;
    if (isBetweenBatches && current >= 0 && isFree(slabs[current]!, SLAB_HEAD_BYTES + size)) {
      open(current);
      return;
    }
    if (current >= 0 && end + size <= slabs[current]!.bytes.length) return;
    closeRange();
    const room = SLAB_HEAD_BYTES + size;
    const free = slabs.findIndex((slab, k) => k !== current && isFree(slab, room));
    if (free >= 0) {
      open(free);
      return;
    }
    // Of a few sizes, so that payloads whose length varies share slabs.
    const memory = new SharedArrayBuffer(2 ** Math.ceil(Math.log2(Math.max(SLAB_BYTES, room))));
    made.push(memory);
    open(slabs.push(slabIn(memory)) - 1);
  };
  const announce = (): void => {
    closeRange();
    first = end;
    port.postMessage({ slabs: made, ranges } satisfies Announcement);
    made = [];
    ranges = [];
  };

  return (from, to, frame) => {
    // One message for all that peers of this worker send before any of them waits.
    if (first === end && ranges.length === 0) setImmediate(announce);
    reserve(sizeOf(frame));
    const { words, bytes } = slabs[current]!;
    Atomics.add(words, UNRELEASED, 1);
    const head = end / 4;
    words[head + FROM] = from;
    words[head + TO] = to;
    words[head + KIND] = frameKinds.indexOf(frame.kind);
    words[head + ROUND] = frame.round;
    words[head + STEP] = frame.step;
    words[head + EXCHANGE] = frame.exchange;
    words[head + HALVINGS] = frame.halvings ?? 0;
    words[head + PAYLOAD_BYTES] = frame.payload.length;
    bytes.set(frame.payload, end + HEAD_BYTES);
    end += sizeOf(frame);
  };
}

function listen(port: MessagePort, arrived: Parameters<Elsewhere["receive"]>[0]): void {
  const slabs: (Slab & { readonly holder: { drop(): void } })[] = [];
  port.on("messageerror", endWith);
  port.on("message", ({ slabs: made, ranges }: Announcement) => {
    for (const memory of made) {
      const slab = slabIn(memory);
      slabs.push({ ...slab, holder: { drop: () => void Atomics.sub(slab.words, UNRELEASED, 1) } });
    }
    for (let k = 0; k < ranges.length; k += 3) {
      const { words, bytes, holder } = slabs[ranges[k]!]!;
      for (let at = ranges[k + 1]!; at < ranges[k + 2]!; ) {
        const head = at / 4;
        const from = at + HEAD_BYTES;
        const frame: Frame = {
          kind: frameKinds[words[head + KIND]!]!,
          round: words[head + ROUND]! >>> 0,
          step: words[head + STEP]!,
          exchange: words[head + EXCHANGE]! >>> 0,
          payload: bytes.subarray(from, from + words[head + PAYLOAD_BYTES]!),
          halvings: words[head + HALVINGS]! || undefined,
        };
        at += sizeOf(frame);
        arrived(words[head + FROM]!, words[head + TO]!, frame, holder);
      }
    }
  });
}

/** Ends this worker, and with it the run: somebody waits for a message that cannot be read. */
function endWith(error: Error): never {
  throw error;
}
