/**
 * Exchanges at the barrier between peers of one thread. Neither end of an edge can be late or go away there: halves are handed
 * over as they are, without frames, events and acknowledgements, and settle as the ledger would settle them.
 */
import type { Neighbour } from "../graphs/mixing.js";
import {
  type Account,
  createAccount,
  endExchange,
  type Offer,
  punish,
  recordOf,
  violationOf,
} from "./account.js";
import type { Exchanges, ExchangesOptions, Outcome } from "./exchanges.js";
import { createExaminer } from "./faults.js";
import { decodeFrame, type Frame, frameBytes, requirePayload } from "./frame.js";
import { createPayloadCopies, type PayloadCopy } from "./payload-copies.js";
import { createRefusals } from "./refusals.js";
import { createSettlement, nothing, type Settled } from "./settlement.js";
import { noTraffic } from "./transport.js";

export interface HandOver {
  /** The exchanges of one peer. Its neighbours must have theirs from here too. */
  exchangesOf(options: ExchangesOptions): Exchanges;
  /** Ends every wait. Safe to call twice. */
  close(): void;
}

/** Peers of the same run in other threads. */
export interface Elsewhere {
  has(peer: number): boolean;
  /** Carries a frame there; its payload's memory may be used again at once. @returns bytes of the encoded frame */
  send(from: number, to: number, frame: Frame): number;
  /** From now on every frame from there is given to the function, in the order of its edge. */
  receive(arrived: (from: number, to: number, bytes: Uint8Array, release: () => void) => void): void;
}

/** What a neighbour handed over. */
interface Half {
  readonly frame: Frame;
  /** The receiver needs it no longer. */
  drop(): void;
}

/** One direction of an edge. */
interface Lane {
  readonly waiting: Half[];
  readonly traffic: { bytes: number; messages: number };
  /** The receiver waits for the next half. */
  isAwaited: boolean;
  arrived(): void;
}

/** One peer's end of an edge. */
interface End {
  readonly edge: Neighbour;
  readonly account: Account;
  readonly incoming: Lane;
  readonly outgoing: Lane;
  /** This peer's half of the exchange that is open. */
  open: Offer | undefined;
  /** Holds its payload, where that is the edge's own. */
  copy: PayloadCopy | undefined;
}

const createLane = (): Lane => ({
  waiting: [],
  traffic: { bytes: 0, messages: 0 },
  isAwaited: false,
  arrived() {},
});

/** @param elsewhere peers that run in other threads; all run in this one where left out */
export function createHandOver(maximumPayloadBytes: number, elsewhere?: Elsewhere): HandOver {
  const lanes = new Map<string, Lane>();
  const wakes = new Set<() => void>();
  let isClosed = false;

  const laneOf = (from: number, to: number): Lane => {
    const name = `${from} ${to}`;
    const lane = lanes.get(name) ?? createLane();
    lanes.set(name, lane);
    return lane;
  };
  const count = ({ traffic }: Lane, bytes: number): void => {
    traffic.bytes += bytes;
    traffic.messages++;
  };
  const put = (lane: Lane, half: Half, bytes: number): void => {
    count(lane, bytes);
    lane.waiting.push(half);
    if (!lane.isAwaited) return;
    lane.isAwaited = false;
    lane.arrived();
  };
  elsewhere?.receive((from, to, bytes, drop) => {
    put(laneOf(from, to), { frame: decodeFrame(bytes, maximumPayloadBytes), drop }, bytes.length);
  });

  const exchangesOf = (options: ExchangesOptions): Exchanges => {
    const { id, edges: all } = options;
    const settling = createSettling(options);
    const copyOf = createPayloadCopies();
    const ends = all.map((edge): End => {
      const [incoming, outgoing] = [laneOf(edge.peer, id), laneOf(id, edge.peer)];
      return {
        edge,
        ...{ incoming, outgoing },
        account: createAccount(edge),
        open: undefined,
        copy: undefined,
      };
    });
    const byPeer = new Map(ends.map((end) => [end.edge.peer, end]));
    /** What the last exchange returned; read until the next one. */
    let lent: { drop(): void }[] = [];
    let missing = 0;
    let wake: (() => void) | undefined;
    const arrived = (): void => {
      if (--missing === 0) wake?.();
    };
    for (const { incoming } of ends) incoming.arrived = arrived;

    /** Opens an exchange on one edge. @param copy of what it sends; none on an edge that only receives */
    const open = (end: End, offer: Offer, copy: PayloadCopy | undefined): void => {
      end.open = offer;
      if (!copy) return;
      const { edge, account, outgoing } = end;
      const { kind, round, step, halvings } = offer;
      const { payload } = copy;
      const frame = { kind, round, step, exchange: account.exchange, payload, halvings };
      if (elsewhere?.has(edge.peer)) {
        count(outgoing, elsewhere.send(id, edge.peer, frame));
        return;
      }
      copy.hold();
      put(outgoing, { frame, drop: copy.drop }, frameBytes(frame));
    };

    /** Resolves once every half is here that an open exchange needs. */
    const complete = (): Promise<void> | undefined => {
      for (const { open, account, incoming } of ends) {
        if (!open || !account.receives || incoming.waiting.length > 0) continue;
        incoming.isAwaited = true;
        missing++;
      }
      if (missing === 0 || isClosed) return undefined;
      return new Promise((resolve) => {
        wake = () => {
          wakes.delete(wake!);
          resolve();
        };
        wakes.add(wake);
      });
    };

    const takeSettled = (): Settled[] => {
      const settled: Settled[] = [];
      for (const end of ends) {
        const { open, account, incoming, copy } = end;
        if (!open) continue;
        end.open = undefined;
        end.copy = undefined;
        if (copy) lent.push(copy);
        const half = account.receives ? incoming.waiting.shift()! : undefined;
        if (half) lent.push(half);
        const pair = settling.of(account, open, half?.frame);
        if (pair) settled.push(pair);
      }
      return settled;
    };

    const outcome = (): Outcome => ({ settled: isClosed ? [] : takeSettled(), isClosed });

    return {
      isOpen: () => !isClosed,
      ready: () => all,
      unfinished: () => none,
      isFinished: () => true,

      offer({ outgoing, kind, round, step, edges }) {
        const halvings = kind === "learning" ? options.halvings?.() || undefined : undefined;
        const offer = { kind, round, step, halvings };
        if (typeof outgoing !== "function") {
          requirePayload(outgoing, maximumPayloadBytes);
          const shared = copyOf(outgoing);
          const own = { payload: outgoing, ...offer };
          for (const edge of edges) {
            open(byPeer.get(edge.peer)!, own, edge.direction === "in" ? undefined : shared);
          }
          shared.drop();
          return;
        }
        for (const edge of edges) {
          const end = byPeer.get(edge.peer)!;
          if (edge.direction === "in") {
            open(end, { payload: nothing, ...offer }, undefined);
            continue;
          }
          const payload = outgoing(edge);
          requirePayload(payload, maximumPayloadBytes);
          end.copy = copyOf(payload);
          open(end, { payload: end.copy.payload, ...offer }, end.copy);
        }
      },

      settle() {
        for (const half of lent) half.drop();
        lent = [];
        const completed = complete();
        return completed ? completed.then(outcome) : outcome();
      },

      begin() {},
      lastToArrive: () => undefined,
      late: () => none,
      quarantined: () => settling.quarantined(ends),
      takeRefusals: settling.takeRefusals,
      isReplaying: () => false,
      snapshot: () => ({ edges: ends.map(({ account }) => recordOf(account, undefined)), held: [] }),
      traffic(neighbour) {
        const end = byPeer.get(neighbour);
        if (!end) return noTraffic();
        const [sent, received] = [end.outgoing.traffic, end.incoming.traffic];
        return {
          bytesSent: sent.bytes,
          bytesReceived: received.bytes,
          messagesSent: sent.messages,
          messagesReceived: received.messages,
        };
      },
    };
  };

  return {
    exchangesOf,
    close() {
      isClosed = true;
      for (const wake of wakes) wake();
    },
  };
}

/** Settles exchanges as the ledger does at the barrier, where both halves are here at once. */
function createSettling(options: ExchangesOptions) {
  const { id, counters, afterFault, lastRound } = options;
  const examiner = createExaminer({ ...options, isBarrier: true });
  const settlement = createSettlement(options);
  const refusals = createRefusals();
  let hasFaults = false;

  const examine = (account: Account, own: Offer, frame: Frame): void => {
    const arrived = { frame, release: fromNowhere, problem: examiner.alone(account, frame) };
    const problem = examiner.together(account, own, arrived);
    if (!arrived.problem && frame.kind === "learning") account.theirRound = frame.round;
    if (!problem) return;
    const from = account.edge.peer;
    counters?.count(problem.counter, from);
    if (afterFault === "end") throw violationOf(account, id, problem.what, problem.cause);
    counters?.count("quarantines", from);
    refusals.add({ from, reason: problem.what });
    punish(account, afterFault === "void-for-good");
    hasFaults = true;
  };

  return {
    takeRefusals: refusals.take,
    quarantined: (ends: readonly End[]): readonly number[] =>
      hasFaults ? ends.flatMap(({ account, edge }) => (account.quarantine.left > 0 ? edge.peer : [])) : none,
    /** @param theirs undefined on an edge that only sends @returns undefined where the exchange does not count */
    of(account: Account, own: Offer, theirs: Frame | undefined): Settled | undefined {
      if (theirs) examine(account, own, theirs);
      endExchange(account, own, theirs, lastRound);
      return theirs && settlement(account, own, theirs);
    },
  };
}

const fromNowhere = (): void => {};
const none: readonly never[] = [];
