import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind } from "./graph.js";
import { peerCount } from "./sizes.js";

const settings = z.strictObject({
  kind: z.literal("exponential"),
  peers: peerCount,
  directed: z
    .boolean()
    .optional()
    .describe("Peer i sends to i + 1, i + 2, i + 4, … only, for algorithms that need no answer"),
});

/**
 * The exponential graph: peer i talks to i ± 1, i ± 2, i ± 4, … modulo n. Degree about 2 log₂ n. Directed, as in the
 * literature, i sends to i + 2^k only; an offset of n / 2 is then left out, because both peers would send to each other.
 *
 * @see Ying et al. 2021, “Exponential Graph is Provably Efficient for Decentralized Deep Training” (directed)
 */
export const exponential: GraphKind<typeof settings> = {
  settings,
  create({ peers, directed }) {
    const pairs: Edge[] = [];
    for (let offset = 1; offset < peers; offset *= 2) {
      if (directed && 2 * offset === peers && peers > 2) continue;
      for (let peer = 0; peer < peers; peer++) pairs.push([peer, (peer + offset) % peers]);
    }
    return createSimpleGraph(peers, pairs, directed);
  },
  /** W is circulant: its eigenvalues are the discrete Fourier transform of a row. */
  eigenvalues({ peers, directed }) {
    if (directed) return undefined;
    const offsets = new Set<number>();
    for (let offset = 1; offset < peers; offset *= 2) offsets.add(offset).add(peers - offset);
    const cosines = Float64Array.from({ length: peers }, (_, k) => Math.cos((2 * Math.PI * k) / peers));
    return Array.from({ length: peers }, (_, k) => {
      let sum = 1;
      for (const offset of offsets) sum += cosines[(k * offset) % peers]!;
      return sum / (1 + offsets.size);
    });
  },
};
