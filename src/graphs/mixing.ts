/**
 * Mixing matrices: how much a peer moves towards each neighbour, and what the spectrum of that says about
 * a whole graph of peers.
 *
 * One round of exact gossip with consensus rate η multiplies the models by W_eff = I − η(I − W). A
 * disagreement along an eigenvector of W with eigenvalue λ is multiplied by 1 − η(1 − λ); the mean, λ = 1,
 * stays where it is.
 */
/** One end of an edge: the neighbour at the other end, and how much travels along it. */
export interface Neighbour {
  readonly peer: number;
  /** w_ij, equal at both ends of the edge. On a directed edge, the share that its sender gives away along it. */
  readonly weight: number;
  /** Which way payloads travel on a directed edge, as this peer sees it; left out: both ways. */
  readonly direction?: "in" | "out";
}

/**
 * A validated mixing matrix W: symmetric, rows and columns sum to 1, zero where there is no edge, gap > 0. On a directed
 * graph only the columns sum to 1: what a peer keeps and gives away.
 */
export interface Mixing {
  /** Count of peers n. */
  readonly peers: number;
  /** W by rows, n × n. Not to be written to. */
  readonly weights: Float64Array;
  /** Every peer's neighbours, ascending. */
  readonly neighbours: readonly (readonly Neighbour[])[];
  readonly isDirected?: true;
}
