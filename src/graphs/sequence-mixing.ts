/** The mixing matrices of a graph sequence, and how fast they bring peers together. */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { components, createSimpleGraph, type Edge, type Graph } from "./graph.js";
import type { GraphSequence, WeightedEdge } from "./graph-sequence.js";
import { type Mixing, type MixingSequence, type Neighbour, requireDense } from "./mixing.js";
import { metropolisMixing } from "./weights.js";

/** Rounds that stand for a sequence which does not repeat. */
export const SAMPLED_ROUNDS = 256;

/** Peers times rounds of the mean that describes such a sequence, where that is more rounds. */
const SAMPLED_ROWS = 1 << 17;

/** Rounds whose neighbours are kept, where the sequence does not repeat. */
const KEPT_ROUNDS = 16;

/** What one period may leave of a disagreement and still count as exact: rounding in float64. */
const EXACTNESS = 1e-12;

/** @throws InvalidTopology the edges of all rounds together do not connect the peers, or there are more than `MAX_DENSE_PEERS` */
export function sequenceMixing(graph: Graph & { readonly sequence: GraphSequence }): Mixing {
  const { peers, sequence, isDirected } = graph;
  const { period } = sequence;
  requireDense(peers, "a graph that changes from round to round");
  const rounds = period ?? SAMPLED_ROUNDS;
  const undirected = createSimpleGraph(peers, graph.edges);
  const union = metropolisMixing(undirected);
  const tables = new Map<number, readonly (readonly Neighbour[])[]>();
  const tableOf = (t: number): readonly (readonly Neighbour[])[] => {
    const key = period ? t % period : t;
    let table = tables.get(key);
    if (!table) {
      if (!period && tables.size >= KEPT_ROUNDS) tables.delete(tables.keys().next().value!);
      table = neighboursOf(peers, sequence.round(key), isDirected === true);
      tables.set(key, table);
    }
    return table;
  };
  const made: MixingSequence = {
    ...(period && { period }),
    rounds,
    isExact: period !== undefined && disagreement(peers, sequence, period, isDirected) <= EXACTNESS,
    smallestEigenvalue: isDirected ? 0 : smallest(peers, sequence, rounds),
    neighbours: (peer, t) => tableOf(t)[peer]!,
  };
  if (!isDirected) return { ...union, sequence: made };
  const shares = graph.edges.map(([from, to]): WeightedEdge => [from, to, 1 / 2]);
  return { ...union, neighbours: neighboursOf(peers, shares, true), isDirected, sequence: made };
}

/**
 * A peer's edges by round, those that learn and then those of the closing consensus: periods where a period is exact, or
 * else all edges with the weights of W.
 */
export function edgesIn(
  { neighbours }: Mixing,
  sequence: MixingSequence,
  { rounds, closingRates }: { readonly rounds: number; readonly closingRates: readonly number[] },
): (peer: number, round: number) => readonly Neighbour[] {
  return (peer, round) => {
    if (round < rounds) return sequence.neighbours(peer, round);
    if (!sequence.isExact) return neighbours[peer]!;
    return sequence.neighbours(peer, (round - rounds) % closingRates.length);
  };
}

/** Every peer's ends of these edges. Two peers that send to each other have one edge, which works both ways. */
function neighboursOf(peers: number, edges: readonly WeightedEdge[], isDirected: boolean): Neighbour[][] {
  const lists = Array.from({ length: peers }, () => new Map<number, Neighbour>());
  const add = (from: number, peer: number, weight: number, direction: "in" | "out") => {
    const isMutual = !isDirected || lists[from]!.has(peer);
    lists[from]!.set(peer, { peer, weight, ...(!isMutual && { direction }) });
  };
  for (const [a, b, weight] of edges) {
    add(a, b, weight, "out");
    add(b, a, weight, "in");
  }
  return lists.map((list) => [...list.values()].sort((a, b) => a.peer - b.peer));
}

/** Rows of X ← W(t) X, in place; on a directed graph what is given away leaves its sender's row. */
function apply(rows: Float64Array[], edges: readonly WeightedEdge[], isDirected = false): void {
  const before = new Map<number, Float64Array>();
  for (const [a, b] of edges) for (const peer of [a, b]) before.set(peer, rows[peer]!.slice());
  const move = (to: number, weight: number, from: number, less: number) => {
    const [x, y, z] = [rows[to]!, before.get(from)!, before.get(less)!];
    for (let k = 0; k < x.length; k++) x[k]! += weight * (y[k]! - z[k]!);
  };
  for (const [a, b, weight] of edges) {
    if (isDirected) {
      const [x, y, given] = [rows[a]!, rows[b]!, before.get(a)!];
      for (let k = 0; k < x.length; k++) {
        x[k]! -= weight * given[k]!;
        y[k]! += weight * given[k]!;
      }
    } else {
      move(a, weight, b, a);
      move(b, weight, a, b);
    }
  }
}

/** W(τ − 1) ⋯ W(0) − J, by rows. */
function productOf(peers: number, sequence: GraphSequence, period: number, isDirected = false) {
  const rows = Array.from({ length: peers }, (_, i) => {
    const row = new Float64Array(peers);
    row[i] = 1;
    return row;
  });
  for (let t = 0; t < period; t++) apply(rows, sequence.round(t), isDirected);
  for (const row of rows) for (let k = 0; k < peers; k++) row[k]! -= 1 / peers;
  return rows;
}

/** The largest entry of W(τ − 1) ⋯ W(0) − J. */
function disagreement(peers: number, sequence: GraphSequence, period: number, isDirected = false): number {
  let largest = 0;
  for (const row of productOf(peers, sequence, period, isDirected)) {
    for (const value of row) largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}

/** The least eigenvalue of W(0) … W(rounds − 1), component by component. */
function smallest(peers: number, sequence: GraphSequence, rounds: number): number {
  let least = 1;
  for (let t = 0; t < rounds; t++) {
    const edges = sequence.round(t);
    const graph = createSimpleGraph(
      peers,
      edges.map(([a, b]): Edge => [a, b]),
    );
    const byPeer = neighboursOf(peers, edges, false);
    for (const component of components(graph)) {
      const [first] = component;
      // Two peers with weight w: eigenvalues 1 and 1 − 2w.
      if (component.length === 2) least = Math.min(least, 1 - 2 * byPeer[first!]![0]!.weight);
      else if (component.length > 2) least = Math.min(least, leastOf(component, byPeer));
    }
  }
  return peers === 1 ? 0 : least;
}

function leastOf(component: readonly number[], byPeer: readonly (readonly Neighbour[])[]): number {
  const place = new Map(component.map((peer, k) => [peer, k]));
  const matrix = Matrix.eye(component.length, component.length);
  for (const [k, peer] of component.entries()) {
    for (const { peer: other, weight } of byPeer[peer]!) {
      matrix.set(k, place.get(other)!, weight);
      matrix.set(k, k, matrix.get(k, k) - weight);
    }
  }
  return Math.min(...new EigenvalueDecomposition(matrix, { assumeSymmetric: true }).realEigenvalues);
}

/**
 * What a round of exact gossip with η = 1 leaves of ‖X − X̄‖: 0 where a period is exact, otherwise the τ-th root of the
 * most that a period of τ leaves, ‖W(τ − 1) ⋯ W(0) − J‖₂. Of a sequence that does not repeat, the square root of the
 * largest eigenvalue of the mean of W(t)ᵀW(t) − J over many rounds: the mean square of what a round leaves.
 */
export function sequenceContraction({ peers, sequence, isDirected }: Graph): number {
  if (!sequence || peers === 1) return 0;
  const { period } = sequence;
  const squares = Matrix.zeros(peers, peers);
  if (period !== undefined) {
    const product = new Matrix(productOf(peers, sequence, period, isDirected).map((row) => Array.from(row)));
    squares.add(product.transpose().mmul(product));
  } else {
    const rounds = Math.max(SAMPLED_ROUNDS, Math.floor(SAMPLED_ROWS / peers));
    for (let t = 0; t < rounds; t++) addSquare(squares, sequence.round(t), peers);
    squares.div(rounds).sub(1 / peers);
  }
  const eigenvalues = new EigenvalueDecomposition(squares, { assumeSymmetric: true }).realEigenvalues;
  const largest = Math.max(0, ...eigenvalues);
  if (period !== undefined && Math.sqrt(largest) <= EXACTNESS * peers) return 0;
  return Math.min(1, largest ** (1 / (2 * (period ?? 1))));
}

/** squares += WᵀW of one round */
function addSquare(squares: Matrix, edges: readonly WeightedEdge[], peers: number): void {
  const lists = neighboursOf(peers, edges, false);
  for (let i = 0; i < peers; i++) {
    const rest = lists[i]!.reduce((left, { weight }) => left - weight, 1);
    const row = [...lists[i]!, { peer: i, weight: rest }];
    for (const a of row) {
      for (const b of row) squares.set(a.peer, b.peer, squares.get(a.peer, b.peer) + a.weight * b.weight);
    }
  }
}
