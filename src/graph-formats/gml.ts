/** GML (Himsolt, 1997): keys with numbers, strings and lists. A node's `label` is its name; without one, its id is. */
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphDocument, GraphFormat } from "../graph-format.js";
import { fieldOf, GraphBuilder, requireShallow, short, weightOf } from "./builder.js";

export const gml: GraphFormat = { name: "gml", extensions: [".gml"], read, write };

interface Token {
  readonly kind: "key" | "number" | "string" | "open" | "close";
  readonly text: string;
  readonly line: number;
}

/** A key and its value, with the line on which it stands. */
interface Entry {
  readonly key: string;
  readonly value: string | readonly Entry[];
  readonly line: number;
}

/** Most keys of a file: of `MAX_EDGES` edges with weights there are about half as many. */
export const MAX_GML_KEYS = 2 ** 22;

const TOKEN = /\s+|#[^\n\r]*|([A-Za-z_]\w*)|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|"([^"]*)"|(\[)|(\])/y;

function* tokensOf(text: string): Generator<Token> {
  let line = 1;
  TOKEN.lastIndex = 0;
  for (let place = 0; place < text.length; place = TOKEN.lastIndex) {
    TOKEN.lastIndex = place;
    const match = TOKEN.exec(text);
    if (!match)
      throw refusal(`${short(text.slice(place, place + 12))} is no key, number, string or list`, line);
    const [whole, key, number, string, open] = match;
    if (key !== undefined) yield { kind: "key", text: key, line };
    else if (number !== undefined) yield { kind: "number", text: number, line };
    else if (string !== undefined) yield { kind: "string", text: unescaped(string), line };
    else if (open) yield { kind: "open", text: open, line };
    else if (whole === "]") yield { kind: "close", text: whole, line };
    line += whole.split(/\r\n|\r|\n/).length - 1;
  }
}

function refusal(what: string, line: number): InvalidTopology {
  return new InvalidTopology(`line ${line}: the GML cannot be read, because ${what}: correct it there`, {
    code: "gml-not-read",
    field: fieldOf(line),
  });
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Strings are ASCII; other signs are XML's characters by number. */
function unescaped(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-fA-F]{1,6})|(\w{2,4}));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

const escaped = (text: string): string =>
  text.replace(/[&"]|[^ -~]/gu, (sign) => `&#${sign.codePointAt(0)};`);

/** The entries of the file. */
function entriesOf(text: string): Entry[] {
  const lists: Entry[][] = [[]];
  let key: Token | undefined;
  let line = 1;
  let keys = 0;
  for (const token of tokensOf(text)) {
    line = token.line;
    const list = lists.at(-1)!;
    if (token.kind === "key" && !key) {
      if (++keys > MAX_GML_KEYS) throw refusal(`it has more than ${MAX_GML_KEYS} keys`, line);
      key = token;
    } else if (token.kind === "close" && !key && lists.length > 1) {
      lists.pop();
    } else if (!key || token.kind === "key" || token.kind === "close") {
      throw refusal(`${short(token.text)} stands where a ${key ? "value" : "key"} belongs`, line);
    } else if (token.kind === "open") {
      const value: Entry[] = [];
      list.push({ key: key.text, value, line: key.line });
      requireShallow(lists.push(value), line);
      key = undefined;
    } else {
      list.push({ key: key.text, value: token.text, line: key.line });
      key = undefined;
    }
  }
  if (key || lists.length > 1)
    throw refusal(key ? `${short(key.text)} has no value` : "a list does not end", line);
  return lists[0]!;
}

function read(text: string): GraphDocument {
  const graphs = entriesOf(text).filter(({ key }) => key === "graph");
  const [first, second] = graphs;
  if (!first || typeof first.value === "string") throw refusal("it has no graph", first?.line ?? 1);
  if (second) throw refusal("it has a second graph", second.line);
  const graph = new GraphBuilder();
  graph.isDirected = wordOf(first, "directed") === "1";
  const lists = first.value.filter(({ value }) => typeof value !== "string");
  for (const node of lists.filter(({ key }) => key === "node")) {
    const place = graph.declare(requiredWord(node, "id"), node.line);
    const label = wordOf(node, "label");
    if (label) graph.label(place, label, node.line);
  }
  for (const edge of lists.filter(({ key }) => key === "edge")) {
    const [from, to] = ["source", "target"].map((key) => graph.declared(requiredWord(edge, key), edge.line));
    const weight = wordOf(edge, "weight");
    graph.edge(from!, to!, weight === undefined ? undefined : weightOf(weight, edge.line), edge.line);
  }
  return graph.build();
}

/** The number or string of a key in a list; undefined where there is none. */
function wordOf({ value }: Entry, key: string): string | undefined {
  const found = typeof value === "string" ? undefined : value.find((entry) => entry.key === key)?.value;
  return typeof found === "string" ? found : undefined;
}

function requiredWord(entry: Entry, key: string): string {
  const word = wordOf(entry, key);
  if (word !== undefined) return word;
  throw refusal(`a ${entry.key} has no ${key}`, entry.line);
}

function write({ isDirected, nodes, edges }: GraphDocument): string {
  const lines = [
    "graph [",
    `  directed ${isDirected ? 1 : 0}`,
    ...nodes.map((name, id) => `  node [ id ${id} label "${escaped(name)}" ]`),
    ...edges.map(({ from, to, weight }) => {
      const end = weight === undefined ? "]" : `weight ${weight} ]`;
      return `  edge [ source ${from} target ${to} ${end}`;
    }),
    "]",
  ];
  return `${lines.join("\n")}\n`;
}
