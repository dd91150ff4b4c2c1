/** Adjacency lists: a node and its neighbours a line, or those that it sends to. They have no weights. */
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphDocument, GraphFormat } from "../graph-format.js";
import { GraphBuilder } from "./builder.js";
import { contentLines, DIRECTED_LINE, isDirectedList, orderingLines, requirePlainNames } from "./lines.js";

export const adjacencyList: GraphFormat = {
  name: "adjacency-list",
  extensions: [".adjlist", ".adj"],
  read,
  write,
};

function read(text: string): GraphDocument {
  const graph = new GraphBuilder();
  graph.isDirected = isDirectedList(text);
  for (const { content, line } of contentLines(text)) {
    const [node, ...neighbours] = content.split(/\s+/).map((name) => graph.node(name, line));
    for (const neighbour of neighbours) graph.edge(node!, neighbour, undefined, line);
  }
  return graph.build();
}

function write(graph: GraphDocument): string {
  requirePlainNames(graph);
  const { isDirected, nodes, edges } = graph;
  if (edges.some(({ weight }) => weight !== undefined)) {
    throw new InvalidTopology(
      "an adjacency list has no place for weights: write another format, or leave them out with --no-weights",
      { code: "adjacency-list-weights", field: "weights" },
    );
  }
  const lists = new Map<number, string[]>();
  for (const { from, to } of edges) {
    const list = lists.get(from);
    if (list) list.push(nodes[to]!);
    else lists.set(from, [nodes[to]!]);
  }
  const lines = [...lists].map(([from, list]) => [nodes[from], ...list].join(" "));
  return `${[...(isDirected ? [DIRECTED_LINE] : []), ...orderingLines(graph), ...lines].join("\n")}\n`;
}
