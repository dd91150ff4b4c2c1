import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind, MAX_PEERS } from "./graph.js";
import { wholeSize } from "./sizes.js";

const settings = z.strictObject({
  kind: z.literal("hypercube"),
  dimension: z.int().min(0).max(Math.log2(MAX_PEERS)).describe("k, for 2^k peers of degree k"),
});

/** The hypercube of 2^k peers: two peers talk when their numbers differ in one bit. Gap 2/(k + 1). */
export const hypercube: GraphKind<typeof settings> = {
  settings,
  create({ dimension }) {
    const peers = 2 ** dimension;
    const pairs: Edge[] = [];
    for (let peer = 0; peer < peers; peer++) {
      for (let bit = 0; bit < dimension; bit++) pairs.push([peer, peer ^ (1 << bit)]);
    }
    return createSimpleGraph(peers, pairs);
  },
  /** One per Walsh function: each bit of its number that is 1 takes 2/(k + 1) from 1. */
  eigenvalues({ dimension }) {
    return Array.from({ length: 2 ** dimension }, (_, walsh) => {
      let ones = 0;
      for (let bits = walsh; bits > 0; bits &= bits - 1) ones++;
      return (1 + dimension - 2 * ones) / (1 + dimension);
    });
  },
  sized(peers) {
    const dimension = wholeSize(Math.log2(peers), "hypercube", peers, "a power of two");
    return { kind: "hypercube", dimension };
  },
};
