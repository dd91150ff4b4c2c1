import { z } from "zod";
import { random } from "../foundation/random.js";
import { allPairs, createSimpleGraph, type GraphKind } from "./graph.js";
import type { WeightedEdge } from "./graph-sequence.js";
import { seed, sequencePeerCount } from "./sizes.js";

const settings = z.strictObject({ kind: z.literal("random-matchings"), peers: sequencePeerCount, seed });

/**
 * Random matchings: in every round all peers are paired at random, and a pair averages. With an odd number of peers one
 * of them rests. Any two peers may meet, so every peer is connected to all others.
 *
 * A round leaves (1/2)(1 − 1/(n − 1)) of the consensus distance in the mean, for even n.
 *
 * @see Boyd et al. 2006, “Randomized gossip algorithms”, §II (synchronous gossip)
 */
export const randomMatchings: GraphKind<typeof settings> = {
  settings,
  create({ peers, seed }) {
    const round = (t: number): WeightedEdge[] => {
      const draws = random(seed, "matching", t);
      const order = Array.from({ length: peers }, (_, peer) => peer);
      for (let k = peers - 1; k > 0; k--) {
        const other = Math.floor(draws.uniform(k) * (k + 1));
        [order[k], order[other]] = [order[other]!, order[k]!];
      }
      return Array.from({ length: peers >> 1 }, (_, k): WeightedEdge => {
        const [a, b] = [order[2 * k]!, order[2 * k + 1]!];
        return [Math.min(a, b), Math.max(a, b), 1 / 2];
      });
    };
    return { ...createSimpleGraph(peers, allPairs(peers)), sequence: { round } };
  },
};
