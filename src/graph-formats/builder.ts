/** What all readers share: a graph that grows node by node and edge by edge within limits. */
import { InvalidTopology } from "../foundation/errors.js";
import type { DocumentEdge, GraphDocument } from "../graph-format.js";
import { MAX_EDGES, MAX_PEERS } from "../graphs/graph.js";
import { isPeerName, MAX_PEER_NAME_CHARACTERS } from "../graphs/topology-peers.js";

/** How deep lists, elements or subgraphs may be nested in a graph file. */
export const MAX_GRAPH_FILE_NESTING = 32;

/** Collects the nodes and edges of a file. Lines count from 1; left out where a format has none. */
export class GraphBuilder {
  isDirected = false;
  readonly #places = new Map<string, number>();
  /** Names that the file gives to nodes beside their ids. */
  readonly #labels = new Map<number, string>();
  readonly #edges = new Map<number, DocumentEdge>();

  /** The place of the node with this id, which is new where the file has not named it before. */
  node(id: string, line?: number): number {
    const known = this.#places.get(id);
    if (known !== undefined) return known;
    requireName(id, line);
    const { size } = this.#places;
    if (size === MAX_PEERS) {
      throw new InvalidTopology(
        `${at(line)}node ${short(id)} exceeds the limit: write at most ${MAX_PEERS} nodes`,
        { code: "graph-file-nodes", field: fieldOf(line) },
      );
    }
    this.#places.set(id, size);
    return size;
  }

  /** A node that a format declares once. @throws InvalidTopology it is declared twice */
  declare(id: string, line?: number): number {
    if (this.#places.has(id)) {
      throw new InvalidTopology(
        `${at(line)}node ${short(id)} is declared twice: give every node its own id`,
        {
          code: "graph-file-twin-nodes",
          field: fieldOf(line),
        },
      );
    }
    return this.node(id, line);
  }

  /** The place of a node that the format must have declared. */
  declared(id: string, line?: number): number {
    const place = this.#places.get(id);
    if (place !== undefined) return place;
    throw new InvalidTopology(
      `${at(line)}an edge names node ${short(id)}, which is not declared: add the node`,
      {
        code: "graph-file-unknown-node",
        field: fieldOf(line),
      },
    );
  }

  /** Gives a node a name other than its id. */
  label(place: number, label: string, line?: number): void {
    requireName(label, line);
    this.#labels.set(place, label);
  }

  /** An edge that comes again counts once. @throws InvalidTopology a loop, one edge too many, or two weights */
  edge(a: number, b: number, weight: number | undefined, line?: number): void {
    if (a === b) {
      const [name] = [...this.#places.keys()].slice(a);
      throw new InvalidTopology(
        `${at(line)}an edge connects node ${short(name!)} to itself: remove it, because a peer always counts itself`,
        { code: "graph-file-self-loop", field: fieldOf(line) },
      );
    }
    const [from, to] = this.isDirected || a < b ? [a, b] : [b, a];
    const code = from * MAX_PEERS + to;
    const before = this.#edges.get(code);
    if (before) {
      if (before.weight === weight) return;
      throw new InvalidTopology(
        `${at(line)}an edge comes again with another weight, ${weight} after ${before.weight}: keep one`,
        { code: "graph-file-two-weights", field: fieldOf(line) },
      );
    }
    if (this.#edges.size === MAX_EDGES) {
      throw new InvalidTopology(`${at(line)}an edge exceeds the limit: write at most ${MAX_EDGES} edges`, {
        code: "graph-file-edges",
        field: fieldOf(line),
      });
    }
    this.#edges.set(code, { from, to, ...(weight !== undefined && { weight }) });
  }

  /** @throws InvalidTopology there are no nodes */
  build(): GraphDocument {
    const ids = [...this.#places.keys()];
    if (ids.length === 0) {
      throw new InvalidTopology("the graph has no nodes: write at least two nodes and an edge", {
        code: "graph-file-empty",
        field: "graph",
      });
    }
    // Labels that repeat are captions rather than names.
    const labels = ids.map((id, place) => this.#labels.get(place) ?? id);
    const nodes = new Set(labels).size === ids.length ? labels : ids;
    const codes = [...this.#edges.keys()].sort((a, b) => a - b);
    return { isDirected: this.isDirected, nodes, edges: codes.map((code) => this.#edges.get(code)!) };
  }
}

/** The number in a weight's text. @throws InvalidTopology it is no finite number */
export function weightOf(text: string, line?: number): number {
  const weight = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(weight)) return weight;
  throw new InvalidTopology(
    `${at(line)}weight ${short(text)} is not a finite number: write one such as 0.25`,
    {
      code: "graph-file-weight",
      field: fieldOf(line),
    },
  );
}

/** @throws InvalidTopology lists, elements or subgraphs are nested too deep */
export function requireShallow(depth: number, line?: number): void {
  if (depth <= MAX_GRAPH_FILE_NESTING) return;
  throw new InvalidTopology(
    `${at(line)}the file is nested too deep: use at most ${MAX_GRAPH_FILE_NESTING} levels`,
    {
      code: "graph-file-nesting",
      field: fieldOf(line),
    },
  );
}

function requireName(name: string, line?: number): void {
  if (isPeerName(name)) return;
  throw new InvalidTopology(
    `${at(line)}node ${short(name)} cannot be a peer's name: use 1 to ${MAX_PEER_NAME_CHARACTERS} printable characters`,
    { code: "graph-file-name", field: fieldOf(line) },
  );
}

/** The head of a sentence on a line. */
export const at = (line: number | undefined): string => (line === undefined ? "" : `line ${line}: `);

export const fieldOf = (line: number | undefined): string | undefined =>
  line === undefined ? undefined : `line ${line}`;

/** Text of a file as a sentence repeats it. */
export const short = (text: string): string => JSON.stringify(text.slice(0, 40));

/** Whether the names are the numbers of the nodes: 0, 1, 2 and so on, in this order. */
export function isNumbered(nodes: readonly string[]): boolean {
  return nodes.every((name, place) => name === String(place));
}
