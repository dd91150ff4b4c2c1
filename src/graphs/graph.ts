/**
 * Graphs: who talks to whom. Simple, and undirected unless a kind says otherwise: an exchange that counts at both of its
 * ends or at neither keeps the mean of all models exact. On a directed graph payloads travel one way along each edge.
 */
import type { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphSequence } from "./graph-sequence.js";

/** Most peers of a graph. */
export const MAX_PEERS = 16384;

/** Most edges of a graph: those of a complete graph of 1024 peers. */
export const MAX_EDGES = (1024 * 1023) / 2;

/** Two different peers. */
export type Edge = readonly [number, number];

/** Peers and the edges between them. */
export interface Graph {
  /** Count of peers n; they are numbered 0 … n − 1. */
  readonly peers: number;
  /** Every edge once, in ascending order; its lower peer first, or its sender on a directed graph. */
  readonly edges: readonly Edge[];
  readonly isDirected?: true;
  /** Peers that have left a run for good, ascending: they keep their numbers and have no edges. */
  readonly left?: readonly number[];
  /** Which of the edges work in a round and with which weights; left out: all of them, always. */
  readonly sequence?: GraphSequence;
}

/** The graph without the edges of peers that left. */
export function withoutPeers(graph: Graph, left: readonly number[]): Graph {
  const edges = graph.edges.filter(([a, b]) => !left.includes(a) && !left.includes(b));
  return { ...graph, edges, left };
}

/** Peers that have not left, ascending. */
export function presentPeers({ peers, left = [] }: Graph): number[] {
  return Array.from({ length: peers }, (_, peer) => peer).filter((peer) => !left.includes(peer));
}

/**
 * One kind of graph: what its settings are, and how one is made. A new kind is a file in `graphs/` that
 * exports one of these, and one line in `graphs/index.ts`.
 */
export interface GraphKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings; its `kind` is the name users write. */
  readonly settings: Settings;
  /** @throws InvalidTopology when no such graph was found, which only random kinds do */
  create(settings: z.output<Settings>): Graph;
  /**
   * Eigenvalues of W with Metropolis weights in closed form, in any order; undefined where these settings have none. Left
   * out where the kind has none.
   */
  eigenvalues?(settings: z.output<Settings>): readonly number[] | undefined;
  /**
   * Settings with which this kind has that many peers; left out where that is `{ kind, peers }`.
   *
   * @throws InvalidTopology when no graph of this kind has that many
   */
  sized?(peers: number): z.input<Settings>;
}

/**
 * The simple graph with these edges. A pair that comes twice, in either direction, is one edge; of a directed graph,
 * only in the same direction.
 *
 * @param peers 1 … `MAX_PEERS`
 * @throws InvalidTopology a number of peers out of range, an edge to a peer that is not there or to itself, or more than
 *   `MAX_EDGES`
 */
export function createSimpleGraph(peers: number, pairs: Iterable<Edge>, isDirected = false): Graph {
  if (!Number.isInteger(peers) || peers < 1 || peers > MAX_PEERS) {
    throw new InvalidTopology(
      `a graph has 1 to ${MAX_PEERS} peers, not ${peers}: change the number of peers`,
      { code: "peer-count", field: "peers" },
    );
  }
  let codes: number[] = [];
  for (const [a, b] of pairs) {
    requireEdge(peers, a, b);
    codes.push(isDirected || a < b ? a * peers + b : b * peers + a);
    if (codes.length >= 2 * MAX_EDGES) codes = [...distinct(codes)];
  }
  const edges = Array.from(distinct(codes), (code): Edge => [Math.floor(code / peers), code % peers]);
  return { peers, edges, ...(isDirected && { isDirected }) };
}

/** @throws InvalidTopology */
function requireEdge(peers: number, a: number, b: number): void {
  const isPeer = (peer: number) => Number.isInteger(peer) && peer >= 0 && peer < peers;
  if (!isPeer(a) || !isPeer(b)) {
    const peer = isPeer(a) ? b : a;
    const range = `the ${peers} peers are numbered 0 to ${peers - 1}`;
    throw new InvalidTopology(`edge ${a}–${b} names peer ${peer}: ${range}`, { code: "edge-peer", peer });
  }
  if (a === b) {
    throw new InvalidTopology(`edge ${a}–${b} connects peer ${a} to itself: remove it`, {
      code: "self-loop",
      peer: a,
    });
  }
}

/** Each code once, ascending. @throws InvalidTopology there are more than a graph may have edges */
function distinct(codes: readonly number[]): Uint32Array {
  const sorted = Uint32Array.from(codes).sort();
  const once = sorted.filter((code, k) => k === 0 || code !== sorted[k - 1]);
  if (once.length <= MAX_EDGES) return once;
  throw new InvalidTopology(
    `a graph has at most ${MAX_EDGES} edges: take fewer peers, or a graph with fewer edges`,
    { code: "edge-count", field: "peers" },
  );
}

/** Every two peers, one pair by one, so that there are never more of them than a graph may have. */
export function* allPairs(peers: number): Generator<Edge> {
  for (let a = 0; a < peers; a++) for (let b = a + 1; b < peers; b++) yield [a, b];
}

/** Every peer's neighbours, ascending; on a directed graph those that it sends to or receives from. */
export function neighbours(graph: Graph): number[][] {
  const lists = Array.from({ length: graph.peers }, (): number[] => []);
  // Edges ascend, so the lower neighbours of a peer come in order in the first pass and the higher in the second.
  for (const [a, b] of graph.edges) lists[b]!.push(a);
  for (const [a, b] of graph.edges) lists[a]!.push(b);
  return graph.isDirected ? lists.map((list) => [...new Set(list)].sort((a, b) => a - b)) : lists;
}

/** Every peer's count of neighbours. */
export function degrees(graph: Graph): number[] {
  if (graph.isDirected) return neighbours(graph).map((list) => list.length);
  const counts = new Array<number>(graph.peers).fill(0);
  for (const [a, b] of graph.edges) {
    counts[a]!++;
    counts[b]!++;
  }
  return counts;
}

/** The connected components of the peers that have not left, each ascending, in the order of their lowest peers. */
export function components(graph: Graph): number[][] {
  const lists = neighbours(graph);
  const seen = new Array<boolean>(graph.peers).fill(false);
  const found: number[][] = [];
  for (const start of presentPeers(graph)) {
    if (seen[start]) continue;
    seen[start] = true;
    const component = [start];
    for (const peer of component) {
      for (const next of lists[peer]!) {
        if (seen[next]) continue;
        seen[next] = true;
        component.push(next);
      }
    }
    found.push(component.sort((a, b) => a - b));
  }
  return found;
}

/** The peers that a payload of `start` can reach along edges in their direction, or against it. */
export function reachable({ peers, edges }: Graph, start: number, isForward = true): Set<number> {
  const next = Array.from({ length: peers }, (): number[] => []);
  for (const [a, b] of edges) next[isForward ? a : b]!.push(isForward ? b : a);
  const found = new Set([start]);
  for (const peer of found) for (const other of next[peer]!) found.add(other);
  return found;
}

/** Whether every peer can be reached from every other. */
export function isConnected(graph: Graph): boolean {
  return components(graph).length === 1;
}
