import { z } from "zod";
import { allPairs, createSimpleGraph, type GraphKind } from "./graph.js";
import { completePeerCount } from "./sizes.js";

const settings = z.strictObject({ kind: z.literal("complete"), peers: completePeerCount });

/** Everyone talks to everyone: gap 1, one round averages exactly, and every peer sends n − 1 messages. */
export const complete: GraphKind<typeof settings> = {
  settings,
  create({ peers }) {
    return createSimpleGraph(peers, allPairs(peers));
  },
  eigenvalues: ({ peers }) => Array.from({ length: peers }, (_, k) => (k === 0 ? 1 : 0)),
};
