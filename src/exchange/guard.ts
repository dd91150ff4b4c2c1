/**
 * The norm guard of one edge: refuses a payload that is far larger than anything this edge has seen. It compares upper
 * bounds of norms (`Compressor.normBound`), and is pure: its state is plain numbers, which a checkpoint can hold.
 *
 * It stops a payload that would destroy the model at once, by fault or by intent. It does not stop a neighbour that
 * grows slowly or stays within the usual size: that takes a robust mixing rule (`mixing-rule.ts`).
 */
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

export interface GuardState {
  /** Norm bounds of the neighbour's last accepted payloads other than zeros, oldest first; at most GUARD_HISTORY. */
  readonly history: number[];
  /** Largest norm bound that this peer itself has offered on the edge. */
  largest: number;
}

export interface Guard {
  /** Lives on in `judge`. A checkpoint copies it out; `createGuard` goes on from it. */
  readonly state: GuardState;
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
  judge(own: number, theirs: number): string | undefined;
}

export function createGuard(state: GuardState = { history: [], largest: 0 }): Guard {
  const { history } = state;
  /** The history in order, for its median. */
  const sorted = [...history].sort((a, b) => a - b);
  const remember = (bound: number): void => {
    history.push(bound);
    let place = sorted.length;
    while (place > 0 && sorted[place - 1]! > bound) place--;
    sorted.splice(place, 0, bound);
    if (history.length > GUARD_HISTORY) sorted.splice(sorted.indexOf(history.shift()!), 1);
  };
  return {
    state,
    judge(own, theirs) {
      state.largest = Math.max(state.largest, own);
      const usual = sorted[(sorted.length - 1) >> 1] ?? 0;
      const reference = Math.max(own, usual);
      const factor = history.length < GUARD_FIRST ? GUARD_FIRST_FACTOR : GUARD_FACTOR;
      const limit =
        reference > 0 ? Math.max(factor * reference, GUARD_LARGEST_FACTOR * state.largest) : GUARD_LIMIT;
      // A bound that is not a number is refused too.
      if (!(theirs <= limit)) {
        return reference > 0
          ? `its norm of up to ${shown(theirs)} exceeds ${factor} times what is usual on this edge: this peer's own is ${shown(own)}, the neighbour's median ${shown(usual)}`
          : `its norm of up to ${shown(theirs)} exceeds ${shown(GUARD_LIMIT)}, and nothing before it shows what is usual on this edge`;
      }
      if (theirs > 0) remember(theirs);
      return undefined;
    },
  };
}

const shown = (value: number) => value.toPrecision(3);
