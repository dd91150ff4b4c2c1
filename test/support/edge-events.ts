import type { Frame } from "../../src/exchange/frame.js";
import type { Closed, EdgeEvent, Transport } from "../../src/exchange/transport.js";

type AnyEvent = EdgeEvent | Closed;
type EventOf<Kind extends AnyEvent["kind"]> = Extract<AnyEvent, { kind: Kind }>;

/** The events of a transport, sorted by kind; the order within a kind is kept. */
export interface EdgeEvents {
  /** Everything so far, in order. */
  readonly seen: readonly AnyEvent[];
  /** The next event of this kind, past or future; rejects when the transport closes first. */
  next<Kind extends AnyEvent["kind"]>(kind: Kind): Promise<EventOf<Kind>>;
  /** The next frame with a payload of its own; the transport has its memory back. */
  receive(): Promise<{ readonly from: number; readonly frame: Frame }>;
}

/** Reads a transport to its end. It must have no other reader. */
export function readEvents(transport: Transport): EdgeEvents {
  const seen: AnyEvent[] = [];
  const unread = new Map<string, AnyEvent[]>();
  const waiting = new Map<string, { resolve(event: AnyEvent): void; reject(error: Error): void }[]>();
  let closed: Closed | undefined;

  transport.listen((event) => {
    seen.push(event);
    const reader = waiting.get(event.kind)?.shift();
    if (reader) reader.resolve(event);
    else unread.set(event.kind, [...(unread.get(event.kind) ?? []), event]);
    if (event.kind !== "closed") return;
    closed = event;
    for (const [kind, readers] of waiting) {
      for (const { reject } of readers) reject(new Error(`closed before the next event "${kind}"`));
    }
  });

  const next = <Kind extends AnyEvent["kind"]>(kind: Kind): Promise<EventOf<Kind>> => {
    const event = unread.get(kind)?.shift() ?? (kind === "closed" ? closed : undefined);
    if (event) return Promise.resolve(event as EventOf<Kind>);
    if (closed) return Promise.reject(new Error(`closed before the next event "${kind}"`));
    return new Promise((resolve, reject) => {
      const readers = waiting.get(kind) ?? [];
      readers.push({ resolve: resolve as (event: AnyEvent) => void, reject });
      waiting.set(kind, readers);
    });
  };
  return {
    seen,
    next,
    async receive() {
      const { peer, frame, release } = await next("frame");
      const own = { ...frame, payload: frame.payload.slice() };
      release();
      return { from: peer, frame: own };
    },
  };
}
