import { decodeFrame, encodeFrame } from "../exchange/frame.js";
import { MAX_UNRELEASED_FRAMES, noTraffic, type Traffic, type Transport } from "../exchange/transport.js";
import { InvalidTopology } from "../foundation/errors.js";
import { createEventQueue } from "./event-queue.js";

/** One direction of an edge. */
interface Lane {
  /** Encoded frames that the receiver has no room for yet, oldest first. */
  readonly waiting: Uint8Array[];
  unreleased: number;
}

/**
 * Transports between peers of one process, for rounds that go on without late edges; at the barrier peers of one thread
 * hand payloads over (`exchange/hand-over.ts`). Every frame is encoded and decoded, and traffic is counted as those bytes.
 *
 * @param maximumPayloadBytes limit that receivers put on payloads
 * @returns one transport per peer, by id
 */
export function createMemoryTransports(peers: number, maximumPayloadBytes: number): Transport[] {
  const queues = Array.from({ length: peers }, () => createEventQueue());
  const traffics = queues.map(() => new Map<number, Traffic>());

  return queues.map((queue, id): Transport => {
    const lanes = new Map<number, Lane>();
    const trafficOf = (neighbour: number) => entry(traffics[id]!, neighbour, noTraffic);

    /** Moves frames to the receiver for as long as it has room, and acknowledges each. */
    const deliver = (to: number, lane: Lane): void => {
      while (lane.waiting.length > 0 && lane.unreleased < MAX_UNRELEASED_FRAMES) {
        const bytes = lane.waiting.shift()!;
        lane.unreleased++;
        const received = entry(traffics[to]!, id, noTraffic);
        received.bytesReceived += bytes.length;
        received.messagesReceived++;
        let isReleased = false;
        const release = () => {
          if (isReleased) return;
          isReleased = true;
          lane.unreleased--;
          deliver(to, lane);
        };
        const frame = decodeFrame(bytes, maximumPayloadBytes);
        queues[to]!.put({ kind: "frame", peer: id, frame, release });
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
        const bytes = encodeFrame(frame);
        decodeFrame(bytes, maximumPayloadBytes);
        const sent = trafficOf(to);
        sent.bytesSent += bytes.length;
        sent.messagesSent++;
        const lane = entry(lanes, to, () => ({ waiting: [], unreleased: 0 }));
        lane.waiting.push(bytes);
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
