import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind } from "../graph.js";
import { peerCount } from "./sizes.js";

const settings = z.strictObject({ kind: z.literal("exponential"), peers: peerCount });

/**
 * The undirected exponential graph: peer i talks to i ± 1, i ± 2, i ± 4, … modulo n. Degree about 2 log₂ n.
 *
 * The literature's exponential graph is directed (i sends to i + 2^k only). It is not used here: an exchange
 * must count at both ends or at neither, so W has to be symmetric.
 *
 * @see Ying et al. 2021, “Exponential Graph is Provably Efficient for Decentralized Deep Training” (directed)
 */
export const exponential: GraphKind<typeof settings> = {
  settings,
  create({ peers }) {
    const pairs: Edge[] = [];
    for (let offset = 1; offset < peers; offset *= 2) {
      for (let peer = 0; peer < peers; peer++) pairs.push([peer, (peer + offset) % peers]);
    }
    return createSimpleGraph(peers, pairs);
  },
};
