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
import type { Exchanges, ExchangesOptions } from "./exchanges.js";
import { createExaminer } from "./faults.js";
import { type Frame, frameBytes, requirePayload } from "./frame.js";
import { createLane, type Half, type Lane, put, take } from "./lane.js";
import { createPayloadCopies, type PayloadCopy } from "./payload-copies.js";
import { createRefusals } from "./refusals.js";
import { createSettlement, nothing, type Settled } from "./settlement.js";
import type { EdgeTraffic } from "./transport.js";

export interface HandOver {
  /** The exchanges of one peer. Its neighbours must have theirs from here too. */
  exchangesOf(options: ExchangesOptions): Exchanges;
  /** Whether all peers that exchange by it, but for so many whose round is over, wait for halves. */
  isStill(over: number): boolean;
  /** Ends every wait. Safe to call twice. */
  close(): void;
}

/** Peers of the same run in other threads. */
export interface Elsewhere {
  has(peer: number): boolean;
  /** Carries a frame there; its payload's memory may be used again at once. */
  send(from: number, to: number, frame: Frame): void;
  /**
   * From now on every frame from there is given to the function, in the order of its edge, and with what holds its payload
   * until it is dropped.
   */
  receive(arrived: (from: number, to: number, frame: Frame, holder: Half["holder"]) => void): void;
}

/** One peer's end of an edge. */
interface End {
  readonly edge: Neighbour;
  readonly account: Account;
  readonly incoming: Lane;
  readonly outgoing: Lane;
  /** Holds the payload of the open exchange, where that is the edge's own. */
  copy: PayloadCopy | undefined;
}

/** What a peer waits with. */
interface Wait {
  /** Ends the wait; undefined while it does not wait. */
  end: (() => void) | undefined;
}

function end(wait: Wait): void {
  const { end } = wait;
  wait.end = undefined;
  end?.();
}

/** @param elsewhere peers that run in other threads; all run in this one where left out */
export function createHandOver(maximumPayloadBytes: number, elsewhere?: Elsewhere): HandOver {
  const lanes = new Map<string, Lane>();
  const waits: Wait[] = [];
  let isClosed = false;

  const laneOf = (from: number, to: number): Lane => {
    const name = `${from} ${to}`;
    const lane = lanes.get(name) ?? createLane();
    lanes.set(name, lane);
    return lane;
  };
  elsewhere?.receive((from, to, { kind, round, step, exchange, payload, halvings }, holder) => {
    const half: Half = { kind, round, step, exchange, payload, halvings, holder, next: undefined };
    put(laneOf(from, to), half, frameBytes(half));
  });

  const exchangesOf = (options: ExchangesOptions): Exchanges => {
    const { id, edges: all, records } = options;
    const settling = createSettling(options);
    const copyOf = createPayloadCopies();
    const ends = all.map((edge): End => {
      const [incoming, outgoing] = [laneOf(edge.peer, id), laneOf(id, edge.peer)];
      const record = records?.find(({ peer }) => peer === edge.peer);
      return { edge, account: createAccount(edge, record), incoming, outgoing, copy: undefined };
    });
    const byPeer = new Map(ends.map((end) => [end.edge.peer, end]));
    /** The end of an edge, of which there is another object where its weight depends on the round. */
    const endOf = (edges: readonly Neighbour[], k: number): End =>
      edges === all ? ends[k]! : byPeer.get(edges[k]!.peer)!;
    /** What the last exchange returned is read until the next one. */
    const lent: { drop(): void }[] = [];
    let lentCount = 0;
    let missing = 0;
    const own: Wait = { end: undefined };
    waits.push(own);
    const arrived = (): void => {
      if (--missing === 0) end(own);
    };
    const begin = (resolve: () => void): void => {
      own.end = resolve;
    };

    /** Opens an exchange on one edge. @param copy of what it sends; none on an edge that only receives */
    const open = ({ account, outgoing }: End, offer: Offer, copy: PayloadCopy | undefined): void => {
      account.open = offer;
      if (!copy) return;
      const { peer } = account.edge;
      const { kind, round, step, halvings } = offer;
      const { exchange } = account;
      const half: Half = {
        kind,
        round,
        step,
        exchange,
        payload: copy.payload,
        halvings,
        holder: copy,
        next: undefined,
      };
      const bytes = frameBytes(half);
      if (elsewhere?.has(peer)) {
        outgoing.bytes += bytes;
        outgoing.messages++;
        elsewhere.send(id, peer, half);
      } else {
        copy.hold();
        put(outgoing, half, bytes);
      }
    };

    /** Whether the other half of an open exchange has yet to come. Once all are here, the wait is over. */
    const isMissing = (): boolean => {
      for (const { account, incoming } of ends) {
        if (!account.open || !account.receives || incoming.first) continue;
        incoming.awaited = arrived;
        missing++;
      }
      return missing > 0;
    };

    const giveBack = (): void => {
      for (let k = 0; k < lentCount; k++) lent[k]!.drop();
      lentCount = 0;
    };

    /** Read until the next exchange, like the payloads. */
    const settled: Settled[] = [];
    const takeSettled = (): Settled[] => {
      let count = 0;
      for (const end of ends) {
        const { account, incoming, copy } = end;
        const { open } = account;
        if (!open) continue;
        account.open = undefined;
        end.copy = undefined;
        if (copy) lent[lentCount++] = copy;
        const half = account.receives ? take(incoming) : undefined;
        if (half) lent[lentCount++] = half.holder;
        const pair = settling.of(account, open, half);
        if (pair) settled[count++] = pair;
      }
      if (settled.length > count) settled.length = count;
      return settled;
    };

    return {
      isOpen: () => !isClosed,
      ready: () => all,
      unfinished: () => none,
      isFinished: () => true,

      offer({ outgoing, kind, round, step, edges }) {
        const halvings = kind === "learning" ? options.halvings?.() || undefined : undefined;
        if (typeof outgoing !== "function") {
          requirePayload(outgoing, maximumPayloadBytes);
          const copy = copyOf(outgoing);
          const own: Offer = { kind, round, step, payload: outgoing, halvings };
          for (let k = 0; k < edges.length; k++) {
            const end = endOf(edges, k);
            open(end, own, end.account.sends ? copy : undefined);
          }
          copy.drop();
          return;
        }
        for (let k = 0; k < edges.length; k++) {
          const end = endOf(edges, k);
          if (end.account.sends) {
            const payload = outgoing(edges[k]!);
            requirePayload(payload, maximumPayloadBytes);
            end.copy = copyOf(payload);
          }
          const payload = end.copy?.payload ?? nothing;
          open(end, { kind, round, step, payload, halvings }, end.copy);
        }
      },

      wait() {
        giveBack();
        if (!isMissing() || isClosed) return undefined;
        return new Promise(begin);
      },
      take: () => ({ settled: isClosed ? [] : takeSettled(), isClosed }),

      begin() {},
      lastToArrive: () => undefined,
      late: () => none,
      quarantined: () => settling.quarantined(ends),
      takeRefusals: settling.takeRefusals,
      isReplaying: () => false,
      snapshot: () => ({ edges: ends.map(({ account }) => recordOf(account, undefined)), held: [] }),
      traffic: () =>
        ends.map(
          ({ edge, outgoing, incoming }): EdgeTraffic => ({
            neighbour: edge.peer,
            bytesSent: outgoing.bytes,
            bytesReceived: incoming.bytes,
            messagesSent: outgoing.messages,
            messagesReceived: incoming.messages,
          }),
        ),
    };
  };

  return {
    exchangesOf,
    isStill: (over) => waits.length === 0 || over + waits.filter((wait) => wait.end).length >= waits.length,
    close() {
      isClosed = true;
      for (const wait of waits) end(wait);
    },
  };
}

/** Settles exchanges as the ledger does at the barrier, where both halves are here at once. */
function createSettling(options: ExchangesOptions) {
  const { id, counters, afterFault, lastRound, records = [] } = options;
  const examiner = createExaminer({ ...options, isBarrier: true });
  const settlement = createSettlement(options);
  const refusals = createRefusals();
  let hasFaults = records.some(({ quarantine }) => quarantine.faults > 0);

  const examine = (account: Account, own: Offer, frame: Frame): void => {
    const alone = examiner.alone(account, frame);
    if (!alone && frame.kind === "learning") account.theirRound = frame.round;
    const problem = alone ?? examiner.together(account, own, frame);
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

const none: readonly never[] = [];
