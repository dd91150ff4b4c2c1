import { InvalidTopology } from "../errors.js";
import { decodeFrame, encodeFrame } from "../frame.js";
import { type Delivery, noTraffic, type Traffic, type Transport } from "../transport.js";

/**
 * Transports between peers of one process. Every frame is encoded and decoded, so that a simulation runs
 * through the same bytes as a network does, and its traffic is counted as those bytes.
 *
 * @param maximumPayloadBytes limit that receivers put on payloads
 * @returns one transport per peer, by id
 */
export function createMemoryTransports(peers: number, maximumPayloadBytes: number): Transport[] {
  const inboxes = Array.from({ length: peers }, () => createInbox());

  return inboxes.map((inbox, id): Transport => {
    const edges = new Map<number, Traffic>();
    inbox.count = (from, bytes) => {
      const edge = edgeTo(edges, from);
      edge.bytesReceived += bytes;
      edge.messagesReceived++;
    };
    return {
      async send(to, frame) {
        const target = inboxes[to];
        if (!target)
          throw new InvalidTopology(`peer ${id} sends to peer ${to}, but there are ${peers} peers`);
        const bytes = encodeFrame(frame);
        const edge = edgeTo(edges, to);
        edge.bytesSent += bytes.length;
        edge.messagesSent++;
        target.count(id, bytes.length);
        target.deliver({ from: id, frame: decodeFrame(bytes, maximumPayloadBytes) });
      },
      receive: () => inbox.next(),
      traffic: (neighbour) => edgeTo(edges, neighbour),
      async close() {
        inbox.close();
      },
    };
  });
}

function edgeTo(edges: Map<number, Traffic>, neighbour: number): Traffic {
  let edge = edges.get(neighbour);
  if (!edge) {
    edge = noTraffic();
    edges.set(neighbour, edge);
  }
  return edge;
}

/** A queue with one reader. */
function createInbox() {
  const waiting: Delivery[] = [];
  let reader: ((delivery: Delivery | undefined) => void) | undefined;
  let closed = false;
  return {
    count: (_from: number, _bytes: number): void => {},
    deliver(delivery: Delivery): void {
      if (closed) return;
      if (reader) {
        reader(delivery);
        reader = undefined;
      } else {
        waiting.push(delivery);
      }
    },
    next(): Promise<Delivery | undefined> {
      const delivery = waiting.shift();
      if (delivery || closed) return Promise.resolve(delivery);
      return new Promise((resolve) => {
        reader = resolve;
      });
    },
    close(): void {
      closed = true;
      reader?.(undefined);
      reader = undefined;
    },
  };
}
