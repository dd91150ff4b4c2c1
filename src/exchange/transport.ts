/**
 * How frames reach neighbours. Connections, order, resending and back-pressure stay behind this contract. What happens
 * on the edges arrives as one stream of events; a transport never rejects.
 */
import type { MurmurationError } from "../foundation/errors.js";
import type { Frame } from "./frame.js";
import type { Chain, State } from "./waiting.js";

/** Most unreleased frames of one neighbour; the next is delivered and acknowledged once one of them is released. */
export const MAX_UNRELEASED_FRAMES = 2;

/** Where an edge goes on when a peer starts again; 0 and 0 in a new run. Frames of an edge are numbered by their exchange. */
export interface EdgePosition {
  /** How many frames of this peer the neighbour is known to have: the number of the next. */
  readonly sent: number;
  /** How many frames of the neighbour this peer has for good. */
  readonly received: number;
}

/** What makes an edge outlive the process. */
export interface Durability {
  /** How many frames of the edge each end has had, from which the transport goes on. */
  position(neighbour: number): EdgePosition;
  /** Called with a frame before it counts, and before the neighbour gets its acknowledgement. Where it throws, the frame comes again. */
  keep(neighbour: number, frame: Frame): void;
}

/** For a run that does not outlive its process. */
export const notDurable: Durability = { position: () => ({ sent: 0, received: 0 }), keep() {} };

/** Broken rules of the protocol after which a transport bans a neighbour for a while. */
export const MAX_VIOLATIONS = 3;

/** What happened on the edge to the neighbour `peer`. Events of one edge arrive in their order. */
export type EdgeEvent =
  | {
      readonly kind: "frame";
      readonly peer: number;
      readonly frame: Frame;
      /** Gives the payload's memory back and makes room for another frame. Safe to call twice. */
      readonly release: () => void;
    }
  /** The neighbour has the oldest unacknowledged frame: its payload's memory may be used again. */
  | { readonly kind: "acknowledged"; readonly peer: number }
  /** The neighbour has been unreachable for longer than it may, or is banned. Frames sent to it stay queued. */
  | { readonly kind: "down"; readonly peer: number; readonly error: MurmurationError }
  /** The neighbour is back. */
  | { readonly kind: "up"; readonly peer: number }
  /** The neighbour has lost what it had, and asks to be taken in again. */
  | { readonly kind: "lost"; readonly peer: number };

/** The last event: the transport was closed, or cannot go on because of `error`. */
export interface Closed {
  readonly kind: "closed";
  readonly error?: MurmurationError;
}

/** Takes a transport's events, in their order. */
export type Listener = (event: EdgeEvent | Closed) => void;

/** What a transport counted on one edge, in bytes and messages as its carrier saw them. */
export interface Traffic {
  bytesSent: number;
  bytesReceived: number;
  messagesSent: number;
  messagesReceived: number;
}

/** What has crossed an edge, in bytes and messages. */
export interface EdgeTraffic extends Readonly<Traffic> {
  readonly neighbour: number;
}

/** Carries frames between neighbours, in order and once each, and reports what happens to edges. It never rejects a frame. */
export interface Transport {
  /**
   * Queues a frame for a neighbour. It is delivered once, after those queued before it, over as many connections as
   * it takes. The payload must stay as it is until its `acknowledged` event.
   * @throws InvalidTopology `to` is not a neighbour
   */
  send(to: number, frame: Frame): void;
  /**
   * From now on the listener gets every event of any edge, those that wait first, and `closed` as the last one, once. It is
   * called from a microtask, so that what it does can make new events. One listener.
   */
  listen(listener: Listener): void;
  /** Counts a frame of this neighbour as a violation of the protocol; after too many the neighbour is banned for a while. */
  refuse(peer: number, reason: string): void;
  /** What has crossed the edge to this neighbour so far. */
  traffic(neighbour: number): Readonly<Traffic>;
  /** From now on neighbours learn with heartbeats what this peer does, as the function says. */
  activity?(now: () => State): void;
  /** What the neighbour does and whom it waits for, as far as it is known. */
  waitsFor?(neighbour: number): Chain;
  /**
   * This peer needs nothing more: it has every frame that it waits for, and the acknowledgement of each of its own. Resolves
   * once every neighbour has stated the same, or has been gone for a time that the transport states, or the transport is
   * closed. Until it is closed, the transport serves its neighbours as before.
   */
  finish?(): Promise<void>;
  /** Ends every wait. Safe to call twice. */
  close(): Promise<void>;
}

export function noTraffic(): Traffic {
  return { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 };
}
