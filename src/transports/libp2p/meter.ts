/**
 * Counts the bytes of a connection where it meets its carrier: below muxer and Noise, so their headers, tags and
 * handshakes are in, and TCP/IP's and WebSocket's own are not. What counts as sent is what the carrier took.
 */
import type { MultiaddrConnection } from "@libp2p/interface";
import type { Traffic } from "../../transport.js";

/** The two methods every connection of libp2p's transports has, through which all of its bytes pass. */
interface Carrier {
  sendData(data: unknown): { sentBytes: number };
  onData(data: { byteLength: number }): void;
}

export type ByteTraffic = Pick<Traffic, "bytesSent" | "bytesReceived">;

export interface Meter {
  /** Starts counting a connection. */
  watch(connection: MultiaddrConnection): void;
  /** From now on a connection counts for this edge, with what it has carried before. */
  assign(connection: MultiaddrConnection, edge: ByteTraffic): void;
}

export function createMeter(): Meter {
  const edges = new WeakMap<MultiaddrConnection, { edge: ByteTraffic }>();
  return {
    watch(connection) {
      const carrier = connection as unknown as Carrier;
      const counted: { edge: ByteTraffic } = { edge: { bytesSent: 0, bytesReceived: 0 } };
      edges.set(connection, counted);
      const sendData = carrier.sendData.bind(carrier);
      const onData = carrier.onData.bind(carrier);
      carrier.sendData = (data) => {
        const result = sendData(data);
        counted.edge.bytesSent += result.sentBytes;
        return result;
      };
      carrier.onData = (data) => {
        counted.edge.bytesReceived += data.byteLength;
        onData(data);
      };
    },
    assign(connection, edge) {
      const counted = edges.get(connection);
      if (!counted) return;
      edge.bytesSent += counted.edge.bytesSent;
      edge.bytesReceived += counted.edge.bytesReceived;
      counted.edge = edge;
    },
  };
}
