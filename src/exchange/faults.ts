/** What can be wrong with a neighbour's frame whose number is due. */
import { MalformedPayload } from "../foundation/errors.js";
import { type Account, belongs, isInOrder, nameOf, type Offer, type Problem } from "./account.js";
import type { Frame } from "./frame.js";
import { judgeNorms } from "./guard.js";

export interface ExaminerOptions {
  /**
   * Looks at a payload before it is kept.
   * @throws MalformedPayload
   */
  readonly check: (frame: Frame, from: number) => void;
  /** Upper bound of the norm of what a checked payload holds; without one, any norm is accepted. */
  readonly normBound?: (half: Offer) => number | undefined;
  readonly isBarrier: boolean;
  readonly lastRound: number;
}

export interface Examiner {
  /** Why a frame cannot be the half of any exchange. */
  alone(account: Account, frame: Frame): Problem | undefined;
  /** Why a frame in which nothing is wrong alone cannot be the other half of this one. */
  together(account: Account, own: Offer, theirs: Frame): Problem | undefined;
}

export function createExaminer({ check, normBound, isBarrier, lastRound }: ExaminerOptions): Examiner {
  const boundOfOwn = rememberLast(normBound);
  return {
    alone(account, frame) {
      // At the barrier both halves are of one round, and a round may have several exchanges.
      if (!isBarrier && !isInOrder(account, frame, lastRound)) {
        const what = `sent ${nameOf(frame)} after round ${account.theirRound + 1}`;
        return { what, counter: "refusedOutOfTurn" };
      }
      try {
        check(frame, account.edge.peer);
        return undefined;
      } catch (cause) {
        if (!(cause instanceof MalformedPayload)) throw cause;
        const what = `sent a malformed payload in ${nameOf(frame)} (${cause.message})`;
        return { what, counter: "refusedPayload", cause };
      }
    },

    together({ sends, quarantine }, own, frame) {
      if (!belongs(frame, own, isBarrier)) {
        const what = `sent ${nameOf(frame)} where ${nameOf(own)} is due`;
        return { what, counter: "refusedOutOfTurn" };
      }
      const bound = normBound?.(frame);
      if (bound === undefined) return undefined;
      const why = judgeNorms(quarantine.guard, sends ? (boundOfOwn(own) ?? 0) : 0, bound);
      if (why === undefined) return undefined;
      return { what: `sent a payload in ${nameOf(frame)} that is refused: ${why}`, counter: "refusedNorm" };
    },
  };
}

/** A payload that goes to all neighbours is bounded once. */
function rememberLast(normBound: ExaminerOptions["normBound"]): (half: Offer) => number | undefined {
  let last: Offer | undefined;
  let bound: number | undefined;
  return (half) => {
    const { kind, round, step, payload } = half;
    const isSame =
      last?.payload === payload && last.round === round && last.step === step && last.kind === kind;
    if (!isSame) bound = normBound?.(half);
    last = half;
    return bound;
  };
}
