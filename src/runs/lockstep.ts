/** Peers that begin every round together. */
import type { HandOver } from "../exchange/hand-over.js";
import type { Transport } from "../exchange/transport.js";
import { type Clock, stoppedClock } from "../foundation/clock.js";
import { together } from "../foundation/together.js";
import { atOnce, createTurns, type InTurn } from "../foundation/turns.js";
import type { RoundReport } from "../observing/report.js";
import type { Peer } from "../peer.js";
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
  let runs: readonly AsyncGenerator<RoundReport, void>[] | undefined;
  return {
    async next() {
      runs ??= peers.map((peer, k) => peer.run({ transport: transports[k]!, handOver, clock, inTurn }));
      const results = await together(
        runs.map((run) => run.next()),
        close,
      );
      const reports = results.flatMap((result) => (result.done ? [] : [withoutWaits(result.value)]));
      return reports.length === runs.length ? reports : undefined;
    },
    close,
  };
}

/** Turns of peers whose time is measured, and that compute on this thread. */
function turnsOf(trainers: readonly Trainer[], clock: Clock): InTurn {
  const isMeasured = clock !== stoppedClock && !trainers.some(({ computesElsewhere }) => computesElsewhere);
  return isMeasured ? createTurns() : atOnce;
}

/** What a peer waits for in lockstep is the others' turn on the thread, which says nothing about peers or edges. */
function withoutWaits({ peer, ...report }: RoundReport): RoundReport {
  const { computeMs, compressMs, mixMs, elapsedMs } = report.time;
  return { peer, ...report, time: { computeMs, compressMs, waitMs: 0, mixMs, elapsedMs } };
}
