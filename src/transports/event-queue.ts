import type { Closed, EdgeEvent, Listener } from "../exchange/transport.js";
import type { MurmurationError } from "../foundation/errors.js";

/** A queue of edge events with one listener, which is never called while it, or what called it, still runs. */
export interface EventQueue {
  put(event: EdgeEvent): void;
  /** See {@link Transport.listen}. */
  listen(listener: Listener): void;
  /** Drops what waits; the listener gets `closed`, with this error if there is one. */
  close(error?: MurmurationError): void;
}

/** Runs callbacks in microtasks; Node's queueMicrotask keeps an async context for each. */
const soon = Promise.resolve();

export function createEventQueue(): EventQueue {
  let waiting: EdgeEvent[] = [];
  let listener: Listener | undefined;
  let closed: Closed | undefined;
  let isDue = false;
  /** Whether the listener knows that the queue is closed. */
  let isOver = false;

  const deliver = (): void => {
    isDue = false;
    const events = waiting;
    waiting = [];
    for (let k = 0; k < events.length; k++) {
      const event = events[k]!;
      // The listener may close the queue.
      if (closed) drop(event);
      else listener!(event);
    }
    if (!closed || isOver) return;
    isOver = true;
    listener!(closed);
  };
  const schedule = (): void => {
    if (isDue || !listener) return;
    isDue = true;
    void soon.then(deliver);
  };
  return {
    put(event) {
      if (closed) return;
      waiting.push(event);
      schedule();
    },
    listen(given) {
      listener = given;
      if (waiting.length > 0 || closed) schedule();
    },
    close(error) {
      if (closed) return;
      closed = { kind: "closed", ...(error && { error }) };
      for (const event of waiting) drop(event);
      waiting = [];
      schedule();
    },
  };
}

function drop(event: EdgeEvent): void {
  if (event.kind === "frame") event.release();
}
