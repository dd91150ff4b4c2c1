/**
 * Who was waited for, from logs: what each round of each peer waited for last, followed to the peer that held all
 * of it up.
 *
 * A peer waits in round r for a neighbour's frame of round r. That frame left late because the neighbour worked for long,
 * or because it waited itself, in its round r − 1, and so began late: the longer of the two is taken as the cause. So a
 * chain goes one round back with every step, and ends with a peer that worked, or before one that it has named.
 */
import type { PeerColumn, PeerHistory } from "./history.js";

/** What the analysis reads of a peer. */
export type PeerColumns = Pick<PeerHistory, "peer" | "columns">;

/** One wait of one peer. */
export interface Wait {
  readonly round: number;
  readonly waitMs: number;
  /** Who waited, for whom, and so on; each is there once, and the last one worked. */
  readonly chain: readonly number[];
}

/** Time that others lost because of a peer. */
export interface LostTime {
  /** The peer at the end of the chain. */
  readonly peer: number;
  readonly lostMs: number;
  /** Of all time lost, in [0, 1]. */
  readonly share: number;
  /** Waits that ended with it. */
  readonly waits: number;
}

export interface RunWaits {
  readonly lostMs: number;
  readonly waits: number;
  /** By the peer at the end of the chain, the most lost first. */
  readonly byEnd: readonly LostTime[];
  /** By the peer that was waited for directly, the most lost first. */
  readonly byNeighbour: readonly LostTime[];
  /** The longest wait of every round that has one. */
  readonly longest: readonly Wait[];
}

/** Peers of a chain that are kept, the one that waited first. Its end is always kept. */
export const MAX_WAIT_CHAIN = 16;

/** One row of a peer: when it waited, for whom, and how long it worked before its frame left. */
interface Row {
  readonly waitMs: number;
  readonly waitedFor: number;
  readonly workMs: number;
}

/** The wait of a peer in the round before the one being looked at. */
interface Known extends Row {
  readonly round: number;
  /** From the peer that was waited for on. */
  readonly rest: readonly number[];
}

export function waitsOf(peers: readonly PeerColumns[]): RunWaits {
  const byEnd = createTally();
  const byNeighbour = createTally();
  const longest: Wait[] = [];
  let before = new Map<number, Known>();
  for (const [round, rows] of byRound(peers)) {
    const now = new Map<number, Known>();
    let worst: Wait | undefined;
    for (const [peer, row] of rows) {
      const { waitMs, waitedFor } = row;
      const whole = Number.isNaN(waitedFor) ? [] : chainFrom(waitedFor, round, rows, before);
      const rest = upTo(whole, peer);
      now.set(peer, { ...row, round, rest });
      if (rest.length === 0 || !(waitMs > 0)) continue;
      byEnd.add(rest.at(-1)!, waitMs);
      byNeighbour.add(waitedFor, waitMs);
      if (!worst || waitMs > worst.waitMs) worst = { round, waitMs, chain: [peer, ...rest] };
    }
    if (worst) longest.push(worst);
    before = now;
  }
  const { lostMs, waits } = byEnd;
  return { lostMs, waits, byEnd: byEnd.table(), byNeighbour: byNeighbour.table(), longest };
}

/** Whom a peer waited for in this round, and what had held that one up, to the end. */
function chainFrom(
  peer: number,
  round: number,
  rows: ReadonlyMap<number, Row>,
  before: ReadonlyMap<number, Known>,
): readonly number[] {
  const earlier = before.get(peer);
  const work = rows.get(peer)?.workMs ?? 0;
  if (!earlier || earlier.round !== round - 1 || earlier.rest.length === 0 || earlier.waitMs <= work)
    return [peer];
  const chain = [peer, ...earlier.rest];
  // In the middle, so that both ends are kept.
  if (chain.length >= MAX_WAIT_CHAIN) chain.splice(MAX_WAIT_CHAIN - 2, chain.length - MAX_WAIT_CHAIN + 1);
  return chain;
}

/** The chain as far as this peer, which is in it already. */
function upTo(chain: readonly number[], peer: number): readonly number[] {
  const place = chain.indexOf(peer);
  return place < 0 ? chain : chain.slice(0, place);
}

/** The rows of all peers, round by round, ascending. */
function* byRound(peers: readonly PeerColumns[]): Generator<[round: number, rows: Map<number, Row>]> {
  const places = peers.map(() => 0);
  for (;;) {
    const round = Math.min(
      ...peers.map(({ columns }, k) =>
        places[k]! < columns.round.length ? columns.round.at(places[k]!) : Number.POSITIVE_INFINITY,
      ),
    );
    if (round === Number.POSITIVE_INFINITY) return;
    const rows = new Map<number, Row>();
    for (const [k, { peer, columns }] of peers.entries()) {
      const place = places[k]!;
      if (columns.round.at(place) !== round) continue;
      rows.set(peer, rowAt(columns, place));
      places[k] = place + 1;
    }
    yield [round, rows];
  }
}

function rowAt(columns: PeerColumns["columns"], place: number): Row {
  const at = (name: PeerColumn, row = place) => columns[name].at(row);
  const before = place > 0 ? at("mixMs", place - 1) + otherMs(columns, place - 1) : 0;
  return {
    waitMs: at("waitMs"),
    waitedFor: at("waitedFor"),
    workMs: before + at("computeMs") + at("compressMs"),
  };
}

/** Time of a round in none of its parts: it evaluated, or its program took the report before. */
function otherMs(columns: PeerColumns["columns"], place: number): number {
  const at = (name: PeerColumn, row = place) => columns[name].at(row);
  const all = at("elapsedMs") - (place > 0 ? at("elapsedMs", place - 1) : 0);
  return Math.max(0, all - at("computeMs") - at("compressMs") - at("waitMs") - at("mixMs"));
}

/** Adds up lost time by peer. */
function createTally() {
  const byPeer = new Map<number, { lostMs: number; waits: number }>();
  let lostMs = 0;
  let waits = 0;
  return {
    get lostMs() {
      return lostMs;
    },
    get waits() {
      return waits;
    },
    add(peer: number, milliseconds: number): void {
      const entry = byPeer.get(peer) ?? { lostMs: 0, waits: 0 };
      byPeer.set(peer, entry);
      entry.lostMs += milliseconds;
      entry.waits++;
      lostMs += milliseconds;
      waits++;
    },
    table: (): LostTime[] =>
      [...byPeer]
        .map(([peer, entry]) => ({ peer, ...entry, share: entry.lostMs / lostMs }))
        .sort((a, b) => b.lostMs - a.lostMs || a.peer - b.peer),
  };
}

/** `peer 2 waited 4.1 s for 5, which waited for 7` */
export function waitText({ chain, waitMs }: Wait, seconds: (milliseconds: number) => string): string {
  const [first, ...others] = chain;
  return `peer ${first} waited ${seconds(waitMs)} for ${others.join(", which waited for ")}`;
}
