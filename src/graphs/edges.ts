import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind, MAX_EDGES, MAX_PEERS } from "./graph.js";
import { peerCount } from "./sizes.js";

const end = z
  .int()
  .min(0)
  .max(MAX_PEERS - 1);

const settings = z
  .strictObject({
    kind: z.literal("edges"),
    peers: peerCount
      .optional()
      .describe("number of peers; by default the highest number in the edges, plus one"),
    edges: z
      .array(z.tuple([end, end]))
      .max(MAX_EDGES)
      .describe("pairs of peers that talk to each other"),
    directed: z.boolean().optional().describe("The first peer of a pair sends to the second, and not back"),
  })
  .superRefine(({ peers = MAX_PEERS, edges }, context) => {
    for (const [index, [a, b]] of edges.entries()) {
      const path = ["edges", index];
      if (a === b) {
        context.addIssue({ code: "custom", path, message: `joins peer ${a} to itself: leave it out` });
      } else if (Math.max(a, b) >= peers) {
        const message = `names peer ${Math.max(a, b)}, but the ${peers} peers are numbered 0 to ${peers - 1}`;
        context.addIssue({ code: "custom", path, message });
      }
    }
  });

/** A graph written out edge by edge. An edge that is listed twice, in either direction, counts once. */
export const edges: GraphKind<typeof settings> = {
  settings,
  create({ edges, directed, peers = countPeers(edges) }) {
    return createSimpleGraph(peers, edges, directed);
  },
};

function countPeers(edges: readonly Edge[]): number {
  return 1 + edges.reduce((highest, [a, b]) => Math.max(highest, a, b), 0);
}
