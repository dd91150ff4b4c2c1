/** Edge lists: two nodes a line and, if the edge has one, its weight. NetworkX's attributes in braces are read too. */
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphDocument, GraphFormat } from "../graph-format.js";
import { fieldOf, GraphBuilder, short, weightOf } from "./builder.js";
import { contentLines, DIRECTED_LINE, isDirectedList, orderingLines, requirePlainNames } from "./lines.js";

export const edgeList: GraphFormat = { name: "edge-list", extensions: [".edgelist", ".edges"], read, write };

function read(text: string): GraphDocument {
  const graph = new GraphBuilder();
  graph.isDirected = isDirectedList(text);
  const lines = [...contentLines(text)];
  const named = isCount(lines) || isHeader(lines) ? lines.slice(1) : lines;
  for (const { content, line } of named) {
    const { names, weight } = partsOf(content, line);
    const [a, b] = names.map((name) => graph.node(name, line));
    if (b !== undefined) graph.edge(a!, b, weight, line);
  }
  return graph.build();
}

interface Line {
  readonly content: string;
  readonly line: number;
}

const split = (content: string): string[] => content.trim().split(/\s*[,;]\s*|\s+/);

/** Some tools begin with how many nodes there are: all other lines are edges between numbers below that. */
function isCount([first, ...others]: readonly Line[]): boolean {
  if (!/^\d+$/.test(first?.content ?? "") || others.length === 0) return false;
  const isBelow = (end: string) => /^\d+$/.test(end) && Number(end) < Number(first!.content);
  return others.map(({ content }) => split(content)).every(([a, b = ""]) => isBelow(a!) && isBelow(b));
}

/** What tables call their columns of ends. */
const HEADERS = /^(source|from|src|node1|u)[\s,;]+(target|to|dst|dest|node2|v)\b/i;

/** Tables name their columns: no other line has these names. */
function isHeader([first, ...others]: readonly Line[]): boolean {
  const [a, b] = split(first?.content ?? "");
  const isName = (name: string) => name === a || name === b;
  return (
    others.length > 0 &&
    HEADERS.test(first?.content ?? "") &&
    !others.some(({ content }) => split(content).slice(0, 2).some(isName))
  );
}

/** A line with one name is a node, whose edges stand elsewhere. */
function partsOf(content: string, line: number): { names: string[]; weight?: number } {
  const [, ends = "", attributes] = /^([^{]*)(\{.*\})?$/.exec(content) ?? [];
  const parts = split(ends);
  const attribute = attributes && /["']weight["']\s*:\s*([^,}\s]+)/.exec(attributes)?.[1];
  const weight = parts[2] ?? attribute;
  if (parts.includes("") || parts.length > 3 || (attributes !== undefined && parts.length !== 2)) {
    throw new InvalidTopology(
      `line ${line}: ${short(content)} is not an edge: write two nodes and, if you wish, a weight, such as "0 1" or "0 1 0.25"`,
      { code: "edge-list-line", field: fieldOf(line) },
    );
  }
  return { names: parts.slice(0, 2), ...(weight && { weight: weightOf(weight, line) }) };
}

function write(graph: GraphDocument): string {
  requirePlainNames(graph);
  const { isDirected, nodes, edges } = graph;
  const lines = edges.map(({ from, to, weight }) => [nodes[from], nodes[to], weight ?? []].flat().join(" "));
  return `${[...(isDirected ? [DIRECTED_LINE] : []), ...orderingLines(graph), ...lines].join("\n")}\n`;
}
