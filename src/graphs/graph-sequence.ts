/**
 * Graph sequences: who mixes with whom in each round, where that changes from round to round. The graph that has one is
 * the union of all rounds: what a transport connects. A new kind is a file in `graphs/` like any other.
 */

/** Two peers and w_ij; on a directed graph, the share that the first gives the second. */
export type WeightedEdge = readonly [a: number, b: number, weight: number];

/** W(0), W(1), …, each symmetric with rows that sum to 1; on a directed graph only the columns do. */
export interface GraphSequence {
  /** Rounds after which it repeats; left out where every round is drawn at random. */
  readonly period?: number;
  /** The edges of round t = 0, 1, …, each once. The same call gives the same edges on every machine. */
  round(t: number): readonly WeightedEdge[];
}

/** A sequence that repeats these rounds. */
export function repeated(rounds: readonly (readonly WeightedEdge[])[]): GraphSequence {
  const period = Math.max(1, rounds.length);
  return { period, round: (t) => rounds[t % period] ?? [] };
}
