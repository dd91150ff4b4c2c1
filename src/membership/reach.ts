/** How fast news travels: one hop in every round in which an edge works. */
import type { EdgeSchedule } from "../exchange/participation.js";
import type { Mixing } from "../graphs/mixing.js";

/** Rounds that news may take; beyond, it does not arrive. */
export const MAX_REACH_ROUNDS = 1 << 14;

export interface Roads {
  readonly mixing: Mixing;
  /** Which edges work in a round. All where left out. */
  readonly works?: EdgeSchedule | undefined;
  /** Peers that news does not pass. */
  readonly without: ReadonlySet<number>;
}

/**
 * The first round whose frames leave every peer with the news that leaves `from` with the frames of `round`; infinity
 * where it does not reach all.
 */
export function reached(from: number, round: number, { mixing, works, without }: Roads): number {
  const { length: all } = membersOf({ mixing, without });
  const knows = new Set([from]);
  /** Peers that know, of which some neighbour may not. */
  let edge = [from];
  for (let now = round; knows.size < all; now++) {
    if (edge.length === 0 || now >= round + MAX_REACH_ROUNDS) return Number.POSITIVE_INFINITY;
    const known = edge;
    edge = [];
    for (const peer of known) {
      let hasMore = false;
      for (const { peer: other } of mixing.neighbours[peer]!) {
        if (knows.has(other) || without.has(other)) continue;
        if (works && !works(peer, other, now)) hasMore = true;
        else {
          knows.add(other);
          edge.push(other);
        }
      }
      if (hasMore) edge.push(peer);
    }
    if (knows.size >= all) return now + 1;
  }
  return round;
}

/** Peers that have edges and that news passes. */
function membersOf({ mixing, without }: Pick<Roads, "mixing" | "without">): number[] {
  return mixing.neighbours.flatMap((edges, peer) => (edges.length > 0 && !without.has(peer) ? [peer] : []));
}

/**
 * The round in which something begins that a peer proposes in `round`: by then every peer knows it, and also whatever
 * another peer proposed before it knew.
 */
export function agreedRound(from: number, round: number, roads: Roads): number {
  const known = reached(from, round, roads);
  if (!Number.isFinite(known)) return Number.POSITIVE_INFINITY;
  // The last round in which a peer may propose without knowing of this proposal.
  const last = Math.max(round, known - 1);
  return Math.max(...membersOf(roads).map((peer) => reached(peer, last, roads)));
}
