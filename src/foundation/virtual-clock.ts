/**
 * Time that moves from one event to the next whenever everything else has come to rest. Events of one time happen in
 * the order in which they were planned, so equal programs take equal courses, whatever the machine does meanwhile.
 */
import { type Clock, quiescence } from "./clock.js";
import { Deadlock } from "./errors.js";
import { createHeap, type HeapEntry } from "./heap.js";

export interface VirtualClock extends Clock {
  /**
   * Like `after`, for what happens beside the run and does not advance time alone, such as the next loss of a
   * connection. It is no reason to go on when everything waits.
   */
  meanwhile(milliseconds: number, callback: () => void): () => void;
  /**
   * Does work that takes this many milliseconds of this time, however long it really takes. The promise settles at that
   * time, in the order of the events; time does not pass it before the work is done.
   */
  during<T>(milliseconds: number, work: () => Promise<T>): Promise<T>;
  /**
   * Lets time pass until the promise is settled; after that it stands still. One call at a time.
   *
   * @param waiting who waits and for what, for the error
   * @throws Deadlock everything waits, and no event is left
   */
  run<T>(promise: Promise<T>, waiting?: () => string): Promise<T>;
  /** Moves to the next event. @returns false when there is none */
  step(): Promise<boolean>;
  /** Events that are planned with `after` and `during`. */
  pending(): number;
}

interface Event extends HeapEntry {
  readonly at: number;
  readonly order: number;
  readonly isMeanwhile: boolean;
  /** Time stands still until a promise that it returns is settled. */
  readonly happen: () => unknown;
}

const isEarlier = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** A clock that begins at 0. */
export function createVirtualClock(): VirtualClock {
  const events = createHeap(isEarlier);
  let now = 0;
  let planned = 0;
  let awaited = 0;

  const plan = (milliseconds: number, happen: Event["happen"], isMeanwhile = false): (() => void) => {
    // What never happens needs no place.
    if (milliseconds === Number.POSITIVE_INFINITY) return () => {};
    const event: Event = {
      ...{ at: now + Math.max(0, milliseconds), order: planned++, isMeanwhile, happen },
      place: 0,
    };
    events.add(event);
    if (!isMeanwhile) awaited++;
    return () => {
      if (events.remove(event) && !isMeanwhile) awaited--;
    };
  };

  const step = async (): Promise<boolean> => {
    const event = events.take();
    if (!event) return false;
    if (!event.isMeanwhile) awaited--;
    now = event.at;
    await event.happen();
    return true;
  };

  return {
    now: () => now,
    after: (milliseconds, callback) => plan(milliseconds, () => callback()),
    meanwhile: (milliseconds, callback) => plan(milliseconds, () => callback(), true),
    during(milliseconds, work) {
      const done = work();
      return new Promise((resolve, reject) => {
        plan(milliseconds, () => done.then(resolve, reject));
        // It is reported at its time.
        done.catch(() => {});
      });
    },
    async run(promise, waiting) {
      let isSettled = false;
      const settle = () => {
        isSettled = true;
      };
      promise.then(settle, settle);
      for (;;) {
        await quiescence();
        if (isSettled) return promise;
        if (awaited === 0) throw deadlock(now, waiting?.());
        await step();
      }
    },
    step,
    pending: () => awaited,
  };
}

function deadlock(now: number, waiting = "no peer can act"): Deadlock {
  return new Deadlock(
    `everything waits after ${now} ms of virtual time and no event is left: ${waiting}; give each wait a deadline`,
    { code: "deadlock" },
  );
}
