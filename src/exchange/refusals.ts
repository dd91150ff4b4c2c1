import type { Refusal } from "./ledger.js";

/** Refused frames that are listed one by one; more of them are counted. */
export const MAX_LISTED_REFUSALS = 16;

/** The refused frames of a round. */
export interface Refusals {
  add(refusal: Refusal): void;
  /** Those since the last call. */
  take(): readonly Refusal[];
}

export function createRefusals(): Refusals {
  let listed: Refusal[] = [];
  let others = 0;
  return {
    add(refusal) {
      if (listed.length < MAX_LISTED_REFUSALS) listed.push(refusal);
      else others++;
    },
    take() {
      const from = listed.at(-1)?.from;
      const taken = listed;
      if (from !== undefined && others > 0) {
        taken.push({ from, reason: `${others} more frames were refused` });
      }
      listed = [];
      others = 0;
      return taken;
    },
  };
}
