/** One end of one edge: the exchange that is open, what has arrived, and whether the edge can go on. */
import { MalformedPayload, type MurmurationError } from "../foundation/errors.js";
import type { Neighbour } from "../graphs/mixing.js";
import type { Bytes } from "../vectors/vector.js";
import type { Frame, FrameKind } from "./frame.js";
import { freshGuard, type GuardState } from "./guard.js";
import { MAX_UNRELEASED_FRAMES } from "./transport.js";

/** This peer's half of an exchange. */
export interface Offer {
  readonly kind: FrameKind;
  readonly round: number;
  readonly step: number;
  /** Stays as it is until the exchange has settled and the frame is acknowledged. */
  readonly payload: Bytes;
  readonly halvings?: number | undefined;
  readonly notice?: Bytes;
}

/** What is wrong with a frame. */
export interface Problem {
  readonly what: string;
  readonly counter: "refusedPayload" | "refusedOutOfTurn" | "refusedNorm";
  readonly cause?: unknown;
}

export interface Arrived {
  readonly frame: Frame;
  readonly release: () => void;
  /** Why it cannot be the half of any exchange. */
  readonly problem?: Problem | undefined;
}

/** Both halves of an exchange; `theirs` is absent on an edge that only sends. */
export interface Halves {
  readonly own: Offer;
  readonly theirs: Arrived | undefined;
}

/** Exchanges that are void after the first fault of a neighbour; every further fault doubles them. */
export const QUARANTINE_EXCHANGES = 8;
/** Faults after which all further exchanges are void; after twice as many, the edge's last exchange is not awaited. */
export const MAX_FAULTS = 8;
/** More exchanges than an edge can have. */
const FOR_GOOD = Number.MAX_SAFE_INTEGER;

/** What a neighbour's faults have led to, as a checkpoint has it. */
export interface Quarantine {
  /** Faults so far. */
  faults: number;
  /** Exchanges that are still void. */
  left: number;
  readonly guard: GuardState;
}

/** What the ledger knows of one edge. Only the functions of this file change it. */
export interface Account {
  readonly edge: Neighbour;
  readonly sends: boolean;
  readonly receives: boolean;
  /** Number of the exchange that is open, or opens next. */
  exchange: number;
  open: Offer | undefined;
  openedAt: number;
  isLate: boolean;
  /** The last exchange was opened in the last learning round at both ends. */
  isFinished: boolean;
  /** This peer's last frame, until the neighbour has acknowledged it. */
  unacknowledged: Frame | undefined;
  /** Frames of the exchanges `exchange`, `exchange` + 1, … */
  readonly arrived: Arrived[];
  /** Round of the last learning frame that arrived; −1 before the first. */
  theirRound: number;
  unreachable: MurmurationError | undefined;
  /** The neighbour starts again without what it had: every exchange is void, and none takes place. */
  isLost: boolean;
  /** What ends the run. */
  violation: MurmurationError | undefined;
  readonly quarantine: Quarantine;
}

/** The release of a frame from the journal, which takes no room of the transport's. */
export const fromJournal = (): void => {};

/** What a checkpoint holds of one edge. */
export interface EdgeRecord {
  readonly peer: number;
  /** Number of the exchange that is open, or opens next. */
  readonly exchange: number;
  /** Round of the neighbour's last learning frame; −1 before the first. */
  readonly theirRound: number;
  readonly isFinished: boolean;
  /** This peer's half of the open exchange. */
  readonly open?: Offer;
  /** This peer's last frame, where the neighbour has not acknowledged it. */
  readonly unacknowledged?: Frame;
  /** The neighbour's frames from number `exchange` on. */
  readonly arrived: readonly (Frame & { readonly problem?: Problem | undefined })[];
  readonly quarantine: Quarantine;
  readonly isLost?: boolean | undefined;
}

/** An edge in a new run, or as a checkpoint has it. */
export function createAccount(edge: Neighbour, record?: EdgeRecord): Account {
  const fresh = freshAccount(edge);
  if (!record) return fresh;
  const { exchange, theirRound, isFinished, open, unacknowledged, arrived, isLost = false } = record;
  const frames = arrived.map(({ problem, ...frame }) => ({ frame, problem, release: fromJournal }));
  const { quarantine } = record;
  return Object.assign(fresh, {
    ...{ exchange, theirRound, isFinished, isLost, open, unacknowledged, arrived: frames },
    quarantine: structuredClone(quarantine),
  });
}

/**
 * What a checkpoint must hold of an edge. Payloads are not copied.
 *
 * @param settled the halves of the last exchange, where they were not taken: it is recorded as open
 */
export function recordOf(account: Account, settled: Halves | undefined): EdgeRecord {
  const { edge, theirRound, isFinished, unacknowledged, arrived } = account;
  const open = settled?.own ?? account.open;
  const first = settled?.theirs ? [settled.theirs] : [];
  return {
    peer: edge.peer,
    exchange: account.exchange - (settled ? 1 : 0),
    theirRound,
    isFinished,
    ...(open && { open }),
    ...(unacknowledged && { unacknowledged }),
    arrived: [...first, ...arrived].map(({ frame, problem }) => ({
      ...frame,
      ...(problem && { problem: { what: problem.what, counter: problem.counter } }),
    })),
    quarantine: structuredClone(account.quarantine),
    ...(account.isLost && { isLost: true }),
  };
}

function freshAccount(edge: Neighbour): Account {
  return {
    edge,
    sends: edge.direction !== "in",
    receives: edge.direction !== "out",
    exchange: 0,
    open: undefined,
    openedAt: 0,
    isLate: false,
    isFinished: false,
    unacknowledged: undefined,
    arrived: [],
    theirRound: -1,
    unreachable: undefined,
    isLost: false,
    violation: undefined,
    quarantine: { faults: 0, left: 0, guard: freshGuard() },
  };
}

/** Nothing of this edge is awaited any more. @returns the half of the open exchange, if there is one */
export function lose(account: Account): Offer | undefined {
  const { open } = account;
  account.isLost = true;
  account.open = undefined;
  account.unacknowledged = undefined;
  account.unreachable = undefined;
  account.isLate = false;
  for (const { release } of account.arrived.splice(0)) release();
  return open;
}

/** Another fault of the neighbour: its next exchanges are void, or all of them. */
export function punish({ quarantine }: Account, isForGood: boolean): void {
  quarantine.faults++;
  const isTooMany = isForGood || quarantine.faults >= MAX_FAULTS;
  quarantine.left = isTooMany ? FOR_GOOD : QUARANTINE_EXCHANGES * 2 ** (quarantine.faults - 1);
}

/** Whether the neighbour breaks every exchange, so that the ends cannot agree on a last one. */
export const isHopeless = ({ quarantine }: Account): boolean => quarantine.faults >= 2 * MAX_FAULTS;

/** Whether something on this edge has yet to happen: the other half, or the neighbour's acknowledgement. */
export const isPending = ({ open, unacknowledged }: Account): boolean =>
  open !== undefined || unacknowledged !== undefined;

/** Why a frame is not taken; the exchange that is due may still come. */
export function reasonToRefuse({ violation, exchange, arrived }: Account, frame: Frame): string | undefined {
  if (violation) return `${nameOf(frame)} arrived after ${violation.message}`;
  const next = exchange + arrived.length;
  if (frame.exchange !== next)
    return `${nameOf(frame)} came as exchange ${frame.exchange}, but ${next} is next`;
  const waiting = arrived.filter(({ release }) => release !== fromJournal).length;
  return waiting < MAX_UNRELEASED_FRAMES
    ? undefined
    : `${nameOf(frame)} came while ${waiting} frames of the same peer wait`;
}

/**
 * Takes the two halves of the open exchange once both are here.
 *
 * @returns the halves, or undefined while one is missing
 */
export function takeHalves(account: Account, lastRound: number): Halves | undefined {
  const { open, receives, arrived } = account;
  if (!open || (receives && arrived.length === 0)) return undefined;
  const theirs = arrived.shift();
  account.open = undefined;
  endExchange(account, open, theirs?.frame, lastRound);
  onTime(account);
  return { own: open, theirs };
}

/** Both halves are here: the next exchange may open. @param theirs undefined on an edge that only sends */
export function endExchange(
  account: Account,
  own: Offer,
  theirs: Frame | undefined,
  lastRound: number,
): void {
  account.exchange++;
  if (own.kind === "reduction") return;
  const theirRound = theirs?.round ?? own.round;
  account.isFinished = Math.min(account.sends ? own.round : theirRound, theirRound) >= lastRound;
}

/** Late exchanges may be rounds apart; what closes, and what stands at the barrier, may not. */
export function belongs({ kind, step, round }: Frame, open: Offer, isBarrier: boolean): boolean {
  if (kind !== open.kind || step !== open.step) return false;
  return round === open.round || (kind === "learning" && !isBarrier);
}

/** The edge is no longer late once nothing is pending, unless it cannot go on. */
export function onTime(account: Account): void {
  if (!isPending(account) && !account.violation && !account.unreachable) account.isLate = false;
}

/**
 * Whether a learning frame goes on where the last one was: rounds of an edge go up, and only the last one comes
 * more than once.
 */
export function isInOrder({ theirRound }: Account, { kind, round }: Frame, lastRound: number): boolean {
  if (kind !== "learning") return true;
  return round <= lastRound && (round > theirRound || round === lastRound);
}

/** The neighbour spent the number of an exchange on something else: that exchange can never settle. */
export function violationOf(
  { edge: { peer } }: Account,
  id: number,
  what: string,
  cause?: unknown,
): MalformedPayload {
  return new MalformedPayload(`peer ${peer} ${what}: nothing of it is mixed`, {
    code: "payload-refused",
    peer: id,
    neighbour: peer,
    cause,
  });
}

/** An exchange as messages name it. Rounds count from 1 there. */
export function nameOf({ kind, round, step }: Pick<Frame, "kind" | "round" | "step">): string {
  return `${kind === "closing" ? "closing round" : "round"} ${round + 1}${step > 0 ? `, step ${step + 1}` : ""}`;
}
