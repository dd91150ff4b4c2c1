import type { Neighbour } from "../mixing.js";
import { random } from "../random.js";

/**
 * Which edges work in a round, when only a share of them does. Both ends of an edge draw the same coin, so an
 * edge that is skipped is skipped at both.
 *
 * @param share probability in (0, 1] that an edge takes part in a round
 */
export function participation(seed: number, share: number, id: number) {
  return ({ peer }: Neighbour, round: number): boolean =>
    share >= 1 ||
    random(seed, "participation", Math.min(id, peer), Math.max(id, peer)).uniform(round) < share;
}
