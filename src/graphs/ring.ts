import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind } from "./graph.js";
import { peerCount } from "./sizes.js";

const settings = z.strictObject({
  kind: z.literal("ring"),
  peers: peerCount,
  directed: z.boolean().optional().describe("Peer i sends to i + 1 only, for algorithms that need no answer"),
});

/** A ring: peer i talks to i − 1 and i + 1. Gap ⅔(1 − cos 2π/n) for n ≥ 5, about 13/n². Two peers share one edge. */
export const ring: GraphKind<typeof settings> = {
  settings,
  create({ peers, directed }) {
    const pairs = Array.from({ length: peers }, (_, i): Edge => [i, (i + 1) % peers]);
    return createSimpleGraph(peers, peers === 1 ? [] : pairs, directed);
  },
  eigenvalues({ peers, directed }) {
    if (directed || peers < 3) return undefined;
    return Array.from({ length: peers }, (_, k) => (1 + 2 * Math.cos((2 * Math.PI * k) / peers)) / 3);
  },
};
