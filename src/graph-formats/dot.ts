/** DOT, the language of Graphviz. Of the attributes, an edge's `weight` counts; a node's id is its name. */
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphDocument, GraphFormat } from "../graph-format.js";
import { fieldOf, GraphBuilder, requireShallow, short, weightOf } from "./builder.js";

export const dot: GraphFormat = { name: "dot", extensions: [".dot", ".gv"], read, write };

interface Token {
  /** `end` is the end of the file. */
  readonly kind: "id" | "sign" | "end";
  readonly text: string;
  /** Keywords are words that are not quoted. */
  readonly isQuoted?: boolean;
  readonly line: number;
}

/** Most edges that one statement joins its nodes or groups with, one after the other. */
export const MAX_DOT_CHAIN = 2 ** 16;

/** Blanks, comments and preprocessor lines; then words, numbers and signs. */
const TOKEN =
  /\s+|\/\/[^\n\r]*|\/\*[\s\S]*?\*\/|^#[^\n\r]*|([A-Za-z_\u0080-\uFFFF][\w\u0080-\uFFFF]*|-?(?:\d+(?:\.\d*)?|\.\d+))|(->|--|[{}[\];,:=+])/my;

function* tokensOf(text: string): Generator<Token, Token> {
  let line = 1;
  let place = 0;
  while (place < text.length) {
    const start = place;
    if (text[place] === '"' || text[place] === "<") {
      place = text[place] === "<" ? endOfHtml(text, place) : endOfString(text, place);
      const whole = text.slice(start, place);
      if (place > text.length) throw refusal(`the string ${short(whole)} does not end`, line);
      yield { kind: "id", text: unquoted(whole), isQuoted: true, line };
    } else {
      TOKEN.lastIndex = place;
      const [whole, word, sign] = TOKEN.exec(text) ?? [];
      if (whole === undefined) {
        const rest = short(text.slice(place, place + 12));
        throw refusal(`${rest} is no word, number, string or sign of DOT`, line);
      }
      place += whole.length;
      if (word !== undefined) yield { kind: "id", text: word, line };
      if (sign !== undefined) yield { kind: "sign", text: sign, line };
    }
    for (let at = start; at < place; at++) {
      if (text[at] === "\n" || (text[at] === "\r" && text[at + 1] !== "\n")) line++;
    }
  }
  return { kind: "end", text: "the end", line };
}

/** Behind the string that begins here; beyond the end of the text where it does not end. */
function endOfString(text: string, start: number): number {
  let place = start + 1;
  while (place < text.length && text[place] !== '"') place += text[place] === "\\" ? 2 : 1;
  return place < text.length ? place + 1 : text.length + 1;
}

/** The same of a string in angle brackets, which holds others in pairs. */
function endOfHtml(text: string, start: number): number {
  let depth = 0;
  for (let place = start; place < text.length; place++) {
    if (text[place] === "<") depth++;
    if (text[place] === ">" && --depth === 0) return place + 1;
  }
  return text.length + 1;
}

function refusal(what: string, line: number): InvalidTopology {
  return new InvalidTopology(`line ${line}: the DOT cannot be read, because ${what}: correct it there`, {
    code: "dot-not-read",
    field: fieldOf(line),
  });
}

/** Quotes lose their backslashes and lines that go on are joined; other backslashes stay, as Graphviz keeps them. */
function unquoted(text: string): string {
  if (text.startsWith("<")) return text;
  return text
    .slice(1, -1)
    .replace(/\\(\r\n|\r|\n)/g, "")
    .replace(/\\(["\\])/g, "$1");
}

/** What a list of statements passes on: the places of its nodes, in order. */
type Places = Set<number>;

class Parser {
  readonly graph = new GraphBuilder();
  readonly #tokens: Generator<Token, Token>;
  #next: Token;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
    this.#next = this.#tokens.next().value;
  }

  file(): GraphDocument {
    this.#skipWord("strict");
    this.graph.isDirected = this.#skipWord("digraph");
    if (!this.graph.isDirected && !this.#skipWord("graph")) throw this.#unexpected('"graph" or "digraph"');
    if (this.#next.kind === "id") this.#id();
    this.#statements(undefined, 1);
    if (this.#next.kind !== "end") throw this.#unexpected("the end, because a file has one graph,");
    return this.graph.build();
  }

  #advance(): void {
    this.#next = this.#tokens.next().value;
  }

  #unexpected(what: string): InvalidTopology {
    return refusal(`${what} belongs where ${short(this.#next.text)} stands`, this.#next.line);
  }

  #isWord(word: string): boolean {
    const { kind, text, isQuoted } = this.#next;
    return kind === "id" && !isQuoted && text.toLowerCase() === word;
  }

  #skipWord(word: string): boolean {
    const isThere = this.#isWord(word);
    if (isThere) this.#advance();
    return isThere;
  }

  #isSign(sign: string): boolean {
    return this.#next.kind === "sign" && this.#next.text === sign;
  }

  #skip(sign: string): boolean {
    const isThere = this.#isSign(sign);
    if (isThere) this.#advance();
    return isThere;
  }

  #id(): string {
    let { kind, text, isQuoted } = this.#next;
    if (kind !== "id") throw this.#unexpected("a name");
    this.#advance();
    while (isQuoted && this.#skip("+")) {
      if (!this.#next.isQuoted) throw this.#unexpected("a quoted string");
      text += this.#next.text;
      this.#advance();
    }
    return text;
  }

  /** `{ … }`, in which `weight` is what edges have by default. */
  #statements(weight: number | undefined, depth: number): Places {
    requireShallow(depth, this.#next.line);
    if (!this.#skip("{")) throw this.#unexpected('"{"');
    const places: Places = new Set();
    let inherited = weight;
    while (!this.#skip("}")) {
      if (this.#skip(";")) continue;
      if (this.#skipWord("edge")) inherited = this.#attributes() ?? inherited;
      else if (this.#skipWord("node") || this.#skipWord("graph")) this.#attributes();
      else for (const place of this.#chain(inherited, depth)) places.add(place);
    }
    return places;
  }

  /** Nodes or groups of them that edges join, or an attribute of the graph. */
  #chain(inherited: number | undefined, depth: number): Places {
    const all: Places = new Set();
    const links: { from: Places; to: Places; line: number }[] = [];
    let from = this.#end(inherited, depth);
    if (this.#skip("=")) {
      this.#id();
      return all;
    }
    this.#take(from, all);
    while (this.#isSign("--") || this.#isSign("->")) {
      const { text, line } = this.#next;
      if ((text === "->") !== this.graph.isDirected) {
        throw this.#unexpected(this.graph.isDirected ? '"->"' : '"--"');
      }
      this.#advance();
      const to = this.#end(inherited, depth);
      const places = this.#take(to, all);
      if (links.length === MAX_DOT_CHAIN) {
        throw refusal(`a statement joins nodes with more than ${MAX_DOT_CHAIN} edges`, line);
      }
      links.push({ from: this.#take(from, all), to: places, line });
      from = to;
    }
    const weight = this.#attributes() ?? inherited;
    for (const link of links) {
      for (const a of link.from) for (const b of link.to) this.graph.edge(a, b, weight, link.line);
    }
    return all;
  }

  /** A node's name with its line, or the nodes of a group. The name may prove to be an attribute's. */
  #end(weight: number | undefined, depth: number): { name: string; line: number } | Places {
    const isNamed = this.#skipWord("subgraph");
    if (isNamed && this.#next.kind === "id") this.#id();
    if (isNamed || this.#isSign("{")) return this.#statements(weight, depth + 1);
    const { line } = this.#next;
    const name = this.#id();
    // Ports say where an edge meets the node's picture.
    while (this.#skip(":")) this.#id();
    return { name, line };
  }

  #take(end: { name: string; line: number } | Places, all: Places): Places {
    const places = end instanceof Set ? end : new Set([this.graph.node(end.name, end.line)]);
    for (const place of places) all.add(place);
    return places;
  }

  /** Lists in brackets. @returns the weight in them */
  #attributes(): number | undefined {
    let weight: number | undefined;
    while (this.#skip("[")) {
      while (!this.#skip("]")) {
        if (this.#skip(",") || this.#skip(";")) continue;
        const { line } = this.#next;
        const key = this.#id();
        const value = this.#skip("=") ? this.#id() : "true";
        if (key === "weight") weight = weightOf(value, line);
      }
    }
    return weight;
  }
}

function read(text: string): GraphDocument {
  return new Parser(text).file();
}

const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;

/** DOT has no exponents outside quotes. */
const numeral = (weight: number): string => (/e/.test(`${weight}`) ? `"${weight}"` : `${weight}`);

function write({ isDirected, nodes, edges }: GraphDocument): string {
  const names = nodes.map(quoted);
  const sign = isDirected ? "->" : "--";
  const lines = [
    `strict ${isDirected ? "digraph" : "graph"} {`,
    ...names.map((name) => `  ${name};`),
    ...edges.map(({ from, to, weight }) => {
      const end = weight === undefined ? ";" : ` [weight=${numeral(weight)}];`;
      return `  ${names[from]} ${sign} ${names[to]}${end}`;
    }),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}
