import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind, MAX_PEERS } from "./graph.js";
import { wholeSize } from "./sizes.js";

const settings = z.strictObject({
  kind: z.literal("margulis"),
  side: z
    .int()
    .min(2)
    .max(Math.floor(Math.sqrt(MAX_PEERS)))
    .describe("b, for b² peers"),
});

/**
 * The Margulis expander on b² peers: (x, y) talks to (x ± 2y, y), (x ± (2y + 1), y), (x, y ± 2x) and
 * (x, y ± (2x + 1)), all modulo b. Deterministic, degree at most 8, and the gap stays above a constant however
 * many peers there are.
 *
 * The construction is a multigraph with loops; loops are left out and parallel edges become one, so peers
 * may have fewer than 8 neighbours.
 *
 * @see Gabber & Galil 1981, “Explicit constructions of linear-sized superconcentrators”;
 *   Hoory, Linial & Wigderson 2006, “Expander graphs and their applications”, §8
 */
export const margulis: GraphKind<typeof settings> = {
  settings,
  create({ side }) {
    const at = (x: number, y: number) => (x % side) * side + (y % side);
    const pairs: Edge[] = [];
    for (let x = 0; x < side; x++) {
      for (let y = 0; y < side; y++) {
        pairs.push([at(x, y), at(x + 2 * y, y)], [at(x, y), at(x + 2 * y + 1, y)]);
        pairs.push([at(x, y), at(x, y + 2 * x)], [at(x, y), at(x, y + 2 * x + 1)]);
      }
    }
    return createSimpleGraph(
      side * side,
      pairs.filter(([a, b]) => a !== b),
    );
  },
  sized: (peers) => ({ kind: "margulis", side: wholeSize(Math.sqrt(peers), "margulis", peers, "a square") }),
};
