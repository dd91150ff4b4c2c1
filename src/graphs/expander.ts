import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import { random } from "../foundation/random.js";
import { type GraphKind, isConnected } from "./graph.js";
import { requireRegular, sampleRegularGraph } from "./random-regular.js";
import { DEFAULT_DEGREE, MAX_SAMPLES, peerCount, seed } from "./sizes.js";
import { gapReaches, quickGap } from "./spectrum.js";
import { metropolisMixing } from "./weights.js";

const settings = z
  .strictObject({
    kind: z.literal("expander"),
    peers: peerCount,
    degree: z.int().min(2).describe("neighbours of every peer, at least 3"),
    seed,
    minimumGap: z
      .number()
      .positive()
      .max(1)
      .optional()
      .describe("spectral gap the graph must reach; by default the Ramanujan bound of its degree"),
  })
  .superRefine(requireRegular);

/**
 * The gap of a Ramanujan graph of degree d with Metropolis weights, 1 − (1 + 2√(d − 1))/(d + 1). No degree
 * does better by much on many peers (Alon–Boppana), and a good share of random regular graphs reach it.
 *
 * @see Friedman 2008, “A proof of Alon's second eigenvalue conjecture and related problems”
 */
export function ramanujanGap(degree: number): number {
  return 1 - (1 + 2 * Math.sqrt(degree - 1)) / (degree + 1);
}

/** Longest closed walks that `gapLimit` counts; longer ones say less about graphs of `MAX_PEERS`. */
const LONGEST_WALK = 64;

/** Room for errors of float64. */
const ROUNDING = 1e-9;

/**
 * A gap that no graph of this degree exceeds with Metropolis weights. Its closed walks of m steps are at least those of
 * the infinite tree, a share τ_m of all walks: 1 + (n − 1) ρ^m ≥ tr W^m ≥ n τ_m for even m, where ρ is the largest |λ| of
 * a disagreement.
 *
 * @param peers 3 or more
 * @see Hoory, Linial & Wigderson 2006, “Expander graphs and their applications”, §5.2
 */
export function gapLimit(peers: number, degree: number): number {
  const stay = 1 / (degree + 1);
  // Shares of the walks by their distance from where they began.
  let shares = new Float64Array(LONGEST_WALK + 2);
  shares[0] = 1;
  let least = 0;
  for (let steps = 1; steps <= LONGEST_WALK; steps++) {
    const next = new Float64Array(shares.length);
    for (let distance = 0; distance <= steps; distance++) {
      const away = distance === 1 ? degree : degree - 1;
      const closer = distance === 0 ? 0 : away * shares[distance - 1]!;
      next[distance] = stay * (closer + shares[distance]! + shares[distance + 1]!);
    }
    shares = next;
    const excess = (peers * shares[0]! - 1) / (peers - 1);
    if (steps % 2 === 0 && excess > ROUNDING) least = Math.max(least, excess ** (1 / steps));
  }
  return 1 - least;
}

/** A random regular graph, redrawn from the seed until it is connected and its spectral gap reaches `minimumGap`. */
export const expander: GraphKind<typeof settings> = {
  settings,
  create({ peers, degree, seed, minimumGap = ramanujanGap(degree) }) {
    const limit = gapLimit(peers, degree);
    if (minimumGap > limit + ROUNDING) {
      throw new InvalidTopology(
        `no graph of ${peers} peers and degree ${degree} has a spectral gap of ${minimumGap} ` +
          `(none has more than ${limit.toPrecision(3)}): lower minimumGap, or raise the degree`,
        { code: "expander-gap-impossible", field: "minimumGap" },
      );
    }
    let best = 0;
    for (let sample = 0; sample < MAX_SAMPLES; sample++) {
      const graph = sampleRegularGraph(peers, degree, random(seed, "expander", sample));
      if (!isConnected(graph)) continue;
      const mixing = metropolisMixing(graph);
      if (gapReaches(mixing, minimumGap)) return graph;
      // Only for the message, so a few samples are enough of what is a slow computation on many peers.
      if (sample < 3) best = Math.max(best, quickGap(mixing));
    }
    throw new InvalidTopology(
      `none of ${MAX_SAMPLES} random graphs of ${peers} peers and degree ${degree} has a spectral gap of ${minimumGap} ` +
        `(the best of three had ${best.toPrecision(3)}): lower minimumGap, or raise the degree`,
      { code: "expander-gap", field: "minimumGap" },
    );
  },
  sized: (peers) => ({ kind: "expander", peers, degree: DEFAULT_DEGREE }),
};
