import { z } from "zod";
import type { MixingRuleKind } from "../mixing-rule.js";

const settings = z.strictObject({
  kind: z.literal("trimmed"),
  trim: z
    .int()
    .min(0)
    .max(1 << 16)
    .default(1)
    .describe("b: how many neighbours may send anything; a peer needs 2b + 1 neighbours"),
});

/** Numbers of each neighbour that are sorted at a time, so that all of them stay in a near cache. */
const TILE = 2048;

/**
 * Coordinate-wise trimmed mean. Of each coordinate the b largest and the b smallest of the d values that neighbours
 * sent are left out; with K the d − 2b others,
 *
 *     x ← x + η / (d − 2b + 1) · Σ_{j ∈ K} (q_j − q_i)
 *
 * so that with η = 1 and exact payloads x becomes the average of K and itself, and every coordinate lies between those of
 * honest models if at most b neighbours are not honest. All neighbours weigh alike, whatever the graph's weights; with
 * b > 0 or unequal degrees the mean of all models drifts. With b = 0 it is the plain average of the peer and its
 * neighbours.
 *
 * Differences are sorted, not values: each neighbour's is taken to what this peer sent along with it, so that a late
 * exchange counts like any other. A round in which fewer than 2b + 1 exchanges settle mixes nothing; with unequal rates
 * the least one counts.
 *
 * One vector of scratch memory per neighbour.
 *
 * @see Yin et al. 2018, “Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates”, Definition 2; Fang,
 *   Yang, Bajwa 2022, “BRIDGE: Byzantine-Resilient Decentralized Gradient Descent”, BRIDGE-T
 */
export const trimmed: MixingRuleKind<typeof settings> = {
  settings,
  isRobust: true,
  vectors: (degree) => degree,
  fewestNeighbours: ({ trim }) => 2 * trim + 1,
  create({ trim }, { compressor, layout: { length }, space, edges }) {
    const { kernels } = space;
    const differences = edges.map(() => space.vector(length));
    const pointers = differences.map(({ byteOffset }) => byteOffset);

    /** Sorts `count` numbers of the first `d` differences from number `first` on, coordinate by coordinate. */
    const sort = (d: number, first: number, count: number): void => {
      const bytes = 4 * first;
      for (let last = 1; last < d; last++) {
        for (let k = last; k > 0; k--)
          kernels.sortPairs(pointers[k - 1]! + bytes, pointers[k]! + bytes, count);
      }
    };

    return {
      scalars: {},
      mix(model, settled) {
        const d = settled.length;
        if (d < 2 * trim + 1) return;
        let rate = Number.POSITIVE_INFINITY;
        for (let k = 0; k < d; k++) {
          const pair = settled[k]!;
          rate = Math.min(rate, pair.rate);
          const difference = differences[k]!;
          difference.fill(0);
          compressor.addTo(difference, pair.own, -1);
          compressor.addTo(difference, pair.theirs, 1);
        }
        const share = rate / (d - 2 * trim + 1);
        for (let first = 0; first < length; first += TILE) {
          const count = Math.min(TILE, length - first);
          sort(d, first, count);
          for (let k = trim; k < d - trim; k++) {
            kernels.addScaled(model.byteOffset + 4 * first, pointers[k]! + 4 * first, count, share);
          }
        }
      },
    };
  },
};
