/**
 * What is done to every connection below libp2p, where it meets its carrier (a socket, a WebSocket, another node of
 * this process): its writes are joined, and its bytes are counted. Both replace `sendData` and `onData`, which are
 * internal to AbstractMessageStream of @libp2p/utils 7 (tested with 7.4.1, libp2p 3); libp2p offers no hook there.
 */
import { Socket } from "node:net";
import type { MultiaddrConnection } from "@libp2p/interface";
import type { Traffic } from "../../exchange/transport.js";

interface Carrier {
  /** Over TCP. */
  readonly socket?: unknown;
  sendData(data: Iterable<Uint8Array> & { readonly byteLength: number }): {
    readonly sentBytes: number;
    readonly canSendMore: boolean;
  };
  onData(data: { readonly byteLength: number }): void;
}

/**
 * From now on, what this connection sends at a time goes to its socket in one call, uncopied; no change without a
 * socket. Noise cuts what it encrypts into short lists of a length, a text and a tag, and libp2p writes each of them
 * alone: three system calls for 64 KiB, and a packet of two bytes.
 */
export function gatherWrites(connection: MultiaddrConnection): void {
  const carrier = connection as unknown as Carrier;
  const { socket } = carrier;
  if (!(socket instanceof Socket)) return;
  carrier.sendData = (data) => {
    socket.cork();
    for (const part of data) socket.write(part);
    socket.uncork();
    return { sentBytes: data.byteLength, canSendMore: !socket.writableNeedDrain };
  };
}

export type ByteTraffic = Pick<Traffic, "bytesSent" | "bytesReceived">;

/**
 * Counts the bytes of connections. Headers, tags and handshakes of muxer and Noise are included; those of TCP/IP and
 * WebSocket are not. What the carrier has accepted counts as sent.
 */
export interface Meter {
  /** Starts counting a new connection. */
  onConnection(connection: MultiaddrConnection): void;
  /** From now on a connection counts for this edge, with what it has carried before. */
  assign(connection: MultiaddrConnection, edge: ByteTraffic): void;
}

export function createMeter(): Meter {
  const counted = new WeakMap<MultiaddrConnection, { edge: ByteTraffic }>();
  return {
    onConnection(connection) {
      const carrier = connection as unknown as Carrier;
      const count: { edge: ByteTraffic } = { edge: { bytesSent: 0, bytesReceived: 0 } };
      counted.set(connection, count);
      const sendData = carrier.sendData.bind(carrier);
      const onData = carrier.onData.bind(carrier);
      carrier.sendData = (data) => {
        const result = sendData(data);
        count.edge.bytesSent += result.sentBytes;
        return result;
      };
      carrier.onData = (data) => {
        count.edge.bytesReceived += data.byteLength;
        onData(data);
      };
    },
    assign(connection, edge) {
      const count = counted.get(connection);
      if (!count) return;
      edge.bytesSent += count.edge.bytesSent;
      edge.bytesReceived += count.edge.bytesReceived;
      count.edge = edge;
    },
  };
}
