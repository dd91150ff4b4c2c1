import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind } from "./graph.js";
import { peerCount } from "./sizes.js";

const settings = z.strictObject({ kind: z.literal("chain"), peers: peerCount });

/** A chain (path): a ring with one edge cut. Gap ⅔(1 − cos π/n): the slowest graph per peer, for comparison. */
export const chain: GraphKind<typeof settings> = {
  settings,
  create({ peers }) {
    return createSimpleGraph(
      peers,
      Array.from({ length: peers - 1 }, (_, i): Edge => [i, i + 1]),
    );
  },
  eigenvalues({ peers }) {
    if (peers < 3) return undefined;
    return Array.from({ length: peers }, (_, k) => (1 + 2 * Math.cos((Math.PI * k) / peers)) / 3);
  },
};
