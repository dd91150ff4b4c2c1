import { decodeFrame, type Frame, frameBytes, requirePayload } from "../exchange/frame.js";
import { MAX_UNRELEASED_FRAMES, noTraffic, type Traffic, type Transport } from "../exchange/transport.js";
import { InvalidTopology } from "../foundation/errors.js";
import { createEventQueue } from "./event-queue.js";
import { createPayloadCopies } from "./payload-copies.js";

/** One direction of an edge. */
interface Lane {
  /** Frames that the receiver has no room for yet, oldest first. */
  readonly waiting: Delivery[];
  unreleased: number;
}

/** A frame under way, with a payload that the sender no longer needs to keep. */
interface Delivery {
  readonly frame: Frame;
  readonly bytes: number;
  /** The receiver has read it. */
  free(): void;
}

/** Peers of the same run in other threads. */
export interface Elsewhere {
  has(peer: number): boolean;
  /**
   * Carries a frame there, however many were not released: peers that wait for all edges have few under way. Its payload's
   * memory may be used again at once.
   * @returns bytes of the encoded frame
   */
  send(from: number, to: number, frame: Frame): number;
  /** From now on every frame from there is given to the function, in the order of its edge. */
  receive(arrived: (from: number, to: number, bytes: Uint8Array, release: () => void) => void): void;
}

/**
 * Transports between peers of one process. Frames cross as objects, without being encoded: a payload is copied once for all
 * neighbours that get it, and traffic is counted as the bytes that a network carries.
 *
 * @param maximumPayloadBytes limit that receivers put on payloads
 * @param elsewhere peers that run in other threads; all run in this one where left out
 * @returns one transport per peer, by id
 */
export function createMemoryTransports(
  peers: number,
  maximumPayloadBytes: number,
  elsewhere?: Elsewhere,
): Transport[] {
  const queues = Array.from({ length: peers }, () => createEventQueue());
  const traffics = queues.map(() => new Map<number, Traffic>());
  const arrived = (from: number, to: number, frame: Frame, bytes: number, release: () => void): void => {
    const received = entry(traffics[to]!, from, noTraffic);
    received.bytesReceived += bytes;
    received.messagesReceived++;
    queues[to]!.put({ kind: "frame", peer: from, frame, release });
  };
  elsewhere?.receive((from, to, bytes, release) =>
    arrived(from, to, decodeFrame(bytes, maximumPayloadBytes), bytes.length, release),
  );

  return queues.map((queue, id): Transport => {
    const lanes = new Map<number, Lane>();
    const copies = createPayloadCopies();
    const trafficOf = (neighbour: number) => entry(traffics[id]!, neighbour, noTraffic);

    /** Moves frames to the receiver for as long as it has room, and acknowledges each. */
    const deliver = (to: number, lane: Lane): void => {
      while (lane.waiting.length > 0 && lane.unreleased < MAX_UNRELEASED_FRAMES) {
        const { frame, bytes, free } = lane.waiting.shift()!;
        lane.unreleased++;
        let isReleased = false;
        const release = () => {
          if (isReleased) return;
          isReleased = true;
          lane.unreleased--;
          free();
          deliver(to, lane);
        };
        arrived(id, to, frame, bytes, release);
        queue.put({ kind: "acknowledged", peer: to });
      }
    };

    return {
      send(to, frame) {
        if (to === id || !(to in queues))
          throw new InvalidTopology(
            `peer ${id} cannot send to peer ${to}: it can send to the other peers of 0 to ${peers - 1}`,
            { code: "send-to-unknown-peer", peer: id, neighbour: to },
          );
        const isElsewhere = elsewhere?.has(to) === true;
        const bytes = isElsewhere ? elsewhere.send(id, to, frame) : frameBytes(frame);
        requirePayload(frame.payload, maximumPayloadBytes);
        const sent = trafficOf(to);
        sent.bytesSent += bytes;
        sent.messagesSent++;
        if (isElsewhere) {
          queue.put({ kind: "acknowledged", peer: to });
          return;
        }
        const lane = entry(lanes, to, () => ({ waiting: [], unreleased: 0 }));
        lane.waiting.push({ ...copies.take(frame), bytes });
        deliver(to, lane);
      },
      listen: queue.listen,
      // The exchange counts what it refuses; in one process there is no connection to end.
      refuse() {},
      traffic: trafficOf,
      // In one process no neighbour starts again.
      async finish() {},
      async close() {
        queue.close();
      },
    };
  });
}

function entry<Value>(map: Map<number, Value>, key: number, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
