/**
 * How long a round waits for an edge before it goes on without it: the edge's usual time and some more, under a bound.
 * Only times enter: which exchanges settle, and what they move, is the ledger's business.
 */
import { lowerMedian } from "../foundation/median.js";

/** Exchanges of an edge that count as its usual ones. */
export const PATIENCE_HISTORY = 32;
/** Exchanges after which an edge has a usual time; until then only the bound counts. */
export const PATIENCE_FIRST = 8;
/** Smallest spread that counts, in milliseconds and as a share of the median: clocks are no finer than their timers. */
const LEAST_SPREAD_MS = 1;
const LEAST_SPREAD = 0.1;

export interface EdgePatience {
  /** Milliseconds that an exchange with this neighbour took, from this peer's offer to the neighbour's frame. */
  took(peer: number, milliseconds: number): void;
  /** How long to wait for this neighbour, in milliseconds. */
  limit(peer: number): number;
}

/**
 * @param most bound of every wait, in milliseconds
 * @param factor k of median + k · MAD (median absolute deviation); without one, every wait has the bound
 */
export function createEdgePatience(most: number, factor: number | undefined): EdgePatience {
  const times = new Map<number, number[]>();
  return {
    took(peer, milliseconds) {
      if (factor === undefined) return;
      const history = times.get(peer) ?? [];
      times.set(peer, history);
      history.push(milliseconds);
      if (history.length > PATIENCE_HISTORY) history.shift();
    },
    limit(peer) {
      const history = times.get(peer);
      if (factor === undefined || !history || history.length < PATIENCE_FIRST) return most;
      const median = lowerMedian(history);
      const deviation = lowerMedian(history.map((time) => Math.abs(time - median)));
      const spread = Math.max(deviation, LEAST_SPREAD * median, LEAST_SPREAD_MS);
      return Math.min(most, median + factor * spread);
    },
  };
}
