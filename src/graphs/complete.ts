import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind } from "./graph.js";
import { peerCount } from "./sizes.js";

const settings = z.strictObject({ kind: z.literal("complete"), peers: peerCount });

/** Everyone talks to everyone: gap 1, one round averages exactly, and every peer sends n − 1 messages. */
export const complete: GraphKind<typeof settings> = {
  settings,
  create({ peers }) {
    const pairs: Edge[] = [];
    for (let i = 0; i < peers; i++) for (let j = i + 1; j < peers; j++) pairs.push([i, j]);
    return createSimpleGraph(peers, pairs);
  },
};
