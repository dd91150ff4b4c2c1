/**
 * The ledger: what one peer has offered, received and settled on each of its edges. Pure: no IO, no clock of its own.
 * README.md in this folder is its specification.
 */
import { MalformedPayload, type MurmurationError } from "../foundation/errors.js";
import type { Neighbour } from "../graphs/mixing.js";
import type { Bytes } from "../vectors/vector.js";
import type { Frame, FrameKind } from "./frame.js";
import { MAX_UNRELEASED_FRAMES } from "./transport.js";

/** This peer's half of an exchange. */
export interface Offer {
  readonly kind: FrameKind;
  readonly round: number;
  readonly step: number;
  /** Stays as it is until the exchange has settled and the frame is acknowledged. */
  readonly payload: Bytes;
}

/** Both halves of one exchange. The neighbour settles the same two payloads at the same rate. */
export interface Settled {
  readonly edge: Neighbour;
  /** What this peer sent; empty on an edge that only receives. */
  readonly own: Bytes;
  /** What the neighbour sent, checked; valid until the next exchange of this peer. */
  readonly theirs: Bytes;
  /** η of the exchange's own round: of the earlier of its two rounds, where the ends are in different ones. */
  readonly rate: number;
}

/** A frame that was not taken, and why. */
export interface Refusal {
  readonly from: number;
  readonly reason: string;
}

export interface LedgerOptions {
  readonly id: number;
  readonly edges: readonly Neighbour[];
  /** η of a round. */
  readonly rate: (round: number) => number;
  /**
   * Looks at a payload before it is kept.
   * @throws MalformedPayload
   */
  readonly check: (frame: Frame) => void;
  /**
   * The strict barrier: both ends of an exchange must be in the same round. Otherwise an edge that is unreachable or
   * broke the protocol is late at once, and its two ends may be rounds apart.
   */
  readonly isBarrier: boolean;
  /** The last learning round: an edge is finished with an exchange that both of its ends offered in it. */
  readonly lastRound: number;
}

export interface Ledger {
  /**
   * Edges on which a new exchange may open: the last one has settled and this peer's frame is acknowledged. At the
   * barrier an edge that cannot settle is among them, so that the run ends with its reason.
   */
  ready(): readonly Neighbour[];
  /** Edges that are ready, and whose ends have not yet agreed on which exchange is their last. None at the barrier. */
  unfinished(): readonly Neighbour[];
  /** Whether the ends of every edge have agreed on which exchange is their last. Always at the barrier. */
  isFinished(): boolean;
  /** Opens the next exchange of an edge that is ready. @returns the frame to send, unless the edge only receives */
  offered(edge: Neighbour, offer: Offer, now: number): Frame | undefined;
  /** A frame arrived. One that is refused is released at once. */
  received(from: number, frame: Frame, release: () => void): void;
  /** The neighbour has the oldest frame that was not acknowledged yet. */
  acknowledged(from: number): void;
  down(from: number, error: MurmurationError): void;
  up(from: number): void;
  /** Exchanges that opened more than `patience` milliseconds before `now` are late: they are no longer awaited. */
  tick(now: number, patience: number): void;
  /** Whether anything is awaited: an open exchange that is not late, or an acknowledgement. */
  isWaiting(): boolean;
  /** The neighbours that are awaited. */
  awaited(): readonly number[];
  /** Neighbours with an exchange that is open and late. */
  late(): readonly number[];
  /** Late exchanges are awaited again. */
  awaitAll(): void;
  /** Why something that is awaited cannot settle as things are: its edge is unreachable, or broke the protocol. */
  obstacle(): MurmurationError | undefined;
  /** What has settled since the last call, in the order of the edges. Releases what the last call returned. */
  takeSettled(): readonly Settled[];
  /** The frames that were refused since the last call. */
  takeRefusals(): readonly Refusal[];
}

interface Arrived {
  readonly frame: Frame;
  readonly release: () => void;
}

interface Account {
  readonly index: number;
  readonly edge: Neighbour;
  readonly sends: boolean;
  readonly receives: boolean;
  /** Number of the exchange that is open, or opens next. */
  exchange: number;
  open: Offer | undefined;
  openedAt: number;
  isLate: boolean;
  isFinished: boolean;
  unacknowledged: number;
  /** Frames of the exchanges `exchange`, `exchange` + 1, … */
  readonly arrived: Arrived[];
  unreachable: MurmurationError | undefined;
  violation: MurmurationError | undefined;
}

const edgeOf = ({ edge }: Account): Neighbour => edge;

const nothing: Bytes = new Uint8Array(0);

export function createLedger({ id, edges, rate, check, isBarrier, lastRound }: LedgerOptions): Ledger {
  const accounts = edges.map(
    (edge, index): Account => ({
      index,
      edge,
      sends: edge.direction !== "in",
      receives: edge.direction !== "out",
      exchange: 0,
      open: undefined,
      openedAt: 0,
      isLate: false,
      isFinished: false,
      unacknowledged: 0,
      arrived: [],
      unreachable: undefined,
      violation: undefined,
    }),
  );
  const byPeer = new Map(accounts.map((account) => [account.edge.peer, account]));
  /** By edge, so that the order in which frames arrive changes no bit of what is computed from them. */
  const settled: (Settled | undefined)[] = accounts.map(() => undefined);
  let lent: (() => void)[] = [];
  let toRelease: (() => void)[] = [];
  let refusals: Refusal[] = [];

  const isReady = ({ index, open, unacknowledged, violation, unreachable }: Account): boolean =>
    !open && unacknowledged === 0 && !settled[index] && (isBarrier || !(violation ?? unreachable));
  const isAwaited = ({ open, unacknowledged, isLate }: Account): boolean =>
    !isLate && (open !== undefined || unacknowledged > 0);

  /** Settles the open exchange once both halves are here. */
  const settle = (account: Account): void => {
    const { index, edge, open, sends, receives, arrived } = account;
    if (!open || (receives && arrived.length === 0)) return;
    const theirs = arrived.shift();
    if (theirs) {
      const { kind, round, step, payload } = theirs.frame;
      if (kind !== open.kind || step !== open.step || (isBarrier && round !== open.round)) {
        theirs.release();
        violated(account, `sent ${nameOf(theirs.frame)} where peer ${id} is in ${nameOf(open)}`);
        return;
      }
      toRelease.push(theirs.release);
      const own = sends ? open.payload : nothing;
      settled[index] = { edge, own, theirs: payload, rate: rate(Math.min(open.round, round)) };
    }
    const theirRound = theirs?.frame.round ?? open.round;
    account.isFinished = Math.min(sends ? open.round : theirRound, theirRound) >= lastRound;
    account.open = undefined;
    account.exchange++;
    if (account.unacknowledged === 0) account.isLate = false;
  };

  /** The open exchange can never settle: the neighbour spent its number on something else. */
  const violated = (account: Account, what: string): void => {
    const { peer } = account.edge;
    account.violation = new MalformedPayload(`peer ${peer} ${what}: nothing of it is mixed`, {
      code: "payload-refused",
      peer: id,
      neighbour: peer,
    });
    account.isLate ||= !isBarrier;
    refusals.push({ from: peer, reason: what });
  };

  const reasonToRefuse = (account: Account | undefined, frame: Frame): string | undefined => {
    if (!account) return `it is not a neighbour of peer ${id}`;
    if (!account.receives) return `its edge does not lead to peer ${id}`;
    if (account.violation) return `${nameOf(frame)} arrived after ${account.violation.message}`;
    const next = account.exchange + account.arrived.length;
    if (frame.exchange !== next) {
      return `${nameOf(frame)} came as exchange ${frame.exchange}, but ${next} is next`;
    }
    return account.arrived.length < MAX_UNRELEASED_FRAMES
      ? undefined
      : `${nameOf(frame)} came while ${account.arrived.length} frames of the same peer wait`;
  };

  return {
    ready: () => accounts.filter((each) => isReady(each) && (isBarrier || !each.isFinished)).map(edgeOf),

    unfinished: () =>
      isBarrier ? [] : accounts.filter((each) => isReady(each) && !each.isFinished).map(edgeOf),

    isFinished: () => isBarrier || accounts.every((account) => account.isFinished),

    offered(edge, offer, now) {
      const account = byPeer.get(edge.peer)!;
      const { exchange } = account;
      account.open = offer;
      account.openedAt = now;
      account.isLate = false;
      if (account.sends) account.unacknowledged++;
      settle(account);
      return account.sends ? { ...offer, exchange } : undefined;
    },

    received(from, frame, release) {
      const account = byPeer.get(from);
      const reason = reasonToRefuse(account, frame);
      if (!account || reason !== undefined) {
        release();
        refusals.push({ from, reason: reason! });
        return;
      }
      try {
        check(frame);
      } catch (error) {
        if (!(error instanceof MalformedPayload)) throw error;
        release();
        violated(account, `sent a malformed payload in ${nameOf(frame)} (${error.message})`);
        return;
      }
      account.arrived.push({ frame, release });
      settle(account);
    },

    acknowledged(from) {
      const account = byPeer.get(from);
      if (!account || account.unacknowledged === 0) return;
      account.unacknowledged--;
      if (!account.open && account.unacknowledged === 0) account.isLate = false;
    },

    down(from, error) {
      const account = byPeer.get(from);
      if (!account) return;
      account.unreachable = error;
      account.isLate ||= !isBarrier;
    },

    up(from) {
      const account = byPeer.get(from);
      if (account) account.unreachable = undefined;
    },

    tick(now, patience) {
      for (const account of accounts) {
        if (isAwaited(account) && now - account.openedAt >= patience) account.isLate = true;
      }
    },

    isWaiting: () => accounts.some(isAwaited),
    awaited: () => accounts.filter(isAwaited).map(({ edge }) => edge.peer),
    late: () => accounts.filter(({ isLate }) => isLate).map(({ edge }) => edge.peer),

    awaitAll() {
      for (const account of accounts) account.isLate = false;
    },

    obstacle() {
      for (const account of accounts) {
        const obstacle = account.violation ?? account.unreachable;
        if (obstacle && isAwaited(account)) return obstacle;
      }
      return undefined;
    },

    takeSettled() {
      for (const release of lent) release();
      lent = toRelease;
      toRelease = [];
      const taken = settled.filter((pair) => pair !== undefined);
      settled.fill(undefined);
      return taken;
    },

    takeRefusals() {
      const taken = refusals;
      refusals = [];
      return taken;
    },
  };
}

/** An exchange as messages name it. Rounds count from 1 there. */
function nameOf({ kind, round, step }: Pick<Frame, "kind" | "round" | "step">): string {
  return `${kind === "closing" ? "closing round" : "round"} ${round + 1}${step > 0 ? `, step ${step + 1}` : ""}`;
}
