import { random } from "../foundation/random.js";

/** Whether the edge between two peers works in a round. The same at both of its ends. */
export type EdgeSchedule = (a: number, b: number, round: number) => boolean;

/** How much of the graph takes part in a round: a share of the edges, in (0, 1], or of the peers. */
export type Participation = number | { readonly peers: number };

/** The share, of whatever it is. */
export const shareOf = (participation: Participation): number =>
  typeof participation === "number" ? participation : participation.peers;

/**
 * Each edge, or each peer, takes part in a round with the probability of the share. Both ends draw the same coin, so an
 * edge that is skipped is skipped at both. A peer that does not take part still learns.
 */
export function participation(seed: number, participation: Participation): EdgeSchedule {
  const share = shareOf(participation);
  if (share >= 1) return () => true;
  const draws = (...key: number[]) => random(seed, "participation", ...key);
  if (typeof participation === "number") {
    return (a, b, round) => draws(Math.min(a, b), Math.max(a, b)).uniform(round) < share;
  }
  const takesPart = (peer: number, round: number) => draws(peer).uniform(round) < share;
  return (a, b, round) => takesPart(a, round) && takesPart(b, round);
}
