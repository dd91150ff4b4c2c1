/**
 * Gathers what goes to a socket. Noise cuts what it encrypts into short lists of a length, a text and a tag, and
 * libp2p writes each of them by itself: three system calls for 64 KiB, and a packet of two bytes. Here everything
 * that libp2p has at a moment goes down in one call, without being copied.
 */
import { Socket } from "node:net";
import type { MultiaddrConnection } from "@libp2p/interface";

/** What a connection over TCP has inside; another carrier has no socket. */
interface SocketCarrier {
  readonly socket?: unknown;
  sendData(data: Iterable<Uint8Array> & { readonly byteLength: number }): {
    readonly sentBytes: number;
    readonly canSendMore: boolean;
  };
}

/** From now on, what this connection sends at a time goes to its socket in one piece; no change without a socket. */
export function gatherWrites(connection: MultiaddrConnection): void {
  const carrier = connection as unknown as SocketCarrier;
  const { socket } = carrier;
  if (!(socket instanceof Socket)) return;
  carrier.sendData = (data) => {
    socket.cork();
    for (const part of data) socket.write(part);
    socket.uncork();
    return { sentBytes: data.byteLength, canSendMore: !socket.writableNeedDrain };
  };
}
