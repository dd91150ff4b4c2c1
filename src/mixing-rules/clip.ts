import { z } from "zod";
import { mix } from "../algorithms/mix.js";
import { lowerMedian } from "../foundation/median.js";
import type { MixingRuleKind } from "../mixing-rule.js";

const settings = z.strictObject({
  kind: z.literal("clip"),
  radius: z
    .union([z.literal("auto"), z.number().positive()])
    .default("auto")
    .describe("τ: the longest difference that counts in full; auto follows the neighbours"),
});

/** Scalar of an edge with which nothing has settled yet. */
const UNKNOWN = -1;

/**
 * Self-centred clipping: x ← x + η Σ_j w_ij f_ij (q_j − q_i) with f_ij = min(1, τ / ‖q_j − q_i‖), so that a neighbour
 * moves the model by at most η w_ij τ whatever it sends.
 *
 * A radius that is a number is the same at both ends of an edge, and so is f_ij: the mean of all models stays exact.
 *
 * `auto` takes the lower median over this peer's neighbours of the last ‖q_j − q_i‖ on each edge: no scale to guess,
 * and no single neighbour of two or more can raise it beyond the honest ones. The two ends of an edge then clip by
 * different factors, and the mean of honest models drifts by η Σ w_ij (f_ij − f_ji)(q_j − q_i), which `npm run attacks`
 * measures. Exactness and a radius that follows the honest neighbours exclude each other without another message: what
 * one edge has seen does not show which of its ends is at fault. A peer with one neighbour clips nothing under `auto`.
 *
 * With compressed payloads the distances hold the compression error too, and an attack of that length passes.
 *
 * Two vectors of scratch memory, for C_i and C_j.
 *
 * @see He, Karimireddy, Jaggi 2022, “Byzantine-Robust Decentralized Learning via ClippedGossip”, equation (2); its
 *   radius takes the distances of the honest neighbours, for which the median stands here
 */
export const clip: MixingRuleKind<typeof settings> = {
  settings,
  isRobust: true,
  vectors: () => 2,
  fewestNeighbours: () => 0,
  create({ radius }, { compressor, layout: { length }, space, edges }) {
    const { kernels } = space;
    const own = space.vector(length);
    const theirs = space.vector(length);
    const names = edges.map(({ peer }) => `distance ${peer}`);
    const scalars = Object.fromEntries(radius === "auto" ? names.map((name) => [name, UNKNOWN]) : []);
    const distances = new Float64Array(edges.length);
    const known = new Float64Array(edges.length);
    const factors = new Float64Array(edges.length);

    const medianDistance = (): number => {
      let count = 0;
      for (const name of names) {
        const distance = scalars[name]!;
        if (distance !== UNKNOWN) known[count++] = distance;
      }
      return lowerMedian(known, count);
    };

    return {
      scalars,
      mix(model, settled) {
        for (let k = 0; k < settled.length; k++) {
          const pair = settled[k]!;
          if (k === 0 || pair.own !== settled[k - 1]!.own) {
            own.fill(0);
            compressor.addTo(own, pair.own, 1);
          }
          theirs.fill(0);
          compressor.addTo(theirs, pair.theirs, 1);
          const distance = Math.sqrt(kernels.squaredDistance(own.byteOffset, theirs.byteOffset, length));
          distances[k] = distance;
          if (radius === "auto") scalars[names[edges.indexOf(pair.edge)]!] = distance;
        }
        const longest = radius === "auto" ? medianDistance() : radius;
        for (let k = 0; k < settled.length; k++) {
          factors[k] = distances[k]! > longest ? longest / distances[k]! : 1;
        }
        mix(compressor, model, settled, factors);
      },
    };
  },
};
