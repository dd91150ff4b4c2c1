import type { Closed, EdgeEvent } from "../exchange/transport.js";
import type { MurmurationError } from "../foundation/errors.js";

/** A queue of edge events with one reader. */
export interface EventQueue {
  put(event: EdgeEvent): void;
  /** The oldest event; a promise only where none waits. */
  next(): EdgeEvent | Closed | Promise<EdgeEvent | Closed>;
  /** Drops what waits; every read from now on is `closed`, with this error if there is one. */
  close(error?: MurmurationError): void;
}

export function createEventQueue(): EventQueue {
  let waiting: EdgeEvent[] = [];
  let reader: ((event: EdgeEvent | Closed) => void) | undefined;
  let closed: Closed | undefined;
  return {
    put(event) {
      if (closed) return;
      if (reader) {
        const resolve = reader;
        reader = undefined;
        resolve(event);
      } else waiting.push(event);
    },
    next() {
      if (closed) return closed;
      const event = waiting.shift();
      if (event) return event;
      return new Promise((resolve) => {
        reader = resolve;
      });
    },
    close(error) {
      if (closed) return;
      closed = { kind: "closed", ...(error && { error }) };
      for (const event of waiting) if (event.kind === "frame") event.release();
      waiting = [];
      reader?.(closed);
      reader = undefined;
    },
  };
}
