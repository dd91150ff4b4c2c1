import type { Closed, EdgeEvent, Transport } from "../../src/exchange/transport.js";
import type { Clock } from "../../src/foundation/clock.js";
import { random } from "../../src/foundation/random.js";
import { createEventQueue } from "../../src/transports/event-queue.js";

export interface Faults {
  readonly seed: number;
  /** A frame arrives up to so many milliseconds late; frames of different edges overtake each other. */
  readonly latestMs: number;
  /** Probability that a frame arrives a second time, later. */
  readonly duplicates: number;
}

/** The same transport with seeded lateness and duplicates. What an edge carries stays in order. */
export function faulty(transport: Transport, id: number, clock: Clock, faults: Faults): Transport {
  const { seed, latestMs, duplicates } = faults;
  const queue = createEventQueue();
  const draws = random(seed, "faults", id);
  let draw = 0;
  const busyUntil = new Map<number, number>();

  const deliver = (event: EdgeEvent): void => {
    const { peer } = event;
    const at = Math.max(busyUntil.get(peer) ?? 0, clock.now() + latestMs * draws.uniform(draw++));
    busyUntil.set(peer, at);
    clock.after(at - clock.now(), () => queue.put(event));
    if (event.kind !== "frame" || draws.uniform(draw++) >= duplicates) return;
    const payload = event.frame.payload.slice();
    const again = { ...event, frame: { ...event.frame, payload }, release: () => {} };
    clock.after(at - clock.now() + latestMs * draws.uniform(draw++), () => queue.put(again));
  };
  const read = async (): Promise<void> => {
    for (;;) {
      const event: EdgeEvent | Closed = await transport.next();
      if (event.kind === "closed") return queue.close(event.error);
      deliver(event);
    }
  };
  void read();
  const leavesAt = new Map<number, number>();
  return {
    ...transport,
    next: queue.next,
    // A frame is read where it lies when it leaves, which may be late: until then its payload must stay as it is.
    send(to, frame) {
      const at = Math.max(leavesAt.get(to) ?? 0, clock.now() + latestMs * draws.uniform(draw++));
      leavesAt.set(to, at);
      clock.after(at - clock.now(), () => transport.send(to, frame));
    },
  };
}
