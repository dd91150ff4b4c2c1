/**
 * Mixing matrices: how much a peer moves towards each neighbour, and what the spectrum of that says about
 * a whole graph of peers.
 *
 * One round of exact gossip with consensus rate η multiplies the models by W_eff = I − η(I − W). A
 * disagreement along an eigenvector of W with eigenvalue λ is multiplied by 1 − η(1 − λ); the mean, λ = 1,
 * stays where it is.
 */
import { InvalidTopology } from "../foundation/errors.js";

/** One end of an edge: the neighbour at the other end, and how much travels along it. */
export interface Neighbour {
  readonly peer: number;
  /** w_ij, equal at both ends of the edge. On a directed edge, the share that its sender gives away along it. */
  readonly weight: number;
  /** Which way payloads travel on a directed edge, as this peer sees it; left out: both ways. */
  readonly direction?: "in" | "out";
}

/** W(t) of a graph whose edges change from round to round. */
export interface MixingSequence {
  /** Rounds after which it repeats; left out where every round is drawn at random. */
  readonly period?: number;
  /** Whether one period of exact gossip with η = 1 gives every peer the mean. */
  readonly isExact: boolean;
  /** λ_n: the least eigenvalue of any W(t), as far as `rounds` go; 0 where they are not symmetric. */
  readonly smallestEigenvalue: number;
  /** Rounds that say what the sequence is like: a period, or the first `SAMPLED_ROUNDS`. */
  readonly rounds: number;
  /** A peer's neighbours in round t, ascending, with the weights of that round. */
  neighbours(peer: number, t: number): readonly Neighbour[];
}

/** Most peers whose W is written out as a dense matrix: 8 MB of it. */
export const MAX_DENSE_PEERS = 1024;

/**
 * A validated mixing matrix W: symmetric, rows and columns sum to 1, zero where there is no edge, gap > 0. On a directed
 * graph only the columns sum to 1: what a peer keeps and gives away. It is held by its edges; see `denseWeights`.
 */
export interface Mixing {
  /** Count of peers n. */
  readonly peers: number;
  /** Every peer's neighbours, ascending. w_ii is the rest of 1, see `selfWeight`. */
  readonly neighbours: readonly (readonly Neighbour[])[];
  readonly isDirected?: true;
  /** The matrices of the rounds; W above is then that of all edges together, as the closing consensus may use it. */
  readonly sequence?: MixingSequence;
  /** All n eigenvalues of W in any order, of a large graph whose kind has a closed form. */
  readonly eigenvalues?: readonly number[];
}

/** w_ii: what a peer keeps of its own. */
export function selfWeight(edges: readonly Neighbour[]): number {
  let rest = 1;
  for (const { weight, direction } of edges) if (direction !== "in") rest -= weight;
  return rest;
}

/**
 * W by rows, n × n.
 *
 * @throws InvalidTopology there are more than `MAX_DENSE_PEERS`
 */
export function denseWeights({ peers: n, neighbours }: Pick<Mixing, "peers" | "neighbours">): Float64Array {
  requireDense(n, "a mixing matrix that is written out");
  const weights = new Float64Array(n * n);
  for (const [i, edges] of neighbours.entries()) {
    weights[i * n + i] = selfWeight(edges);
    for (const { peer, weight, direction } of edges) {
      // A column holds what its peer gives away.
      if (direction === "out") weights[peer * n + i] = weight;
      else weights[i * n + peer] = weight;
    }
  }
  return weights;
}

/** @throws InvalidTopology there are more than `MAX_DENSE_PEERS` */
export function requireDense(peers: number, what: string): void {
  if (peers <= MAX_DENSE_PEERS) return;
  throw new InvalidTopology(
    `${what} has at most ${MAX_DENSE_PEERS} peers, not ${peers}: take fewer peers, or an undirected graph with Metropolis weights and the same edges in every round`,
    { code: "too-many-dense-peers", field: "peers" },
  );
}
