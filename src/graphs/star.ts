import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind } from "./graph.js";
import { peerCount } from "./sizes.js";

const settings = z.strictObject({ kind: z.literal("star"), peers: peerCount });

/** A star around peer 0. Gap 1/n: the hub carries all traffic and the leaves still mix slowly. */
export const star: GraphKind<typeof settings> = {
  settings,
  create({ peers }) {
    return createSimpleGraph(
      peers,
      Array.from({ length: peers - 1 }, (_, i): Edge => [0, i + 1]),
    );
  },
  /** 1 of the mean, 0 of the hub against all leaves, and 1 − 1/n of what differs among the leaves. */
  eigenvalues({ peers }) {
    return Array.from({ length: peers }, (_, k) => (k === 0 ? 1 : k === 1 ? 0 : 1 - 1 / peers));
  },
};
