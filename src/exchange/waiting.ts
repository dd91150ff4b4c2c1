/**
 * Who waits for whom. What a peer does reaches its neighbours with its heartbeats, and with it what it knows of the
 * peer that it waits for: so every wait names the peer at the end of the chain. Pure: state in, chain or sentence out.
 */

/**
 * What a peer does, and the words for it with and without the time that it has been doing so. A chain goes on only after
 * a peer that waits. The place in this list is the number on the wire: append only.
 */
const activities = {
  /** Its neighbour knows nothing of it yet. */
  unknown: undefined,
  computing: "has been computing",
  waiting: "has been waiting",
  mixing: "has been mixing",
  evaluating: "has been evaluating",
  /** Between two rounds: its program takes the report. */
  reporting: "has been busy with its last report",
  /** As its neighbour knows: there is no connection to it. */
  disconnected: "has been unreachable",
} as const;

/** What a peer does at the moment. */
export type Activity = keyof typeof activities;
export const activityNames = Object.keys(activities) as Activity[];

/** One peer of a chain. */
export interface Waiter {
  readonly peer: number;
  readonly activity: Activity;
  /** For how long it has done so, in milliseconds. */
  readonly forMs: number;
}

/** A peer and whom it waits for, and so on: each waits for the next, and the last one does something else. */
export type Chain = readonly [Waiter, ...Waiter[]];

/** Most peers of a chain; what is beyond is cut. */
export const MAX_CHAIN = 16;

/** What a peer does now, as it knows it itself. */
export interface State {
  readonly activity: Activity;
  readonly forMs: number;
  /** The neighbours that it waits for; none unless it waits. */
  readonly awaited: readonly number[];
  /** The round that it is in, from 0; absent before the first. */
  readonly round?: number | undefined;
}

/**
 * The chain that begins with a peer in this state.
 *
 * @param chainOf what is known of a neighbour
 */
export function chainFrom(peer: number, state: State, chainOf: (neighbour: number) => Chain): Chain {
  const { activity, forMs, awaited } = state;
  const own: Waiter = { peer, activity, forMs };
  if (activity !== "waiting" || awaited.length === 0) return [own];
  return prepend(own, mostTelling(awaited.map(chainOf)));
}

/** Puts a peer that waits before the chain of whom it waits for. Cycles and what is beyond MAX_CHAIN are cut. */
export function prepend(own: Waiter, rest: readonly Waiter[]): Chain {
  const seen = new Set([own.peer]);
  const kept: Waiter[] = [];
  for (const waiter of rest) {
    if (seen.has(waiter.peer) || kept.length + 1 === MAX_CHAIN) break;
    seen.add(waiter.peer);
    kept.push(waiter);
  }
  return [own, ...kept];
}

/** The chain that explains most: one that ends with a peer that does something, for longest; the first of equals. */
export function mostTelling(chains: readonly Chain[]): readonly Waiter[] {
  let best: Chain | undefined;
  for (const chain of chains) if (!best || explainsMore(endOf(chain), endOf(best))) best = chain;
  return best ?? [];
}

/** A cause explains more than a wait, and a wait more than nothing. */
const explains = ({ activity }: Waiter) => (activity === "unknown" ? 0 : activity === "waiting" ? 1 : 2);

function explainsMore(one: Waiter, other: Waiter): boolean {
  const difference = explains(one) - explains(other);
  return difference > 0 || (difference === 0 && one.forMs > other.forMs);
}

/** The chain after this many more milliseconds. */
export function aged([first, ...others]: Chain, milliseconds: number): Chain {
  const older = (waiter: Waiter): Waiter => ({ ...waiter, forMs: waiter.forMs + milliseconds });
  return [older(first), ...others.map(older)];
}

/** The chain of a neighbour of whom nothing is known. */
export function unknown(peer: number): Chain {
  return [{ peer, activity: "unknown", forMs: 0 }];
}

/** The peer at the end of a chain. */
export function endOf(chain: Chain): Waiter {
  return chain.at(-1)!;
}

/** `peer 2 waits for 5, which waits for 7, which has been computing for 40 s` */
export function chainText(chain: Chain): string {
  const [first] = chain;
  return chain.length === 1
    ? `peer ${first.peer}${does(first)}`
    : `peer ${first.peer} waits for ${whomText(chain.slice(1))}`;
}

/** `5, which waits for 7, which has been computing for 40 s`; empty for an empty chain. */
export function whomText(chain: readonly Waiter[]): string {
  return chain
    .map((waiter, place) => {
      const isLast = place === chain.length - 1;
      const words = isLast ? does(waiter) : " waits for ";
      return `${waiter.peer}${words === "" ? "" : `, which${words}`}`;
    })
    .join("");
}

function does({ activity, forMs }: Waiter): string {
  const words = activities[activity];
  return words === undefined ? "" : ` ${words} for ${durationText(forMs)}`;
}

/** `0.4 s`, `40 s`, `12 min` */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`;
  return seconds < 600 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
