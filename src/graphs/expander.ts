import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import { random } from "../foundation/random.js";
import { type GraphKind, isConnected } from "./graph.js";
import { requireRegular, sampleRegularGraph } from "./random-regular.js";
import { DEFAULT_DEGREE, MAX_SAMPLES, peerCount, seed } from "./sizes.js";
import { gapReaches, spectralGap, spectrum } from "./spectrum.js";
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

/** A random regular graph, redrawn from the seed until it is connected and its spectral gap reaches `minimumGap`. */
export const expander: GraphKind<typeof settings> = {
  settings,
  create({ peers, degree, seed, minimumGap = ramanujanGap(degree) }) {
    let best = 0;
    for (let sample = 0; sample < MAX_SAMPLES; sample++) {
      const graph = sampleRegularGraph(peers, degree, random(seed, "expander", sample));
      if (!isConnected(graph)) continue;
      const mixing = metropolisMixing(graph);
      if (gapReaches(mixing, minimumGap)) return graph;
      // Only for the message, so a few samples are enough of what is a slow computation on many peers.
      if (sample < 3) best = Math.max(best, spectralGap(spectrum(mixing)));
    }
    throw new InvalidTopology(
      `none of ${MAX_SAMPLES} random graphs of ${peers} peers and degree ${degree} has a spectral gap of ${minimumGap} ` +
        `(the best of three had ${best.toPrecision(3)}): lower minimumGap, or raise the degree`,
      { code: "expander-gap", field: "minimumGap" },
    );
  },
  sized: (peers) => ({ kind: "expander", peers, degree: DEFAULT_DEGREE }),
};
