/** A tree that reaches every peer of a graph along its edges. */
import { InvalidTopology } from "../foundation/errors.js";
import type { Mixing } from "./mixing.js";

/** A peer's place in a tree: the neighbour on the way to the root, and those on the way away from it, ascending. */
export interface Branch {
  /** Left out at the root. */
  readonly parent?: number;
  readonly children: readonly number[];
}

/**
 * By peer, the tree of shortest ways to a root; of equally short ones the way over the lowest neighbour. The same at
 * every peer.
 *
 * @param root a peer with edges
 * @throws InvalidTopology a directed graph, whose edges lead away from a peer or back, and not both
 */
export function spanningTree({ neighbours, isDirected }: Mixing, root: number): readonly Branch[] {
  if (isDirected) {
    throw new InvalidTopology(
      "peers cannot add up what they hold on a directed graph: use an undirected graph, or data and options that need no sums over all peers",
      { code: "tree-of-directed-graph", field: "graph" },
    );
  }
  const parents = new Map<number, number>();
  const children = neighbours.map((): number[] => []);
  const reached = [root];
  for (const peer of reached) {
    for (const { peer: other } of neighbours[peer]!) {
      if (other === root || parents.has(other)) continue;
      parents.set(other, peer);
      children[peer]!.push(other);
      reached.push(other);
    }
  }
  return children.map((below, peer) => {
    const parent = parents.get(peer);
    return { ...(parent !== undefined && { parent }), children: below };
  });
}
