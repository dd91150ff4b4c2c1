/** How frames reach neighbours. Everything about connections, order and back-pressure stays behind this. */
import type { Frame } from "./frame.js";

/** A frame and the neighbour that sent it. */
export interface Delivery {
  readonly from: number;
  readonly frame: Frame;
  /**
   * Gives the payload's memory back for a later frame; the payload is gone then. Never called is fine too, it
   * only costs new memory.
   */
  readonly release?: () => void;
}

/** What a transport counted on one edge, in bytes and messages as its carrier saw them. */
export interface Traffic {
  bytesSent: number;
  bytesReceived: number;
  messagesSent: number;
  messagesReceived: number;
}

export interface Transport {
  /**
   * Hands a frame over for a neighbour. Resolves when the payload's memory may be used again.
   * @throws MurmurationError when this neighbour cannot be reached any more
   */
  send(to: number, frame: Frame): Promise<void>;
  /** The next frame from any neighbour, in each neighbour's order; undefined once the transport is closed. */
  receive(): Promise<Delivery | undefined>;
  /** What has crossed the edge to this neighbour so far. */
  traffic(neighbour: number): Readonly<Traffic>;
  /** Ends every wait. Safe to call twice. */
  close(): Promise<void>;
}

export function noTraffic(): Traffic {
  return { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 };
}
