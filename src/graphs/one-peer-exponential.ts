import { z } from "zod";
import { createSimpleGraph, type GraphKind } from "./graph.js";
import { repeated, type WeightedEdge } from "./graph-sequence.js";
import { sequencePeerCount } from "./sizes.js";

const settings = z
  .strictObject({
    kind: z.literal("one-peer-exponential"),
    peers: sequencePeerCount,
    directed: z
      .boolean()
      .optional()
      .describe("Peer i sends to i + 2^t and keeps half, for algorithms that need no answer"),
  })
  .superRefine(({ peers, directed }, context) => {
    if (!directed || Number.isInteger(Math.log2(peers))) return;
    const message = `is ${peers}: directed, the number of peers must be a power of two, such as ${2 ** Math.round(Math.log2(peers))}`;
    context.addIssue({ code: "custom", path: ["peers"], message });
  });

/**
 * The one-peer exponential graph: one neighbour a round, ⌈log₂ n⌉ rounds a period, half of the weight. Directed, as in the
 * literature, peer i sends to i + 2^t modulo n in round t. Undirected, peers i and j are paired whose numbers differ in bit
 * t, the same distances; a peer without a partner keeps its model. For n = 2^k one period gives the exact average. For other
 * n a directed edge would work one way in one round and the other way in another, which transports do not have.
 *
 * @see Ying et al. 2021, “Exponential Graph is Provably Efficient for Decentralized Deep Training”, §4; Shi et al. 2016,
 *   “Finite-time convergent gossiping” (the pairs)
 */
export const onePeerExponential: GraphKind<typeof settings> = {
  settings,
  create({ peers, directed }) {
    const rounds: WeightedEdge[][] = [];
    for (let offset = 1; offset < peers; offset *= 2) {
      const round: WeightedEdge[] = [];
      for (let peer = 0; peer < peers; peer++) {
        if (directed) round.push([peer, (peer + offset) % peers, 1 / 2]);
        else if ((peer & offset) === 0 && peer + offset < peers) round.push([peer, peer + offset, 1 / 2]);
      }
      rounds.push(round);
    }
    const union = rounds.flat().map(([a, b]) => [a, b] as const);
    return { ...createSimpleGraph(peers, union, directed), sequence: repeated(rounds) };
  },
};
