/** What edge lists and adjacency lists share: names between blanks, and a comment that says "directed". */
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphDocument } from "../graph-format.js";
import { short } from "./builder.js";

/** First line of a list whose edges have a direction. Other tools take it for a comment. */
export const DIRECTED_LINE = "# directed graph";

/** The lines of a list that are not empty, without comments, which begin with # or %. */
export function* contentLines(text: string): Generator<{ content: string; line: number }> {
  for (const [index, whole] of text.split(/\r\n|\r|\n/).entries()) {
    const content = whole.replace(/[#%].*/, "").trim();
    if (content !== "") yield { content, line: index + 1 };
  }
}

export const isDirectedList = (text: string): boolean =>
  text.startsWith(DIRECTED_LINE) && /^[\r\n]|^$/.test(text.slice(DIRECTED_LINE.length));

/** Names that lists can hold, as they are. @throws InvalidTopology a name has a blank or a sign of the format */
export function requirePlainNames({ nodes }: GraphDocument): void {
  const name = nodes.find((each) => /[\s,;#%{}]/.test(each));
  if (name === undefined) return;
  throw new InvalidTopology(
    `node ${short(name)} has a blank, or one of , ; # % { }, in its name, which lists cannot hold: write GraphML, GML, DOT or node-link`,
    { code: "graph-list-name" },
  );
}

/**
 * Lines with single names, so that a reader meets the nodes in their order; empty where the edges give that order.
 * A list numbers its nodes in the order in which it names them.
 */
export function orderingLines({ nodes, edges }: GraphDocument): string[] {
  const met = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const isOrdered = met.size === nodes.length && [...met].every((node, place) => node === place);
  return isOrdered ? [] : [...nodes];
}
