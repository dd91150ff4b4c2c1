/**
 * The norm guard of one edge: refuses a payload that is far larger than anything this edge has seen. It compares upper
 * bounds of norms (`Compressor.normBound`), and is pure: its state is plain numbers, which a checkpoint can hold.
 *
 * It stops a payload that would destroy the model at once, by fault or by intent. It does not stop a neighbour that
 * grows slowly or stays within the usual size: that takes a robust mixing rule (`mixing-rule.ts`).
 */
import { lowerMedian } from "../foundation/median.js";

/** Accepted payloads of the neighbour that count as its usual ones. */
export const GUARD_HISTORY = 32;

/**
 * How many times the usual norm a payload may have. In the heterogeneous honest runs of test/guard.test.ts payloads
 * have up to 9 times it, and up to 22 times where models of zeros begin to learn.
 */
export const GUARD_FACTOR = 100;

/** Payloads of the neighbour after which there is a usual norm; zeros do not count. */
export const GUARD_FIRST = 4;

/** The same factor before that. Models of zeros, of which one begins to learn, differ by a few thousand. */
export const GUARD_FIRST_FACTOR = 1e4;

/**
 * How many times this peer's largest a payload may have, whatever is usual: with a random choice of 1 % of the numbers, one
 * that was not chosen for a long time comes at last, alone among small ones.
 */
export const GUARD_LARGEST_FACTOR = 4;

/** Largest norm bound while there is nothing to compare with: mixed, it is still far from the end of float32. */
export const GUARD_LIMIT = 1e30;

/** What is known of the norms on one edge. */
export interface GuardState {
  /** Norm bounds of the neighbour's last accepted payloads other than zeros; at most GUARD_HISTORY. */
  readonly history: number[];
  /** Place of the oldest one, once there are GUARD_HISTORY of them; 0 before, and where left out. */
  next?: number | undefined;
  /** Largest norm bound that this peer itself has offered on the edge. */
  largest: number;
}

/** The state of an edge on which nothing has crossed. */
export const freshGuard = (): GuardState => ({ history: [], next: 0, largest: 0 });

/**
 * Judges the two halves of one exchange. Accepts a payload of at most GUARD_FACTOR times the larger of this peer's own
 * and the median of the neighbour's accepted ones (GUARD_FIRST_FACTOR times at first); also one of at most
 * GUARD_LARGEST_FACTOR times this peer's largest, since differences shrink by orders of magnitude and may grow again.
 * While all of these are 0, as before the first update of a model of zeros, only GUARD_LIMIT counts. An accepted
 * payload enters the history.
 *
 * @param own norm bound of this peer's half; 0 on an edge that only receives
 * @param theirs norm bound of the neighbour's half
 * @returns why the payload is refused, as the end of a sentence; undefined where it is accepted
 */
export function judgeNorms(state: GuardState, own: number, theirs: number): string | undefined {
  const { history } = state;
  state.largest = Math.max(state.largest, own);
  const factor = history.length < GUARD_FIRST ? GUARD_FIRST_FACTOR : GUARD_FACTOR;
  // Nearly always, and then no median is needed.
  const isBelowOwn = own > 0 && theirs <= factor * own;
  const usual = isBelowOwn ? 0 : lowerMedian(history);
  const reference = Math.max(own, usual);
  const limit =
    reference > 0 ? Math.max(factor * reference, GUARD_LARGEST_FACTOR * state.largest) : GUARD_LIMIT;
  // A bound that is not a number is refused too.
  if (!(theirs <= limit)) {
    return reference > 0
      ? `its norm of up to ${shown(theirs)} exceeds ${factor} times what is usual on this edge: this peer's own is ${shown(own)}, the neighbour's median ${shown(usual)}`
      : `its norm of up to ${shown(theirs)} exceeds ${shown(GUARD_LIMIT)}, and nothing before it shows what is usual on this edge`;
  }
  if (theirs > 0) remember(state, theirs);
  return undefined;
}

function remember(state: GuardState, norm: number): void {
  const { history, next = 0 } = state;
  if (history.length < GUARD_HISTORY) history.push(norm);
  else {
    history[next] = norm;
    state.next = (next + 1) % GUARD_HISTORY;
  }
}

const shown = (value: number) => value.toPrecision(3);
