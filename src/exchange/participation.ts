import { random } from "../foundation/random.js";

/** Whether the edge between two peers works in a round. The same at both of its ends. */
export type EdgeSchedule = (a: number, b: number, round: number) => boolean;

/**
 * Each edge works in a round with probability `share`, in (0, 1]. Both ends draw the same coin, so an edge that is
 * skipped is skipped at both.
 */
export function participation(seed: number, share: number): EdgeSchedule {
  if (share >= 1) return () => true;
  return (a, b, round) =>
    random(seed, "participation", Math.min(a, b), Math.max(a, b)).uniform(round) < share;
}
