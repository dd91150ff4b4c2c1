import { z } from "zod";
import { createSimpleGraph, type Edge, type GraphKind, MAX_PEERS } from "./graph.js";

const side = z.int().min(1).max(MAX_PEERS);

const settings = z
  .strictObject({
    kind: z.literal("torus"),
    rows: side.describe("rows of the grid, at least 2"),
    columns: side.describe("columns of the grid, at least 2"),
  })
  .superRefine(({ rows, columns }, context) => {
    if (rows === 1 || columns === 1) {
      const instead = JSON.stringify({ kind: "ring", peers: rows * columns });
      context.addIssue({
        code: "custom",
        path: [rows === 1 ? "rows" : "columns"],
        message: `is 1, which makes the torus a ring: use ${instead}`,
      });
    } else if (rows * columns > MAX_PEERS) {
      const message = `is a torus of ${rows * columns} peers, and there may be ${MAX_PEERS}: take fewer rows or columns`;
      context.addIssue({ code: "custom", message });
    }
  });

/**
 * A grid that wraps around: peer r·columns + c talks to the peers above, below, left and right. Gap
 * ⅖(1 − cos(2π/longer side)) when both sides are at least 4.
 *
 * Where a side is 2, the neighbour above and the one below are the same peer: that is one edge, and the
 * Metropolis weights of the prism that results are still doubly stochastic.
 */
export const torus: GraphKind<typeof settings> = {
  settings,
  create({ rows, columns }) {
    const pairs: Edge[] = [];
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const peer = row * columns + column;
        pairs.push([peer, row * columns + ((column + 1) % columns)]);
        pairs.push([peer, ((row + 1) % rows) * columns + column]);
      }
    }
    return createSimpleGraph(rows * columns, pairs);
  },
  eigenvalues({ rows, columns }) {
    const [down, across] = [sumsAlong(rows), sumsAlong(columns)];
    // Without waves, a sum counts the neighbours.
    const degree = down[0]! + across[0]!;
    return down.flatMap((a) => across.map((b) => (1 + a + b) / (1 + degree)));
  },
  sized(peers) {
    let rows = Math.floor(Math.sqrt(peers));
    while (peers % rows !== 0) rows--;
    return { kind: "torus", rows, columns: peers / rows };
  },
};

/** By wave number, what a peer's neighbours along one side sum to where the peer itself has 1. */
function sumsAlong(side: number): number[] {
  const neighbours = side === 2 ? 1 : 2;
  return Array.from({ length: side }, (_, k) => neighbours * Math.cos((2 * Math.PI * k) / side));
}
