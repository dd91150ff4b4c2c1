/** Peers that begin every round together. */
import type { HandOver } from "../exchange/hand-over.js";
import type { Transport } from "../exchange/transport.js";
import { type Clock, quiescence, stoppedClock } from "../foundation/clock.js";
import type { Eventually } from "../foundation/eventually.js";
import { together } from "../foundation/together.js";
import { atOnce, createTurns, type InTurn } from "../foundation/turns.js";
import type { RoundReport } from "../observing/report.js";
import type { Course, Peer } from "../peer.js";
import type { Trainer } from "../trainers/trainer.js";

export interface Lockstep {
  /**
   * Every peer's report of the next round, by peer; undefined after the last one.
   * @throws what the first of the peers that fail throws; the others are released
   */
  next(): Promise<readonly RoundReport[] | undefined>;
  /** Ends every wait. Safe to call twice. */
  close(): Promise<unknown>;
}

export interface LockstepOptions {
  readonly peers: readonly Peer[];
  /** One per peer, like the transports, in the order of the peers. */
  readonly trainers: readonly Trainer[];
  readonly transports: readonly Transport[];
  /** By which peers exchange at the barrier, without the transports. */
  readonly handOver: HandOver;
  readonly clock: Clock;
}

export function createLockstep({ peers, trainers, transports, handOver, clock }: LockstepOptions): Lockstep {
  const close = async () => {
    handOver.close();
    await Promise.all(transports.map((transport) => transport.close()));
  };
  const inTurn = turnsOf(trainers, clock);
  /** A peer has failed: ends the others' waits once each has come as far as it can, so that the same ones fail every time. */
  const release = async (steps: readonly Eventually<unknown>[]) => {
    let over = steps.filter((step) => !(step instanceof Promise)).length;
    const count = () => over++;
    for (const step of steps) if (step instanceof Promise) step.then(count, count);
    do await quiescence();
    while (!handOver.isStill(over));
    await close();
  };
  let courses: readonly Course[] | undefined;
  return {
    async next() {
      // What a peer waits for here is the others' turn on the thread, which says nothing about peers or edges.
      courses ??= peers.map((peer, k) =>
        peer.start({ transport: transports[k]!, handOver, clock, inTurn, countsWaits: false }),
      );
      const steps = courses.map(nextOf);
      const reports = await together(steps, () => void release(steps));
      return reports.some((report) => !report) ? undefined : (reports as readonly RoundReport[]);
    },
    close,
  };
}

/** Where a peer fails at once, the others are asked for their rounds all the same. */
function nextOf(course: Course): ReturnType<Course["next"]> {
  try {
    return course.next();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Turns of peers whose time is measured, and that compute on this thread. */
function turnsOf(trainers: readonly Trainer[], clock: Clock): InTurn {
  const isMeasured = clock !== stoppedClock && !trainers.some(({ computesElsewhere }) => computesElsewhere);
  return isMeasured ? createTurns() : atOnce;
}
