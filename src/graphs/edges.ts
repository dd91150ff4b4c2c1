import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import { createSimpleGraph, type Edge, type GraphKind, MAX_EDGES, MAX_PEERS } from "./graph.js";
import { peerCount } from "./sizes.js";

const end = z
  .int()
  .min(0)
  .max(MAX_PEERS - 1);

const settings = z
  .strictObject({
    kind: z.literal("edges"),
    peers: peerCount
      .optional()
      .describe("number of peers; by default the highest number in the edges, plus one"),
    edges: z
      .array(z.tuple([end, end]))
      .max(MAX_EDGES)
      .describe("pairs of peers that talk to each other"),
    directed: z.boolean().optional().describe("The first peer of a pair sends to the second, and not back"),
  })
  .superRefine(({ peers = MAX_PEERS, edges }, context) => {
    for (const [index, [a, b]] of edges.entries()) {
      const path = ["edges", index];
      if (a === b) {
        context.addIssue({ code: "custom", path, message: `joins peer ${a} to itself: leave it out` });
      } else if (Math.max(a, b) >= peers) {
        const message = `names peer ${Math.max(a, b)}, but the ${peers} peers are numbered 0 to ${peers - 1}`;
        context.addIssue({ code: "custom", path, message });
      }
    }
  });

/** A graph written out edge by edge. An edge that is listed twice, in either direction, counts once. */
export const edges: GraphKind<typeof settings> = {
  settings,
  create({ edges, directed, peers = countPeers(edges) }) {
    return createSimpleGraph(peers, edges, directed);
  },
};

function countPeers(edges: readonly Edge[]): number {
  return 1 + edges.reduce((highest, [a, b]) => Math.max(highest, a, b), 0);
}

/**
 * The settings of the graph in an edge list: two peer numbers a line, separated by blanks or a comma;
 * what follows # or % is a comment.
 *
 * @throws InvalidTopology names the line that is not an edge
 */
export function parseEdgeList(text: string): z.output<typeof settings> {
  const found: [number, number][] = [];
  for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) {
    const content = line.replace(/[#%].*/, "").trim();
    if (content === "") continue;
    const match = /^(\d{1,9})(?:\s*[,;]\s*|\s+)(\d{1,9})$/.exec(content);
    const where = `line ${index + 1} of the edge list, ${JSON.stringify(content.slice(0, 40))},`;
    if (!match)
      throw new InvalidTopology(`${where} is not an edge: write two peer numbers, such as "0 1"`, {
        code: "edge-list-line",
        field: `line ${index + 1}`,
      });
    const [a, b] = [Number(match[1]), Number(match[2])];
    if (Math.max(a, b) >= MAX_PEERS) {
      throw new InvalidTopology(
        `${where} names a peer beyond the limit: peers are numbered 0 to ${MAX_PEERS - 1}`,
        { code: "edge-list-peer", field: `line ${index + 1}` },
      );
    }
    if (a === b)
      throw new InvalidTopology(`${where} connects peer ${a} to itself: remove it`, {
        code: "edge-list-self-loop",
        peer: a,
        field: `line ${index + 1}`,
      });
    if (found.length === MAX_EDGES)
      throw new InvalidTopology(`${where} exceeds the limit: write at most ${MAX_EDGES} edges`, {
        code: "edge-list-too-long",
        field: `line ${index + 1}`,
      });
    found.push([a, b]);
  }
  if (found.length === 0)
    throw new InvalidTopology('the edge list has no edges: write two peer numbers per line, such as "0 1"', {
      code: "edge-list-empty",
      field: "graph",
    });
  return { kind: "edges", peers: countPeers(found), edges: found };
}
