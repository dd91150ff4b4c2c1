/** Node-link data, which NetworkX and D3 write: JSON with a list of nodes and one of edges (or links). */
import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphDocument, GraphFormat } from "../graph-format.js";
import { MAX_EDGES, MAX_PEERS } from "../graphs/graph.js";
import { checked } from "../settings/check.js";
import { GraphBuilder, isNumbered } from "./builder.js";

export const nodeLink: GraphFormat = { name: "node-link", extensions: [".node-link.json"], read, write };

const id = z.union([z.string(), z.number()]);

const link = z.looseObject({ source: id, target: id, weight: z.number().nullish() });

const document = z.looseObject({
  directed: z.boolean().default(false),
  nodes: z
    .array(z.looseObject({ id, name: z.string().optional(), label: z.string().optional() }))
    .max(MAX_PEERS),
  edges: z.array(link).max(MAX_EDGES).optional(),
  links: z.array(link).max(MAX_EDGES).optional(),
});

/** Whether JSON is node-link data rather than a topology file. */
export function isNodeLink(value: unknown): boolean {
  return typeof value === "object" && value !== null && "nodes" in value && Array.isArray(value.nodes);
}

function read(text: string): GraphDocument {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = (cause as SyntaxError).message.replace(/\s+/g, " ");
    throw new InvalidTopology(`the node-link data are not JSON (${reason}): correct them there`, {
      code: "node-link-not-read",
      cause,
    });
  }
  const { directed, nodes, edges, links } = checked(
    document,
    value,
    { what: "node-link data" },
    InvalidTopology,
  );
  const graph = new GraphBuilder();
  graph.isDirected = directed;
  for (const { id, name, label } of nodes) {
    const place = graph.declare(String(id));
    const own = name ?? label;
    if (own) graph.label(place, own);
  }
  for (const { source, target, weight } of edges ?? links ?? []) {
    const [from, to] = [source, target].map((end) => graph.declared(String(end)));
    graph.edge(from!, to!, weight ?? undefined);
  }
  return graph.build();
}

function write({ isDirected, nodes, edges }: GraphDocument): string {
  const ids: readonly (string | number)[] = isNumbered(nodes) ? nodes.map(Number) : nodes;
  const lines = [
    `{"directed": ${isDirected}, "multigraph": false, "graph": {}, "nodes": [`,
    ids.map((id) => JSON.stringify({ id })).join(",\n"),
    '], "edges": [',
    edges
      .map(({ from, to, weight }) => JSON.stringify({ source: ids[from], target: ids[to], weight }))
      .join(",\n"),
    "]}",
  ];
  return `${lines.join("\n")}\n`;
}
