/**
 * The ledger: what one peer has offered, received and settled on each of its edges. Pure: no IO, no clock of its own.
 * README.md in this folder is its specification.
 */

import type { CounterName } from "../foundation/counters.js";
import type { MurmurationError } from "../foundation/errors.js";
import type { Neighbour } from "../graphs/mixing.js";
import {
  type Account,
  createAccount,
  type EdgeRecord,
  type Halves,
  isHopeless,
  isPending,
  lose,
  type Offer,
  onTime,
  type Problem,
  punish,
  reasonToRefuse,
  recordOf,
  takeHalves,
  violationOf,
} from "./account.js";
import { createExaminer, type ExaminerOptions } from "./faults.js";
import type { Frame } from "./frame.js";
import { createSettlement, nothing, type Settled, type SettlementOptions } from "./settlement.js";

export type { EdgeRecord, Offer } from "./account.js";

/** A frame that was not taken, and why. */
export interface Refusal {
  readonly from: number;
  readonly reason: string;
}

/** With the counter of its kind. */
export interface CountedRefusal extends Refusal {
  readonly counter: CounterName;
  /** The exchange is void, and the edge goes on. */
  readonly isVoid?: boolean;
}

/** Settings of `createLedger`. */
export interface LedgerOptions extends ExaminerOptions, SettlementOptions {
  readonly id: number;
  readonly edges: readonly Neighbour[];
  /**
   * The strict barrier: both ends of an exchange must be in the same round. Otherwise an edge that is unreachable or
   * broke the protocol is late at once, and its two ends may be rounds apart.
   */
  readonly isBarrier: boolean;
  /** The last learning round: an edge is finished with an exchange that both of its ends offered in it. */
  readonly lastRound: number;
  /** Where each edge goes on, from a checkpoint. A new run where left out. */
  readonly records?: readonly EdgeRecord[];
}

/** Which exchanges a round waits for. */
export type Waiting = "patient" | "all" | "any";

/** Which exchanges of a peer's edges are open, settled or void. Pure: no IO, no clock, no randomness. */
export interface Ledger {
  /**
   * Edges on which a new exchange may open: the last one has settled and this peer's frame is acknowledged. At the
   * barrier an edge that cannot settle is among them, so that the run ends with its reason.
   */
  ready(): readonly Neighbour[];
  /** Edges that are ready, and whose ends have not yet agreed on which exchange is their last. None at the barrier. */
  unfinished(): readonly Neighbour[];
  /**
   * Whether the last exchange is over at both ends of every edge that is not at fault, and was taken. Always at the
   * barrier.
   */
  isFinished(): boolean;
  /** Opens the next exchange of an edge that is ready. @returns the frame to send, unless the edge only receives */
  offered(edge: Neighbour, offer: Offer, now: number): Frame | undefined;
  /** A frame arrived. @returns whether it is taken; one that is refused is released at once */
  received(from: number, frame: Frame, release: () => void): boolean;
  /** The neighbour has the oldest frame that was not acknowledged yet. */
  acknowledged(from: number): void;
  /**
   * The neighbour starts again without what it had: the open exchange and all further ones are void, and none takes place.
   */
  lost(from: number): void;
  /** Neighbours that are lost. */
  lostPeers(): readonly number[];
  /** The neighbour cannot be reached. */
  down(from: number, error: MurmurationError): void;
  /** The neighbour can be reached again. */
  up(from: number): void;
  /** Exchanges that opened more than an edge's patience, in milliseconds, before `now` are late: no longer awaited. */
  tick(now: number, patience: (peer: number) => number): void;
  /** Whether anything is awaited: an open exchange that is not late, or an acknowledgement. */
  isWaiting(): boolean;
  /** The neighbours that are awaited. */
  awaited(): readonly number[];
  /** Neighbours with an exchange that is open and late. */
  late(): readonly number[];
  /**
   * What is awaited from now on:
   * - `patient`: what is pending and not late;
   * - `all`: what is pending, however late;
   * - `any`: every edge until its last exchange is over, as the ends meet after the last learning round.
   *
   * At the barrier nothing is ever late, and the three are one.
   */
  await(what: Waiting): void;
  /** Neighbours whose exchanges do not count at present, after a fault. */
  quarantined(): readonly number[];
  /** Why something that is awaited cannot settle as things are: its edge is unreachable, or broke the protocol. */
  obstacle(): MurmurationError | undefined;
  /** Whether something has settled that was not taken yet. */
  hasSettled(): boolean;
  /** What has settled since the last call, in the order of the edges. Releases what the last call returned. */
  takeSettled(): readonly Settled[];
  /** Neighbours with whom an exchange ended since the last call that does not count at this end. */
  takeVoided(): readonly number[];
  /** The frames that were refused since the last call. */
  takeRefusals(): readonly CountedRefusal[];
  /** Whether the exchange of this neighbour is open and waits for its frame. */
  lacks(peer: number): boolean;
  /** This peer's frames that no neighbour has acknowledged yet. */
  unacknowledged(): readonly { readonly to: number; readonly frame: Frame }[];
  /** Every edge as it is now, for a checkpoint. Payloads are not copied. */
  records(): readonly EdgeRecord[];
}

const edgeOf = ({ edge }: Account): Neighbour => edge;

/** A ledger whose edges all begin with exchange 0, or where `records` say. */
export function createLedger(options: LedgerOptions): Ledger {
  const { id, edges, rate, isBarrier, lastRound, afterFault, records = [] } = options;
  const accounts = edges.map((edge) =>
    createAccount(
      edge,
      records.find(({ peer }) => peer === edge.peer),
    ),
  );
  const byPeer = new Map(accounts.map((account) => [account.edge.peer, account]));
  /** By edge, so that the order in which frames arrive changes no bit of what is computed from them. */
  const settled = new Map<Account, { readonly pair: Settled; readonly halves: Halves }>();
  let waiting: Waiting = "patient";
  let lent: (() => void)[] = [];
  let toRelease: (() => void)[] = [];
  let refusals: CountedRefusal[] = [];
  let voided: number[] = [];
  const examiner = createExaminer(options);
  const settlement = createSettlement(options);

  /** Whether an edge takes no further part in learning: its last exchange is over at both ends, or it is at fault. */
  const isDone = (account: Account): boolean =>
    account.violation !== undefined || (!isPending(account) && (account.isFinished || isHopeless(account)));
  const canOpen = (account: Account): boolean =>
    !isPending(account) &&
    !settled.has(account) &&
    (isBarrier || !(account.violation ?? account.unreachable));
  const isAwaited = (account: Account): boolean =>
    waiting === "any" && !isBarrier ? !isDone(account) : isPending(account) && !account.isLate;
  /** An edge that cannot go on is late at once, where a round may do without it. */
  const giveUp = (account: Account): void => {
    account.isLate ||= !isBarrier && waiting === "patient";
  };

  const settle = (account: Account): void => {
    if (account.violation) return;
    const first = account.arrived[0];
    const problem =
      first && account.open && (first.problem ?? examiner.together(account, account.open, first.frame));
    if (problem) violated(account, problem);
    if (account.violation) return;
    const halves = takeHalves(account, lastRound);
    if (!halves?.theirs) return;
    const { own, theirs } = halves;
    const pair = settlement(account, own, theirs.frame);
    if (!pair) {
      theirs.release();
      voided.push(account.edge.peer);
      return;
    }
    toRelease.push(theirs.release);
    settled.set(account, { pair, halves });
  };

  /** An exchange that ends without the neighbour. */
  const voidWithoutFrame = (account: Account, own: Offer): void => {
    const { edge } = account;
    if (own.kind !== "learning" || afterFault === "void") voided.push(edge.peer);
    else {
      const pair = { edge, own: own.payload, theirs: nothing, isVoid: true, rate: rate(own.round) } as const;
      settled.set(account, { pair, halves: { own, theirs: undefined } });
    }
  };

  const violated = (account: Account, { what, counter, cause }: Problem): void => {
    const isVoid = afterFault !== "end";
    refusals.push({ from: account.edge.peer, counter, reason: what, isVoid });
    if (isVoid) {
      punish(account, afterFault === "void-for-good");
      return;
    }
    account.violation = violationOf(account, id, what, cause);
    for (const { release } of account.arrived.splice(0)) release();
    giveUp(account);
  };

  for (const account of accounts) settle(account);

  return {
    ready: () => accounts.filter((each) => canOpen(each) && (isBarrier || !isDone(each))).map(edgeOf),
    unfinished: () =>
      isBarrier ? [] : accounts.filter((each) => canOpen(each) && !isDone(each)).map(edgeOf),
    isFinished: () => isBarrier || (settled.size === 0 && accounts.every(isDone)),

    offered(edge, offer, now) {
      const account = byPeer.get(edge.peer)!;
      const { exchange } = account;
      if (account.isLost) {
        voidWithoutFrame(account, offer);
        return undefined;
      }
      account.open = offer;
      account.openedAt = now;
      account.isLate = false;
      const frame = account.sends ? { exchange, ...offer } : undefined;
      account.unacknowledged = frame;
      settle(account);
      return frame;
    },

    received(from, frame, release) {
      const account = byPeer.get(from);
      const reason = !account
        ? `it is not a neighbour of peer ${id}`
        : account.isLost
          ? `peer ${from} has lost what it had, and is taken in with the run's next epoch`
          : account.receives
            ? reasonToRefuse(account, frame)
            : `its edge does not lead to peer ${id}`;
      if (!account || reason !== undefined) {
        release();
        const counter = account?.receives ? "refusedOutOfTurn" : "refusedStranger";
        refusals.push({ from, counter, reason: reason! });
        return false;
      }
      const problem = examiner.alone(account, frame);
      if (!problem && frame.kind === "learning") account.theirRound = frame.round;
      if (problem) {
        // It spends its number, and takes no memory until that is due.
        release();
        account.arrived.push({ frame: { ...frame, payload: nothing }, release() {}, problem });
      } else account.arrived.push({ frame, release });
      settle(account);
      return !problem;
    },

    acknowledged(from) {
      const account = byPeer.get(from);
      if (!account?.unacknowledged) return;
      account.unacknowledged = undefined;
      onTime(account);
    },

    lost(from) {
      const account = byPeer.get(from);
      if (!account || account.isLost) return;
      const own = lose(account);
      if (own) voidWithoutFrame(account, own);
    },

    lostPeers: () => accounts.filter(({ isLost }) => isLost).map(({ edge }) => edge.peer),

    down(from, error) {
      const account = byPeer.get(from);
      if (!account || account.isLost) return;
      account.unreachable = error;
      giveUp(account);
    },

    up(from) {
      const account = byPeer.get(from);
      if (!account) return;
      account.unreachable = undefined;
      onTime(account);
    },

    tick(now, patience) {
      for (const account of accounts) {
        const isOver = now - account.openedAt >= patience(account.edge.peer);
        if (isPending(account) && isOver) account.isLate = true;
      }
    },

    isWaiting: () => accounts.some(isAwaited),
    awaited: () => accounts.filter(isAwaited).map(({ edge }) => edge.peer),
    late: () => accounts.filter(({ isLate }) => isLate).map(({ edge }) => edge.peer),

    await(what) {
      waiting = what;
      if (what !== "patient") for (const account of accounts) account.isLate = false;
    },

    obstacle() {
      for (const account of accounts) {
        const obstacle = account.violation ?? account.unreachable;
        if (obstacle && isAwaited(account)) return obstacle;
      }
      return undefined;
    },

    quarantined: () => accounts.filter(({ quarantine }) => quarantine.left > 0).map(({ edge }) => edge.peer),

    hasSettled: () => settled.size > 0,

    takeSettled() {
      for (const release of lent) release();
      lent = toRelease;
      toRelease = [];
      const taken = accounts.flatMap((account) => settled.get(account)?.pair ?? []);
      settled.clear();
      return taken;
    },

    takeVoided() {
      const taken = voided;
      voided = [];
      return taken;
    },

    takeRefusals() {
      const taken = refusals;
      refusals = [];
      return taken;
    },

    lacks(peer) {
      const account = byPeer.get(peer);
      return account?.open !== undefined && account.receives;
    },

    unacknowledged: () =>
      accounts.flatMap(({ edge, unacknowledged: frame }) => (frame ? [{ to: edge.peer, frame }] : [])),

    records: () => accounts.map((account) => recordOf(account, settled.get(account)?.halves)),
  };
}
