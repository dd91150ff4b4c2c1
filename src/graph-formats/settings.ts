/** From a graph file to the settings of a topology, and back. */
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphDocument } from "../graph-format.js";
import { MAX_TOPOLOGY_NAME_CHARACTERS, type Topology } from "../graphs/topology.js";
import { short } from "./builder.js";

/** How a graph file is read. */
export interface GraphFileOptions {
  /** Name of the format; by default the file's ending says it. */
  readonly format?: string | undefined;
  /** False leaves out the weights of the file. Default true. */
  readonly weights?: boolean | undefined;
}

/** Settings that `parseTopology` takes. */
export interface SettingsOfGraph {
  readonly name: string;
  readonly graph: {
    readonly kind: "edges";
    readonly peers: number;
    readonly edges: readonly (readonly [number, number])[];
    readonly directed?: true;
  };
  /** Weight matrix by rows, where the edges of the file have weights. */
  readonly weights?: readonly (readonly number[])[];
  /** Names of the peers, where they are not their numbers. */
  readonly peers?: readonly { readonly id: number; readonly name: string }[];
}

/**
 * The settings of a topology with this graph. Nodes that are named 0 to n − 1 in any order become the peers with these
 * numbers; others are numbered in the order of the file, and keep their names.
 *
 * @param file what the topology is called, without the folder
 * @throws InvalidTopology the edges have weights that no peers can mix their models with
 */
export function settingsOf(
  { isDirected, nodes, edges }: GraphDocument,
  file: string,
  { weights: hasWeights = true }: GraphFileOptions = {},
): SettingsOfGraph {
  const count = nodes.length;
  const hasNumbers = nodes.every((name) => /^(0|[1-9]\d{0,8})$/.test(name) && Number(name) < count);
  const peerOf = (place: number): number => (hasNumbers ? Number(nodes[place]) : place);
  const placed = edges.map((edge) => ({ ...edge, from: peerOf(edge.from), to: peerOf(edge.to) }));
  const weights = hasWeights ? weightsOf(placed, nodes, isDirected) : undefined;
  return {
    name: file.replace(/^.*[/\\]/, "").slice(0, MAX_TOPOLOGY_NAME_CHARACTERS) || "graph",
    graph: {
      ...{ kind: "edges", peers: count, edges: placed.map(({ from, to }) => [from, to] as const) },
      ...(isDirected && { directed: true }),
    },
    ...(weights && { weights }),
    ...(!hasNumbers && { peers: nodes.map((name, id) => ({ id, name })) }),
  };
}

/**
 * The matrix W with the weights of the edges; what they leave of 1 is the peer's weight to itself. Undefined where no
 * edge has a weight, or all have weight 1, which tools write for graphs without weights and which no W can have.
 */
function weightsOf(
  edges: GraphDocument["edges"],
  nodes: readonly string[],
  isDirected: boolean,
): number[][] | undefined {
  const weighted = edges.filter(({ weight }) => weight !== undefined);
  if (weighted.every(({ weight }) => weight === 1)) return undefined;
  if (weighted.length < edges.length) {
    throw new InvalidTopology(
      `${weighted.length} of ${edges.length} edges have weights: give every edge a weight, or ${LEAVE_OUT}`,
      { code: "graph-file-some-weights", field: "weights" },
    );
  }
  if (isDirected) {
    throw new InvalidTopology(
      `the edges have weights, but on a directed graph peers always give away equal shares: ${LEAVE_OUT}`,
      { code: "graph-file-directed-weights", field: "weights" },
    );
  }
  const rows = nodes.map(() => new Array<number>(nodes.length).fill(0));
  for (const { from, to, weight } of edges) {
    rows[from]![to] = weight!;
    rows[to]![from] = weight!;
  }
  for (const [peer, row] of rows.entries()) {
    const sum = row.reduce((total, weight) => total + weight, 0);
    // Eigenvalues above −1 need a weight of the peer to itself above −1.
    if (sum >= 2 || row.some((weight) => weight < 0)) {
      throw new InvalidTopology(
        `the edges of peer ${peer} have weights that are negative or add up to 2 or more, so that models cannot be mixed with them: ${LEAVE_OUT}`,
        { code: "graph-file-weights", peer, field: "weights" },
      );
    }
    row[peer] = 1 - sum;
  }
  return rows;
}

const LEAVE_OUT = "leave them out with `murmur topology FILE --no-weights --to topology.json`";

/**
 * The graph of a topology, with its names and, where the file writes them out, its weights. Addresses and keys have no
 * place in it.
 *
 * @throws InvalidTopology the graph changes from round to round, peers have left it, or names are not clear
 */
export function documentOf({ name, graph, mixing, peers, hasOwnWeights }: Topology): GraphDocument {
  if (graph.sequence || graph.left?.length) {
    const what = graph.sequence ? "changes from round to round" : "has peers that have left a run";
    throw new InvalidTopology(
      `the graph of ${name} ${what}, which only a topology file describes: write .json`,
      {
        code: "graph-beyond-formats",
        field: "graph",
      },
    );
  }
  const nodes = peers.map((peer) => peer.name ?? String(peer.id));
  const twin = nodes.find((each, place) => nodes.indexOf(each) < place);
  if (twin !== undefined) {
    throw new InvalidTopology(
      `${short(twin)} is the name of one peer of ${name} and the number of another without a name: name every peer`,
      { code: "peer-name-and-number", field: "peers" },
    );
  }
  const weight = (from: number, to: number) =>
    hasOwnWeights ? { weight: mixing.neighbours[from]!.find(({ peer }) => peer === to)!.weight } : {};
  const edges = graph.edges.map(([from, to]) => ({ from, to, ...weight(from, to) }));
  return { isDirected: graph.isDirected === true, nodes, edges };
}
