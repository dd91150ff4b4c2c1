/** What the eigenvalues of W say about a whole graph of peers. */
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from "ml-matrix";
import {
  EXTREME_ACCURACY,
  type Extremes,
  exceeds,
  extremesOf,
  meanSquareSlowness,
  type Tridiagonal,
} from "./lanczos.js";
import { denseWeights, type Mixing } from "./mixing.js";

/** Most peers whose W is decomposed as a dense matrix, in time cubic in their number: a second for this many. */
export const MAX_DECOMPOSED_PEERS = 512;

/** Lanczos iterations that show the density of a large spectrum. */
const DENSITY_STEPS = 64;

/**
 * The eigenvalues of W, or what is known of them. All are known of small graphs and of kinds with a closed form; of
 * other large graphs the extremes are exact and the rest is an estimate from one random vector.
 */
export interface Spectrum {
  /** λ₂; 0 for a single peer. Of a directed graph the modulus, as below. */
  readonly second: number;
  /** λ_n; 0 for a single peer. */
  readonly smallest: number;
  /** All n of them, descending, 1 first; left out where only the extremes are known. */
  readonly eigenvalues?: readonly number[];
  /**
   * Root mean square of 1 / (1 − λ) over all disagreements; 0 for a single peer. An estimate where `eigenvalues` are left
   * out: good to a few percent where no few eigenvalues make up the sum, and to its order of magnitude elsewhere.
   */
  readonly slowness: number;
  /** This many eigenvalues of disagreements, evenly spaced in their order from λ₂ to λ_n; none for a single peer. */
  sample(count: number): readonly number[];
}

/** @param eigenvalues all of them, descending, 1 first */
export function spectrumOf(eigenvalues: readonly number[]): Spectrum {
  const disagreements = eigenvalues.slice(1);
  const last = disagreements.length - 1;
  const squares = disagreements.reduce((sum, value) => sum + (1 - value) ** -2, 0);
  return {
    second: disagreements[0] ?? 0,
    smallest: disagreements[last] ?? 0,
    eigenvalues,
    slowness: Math.sqrt(squares / Math.max(1, disagreements.length)),
    sample: (count) =>
      last < 0
        ? []
        : Array.from({ length: count }, (_, k) => disagreements[Math.round((k * last) / (count - 1))]!),
  };
}

const knownSpectra = new WeakMap<Mixing, Spectrum>();

/**
 * The spectrum of W, where undirected; the moduli on a directed graph. Computed once per mixing: for up to
 * `MAX_DECOMPOSED_PEERS` and directed graphs by a dense decomposition, otherwise in closed form where the kind of the
 * graph has one, or by Lanczos iterations.
 */
export function spectrum(mixing: Mixing): Spectrum {
  const known = knownSpectra.get(mixing) ?? compute(mixing);
  knownSpectra.set(mixing, known);
  return known;
}

function compute(mixing: Mixing): Spectrum {
  if (mixing.isDirected || mixing.peers <= MAX_DECOMPOSED_PEERS) return spectrumOf(decompose(mixing));
  const { eigenvalues } = mixing;
  return eigenvalues ? spectrumOf(descending(eigenvalues)) : estimated(extremesOf(mixing));
}

function decompose(mixing: Mixing): number[] {
  const matrix = matrixOf(mixing);
  if (mixing.isDirected) {
    const { realEigenvalues, imaginaryEigenvalues } = new EigenvalueDecomposition(matrix);
    return descending(realEigenvalues.map((real, k) => Math.hypot(real, imaginaryEigenvalues[k]!)));
  }
  const { realEigenvalues } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  return descending(realEigenvalues);
}

/** W's eigenvalues are at most 1; what is above is rounding. */
const descending = (values: Iterable<number>): number[] =>
  Array.from(values, (value) => Math.min(1, value)).sort((a, b) => b - a);

/** W of the peers that have edges: one that has left a running graph is not counted. */
function matrixOf(mixing: Mixing): Matrix {
  const { peers, neighbours } = mixing;
  const matrix = Matrix.from1DArray(peers, peers, denseWeights(mixing));
  const present = neighbours.flatMap((edges, peer) => (edges.length > 0 ? peer : []));
  if (present.length === peers || present.length === 0) return matrix;
  return matrix.selection(present, present);
}

function estimated({ second, smallest, tridiagonal }: Extremes): Spectrum {
  return {
    ...{ second, smallest },
    slowness: Math.sqrt(meanSquareSlowness(tridiagonal)),
    sample(count) {
      const inner = quantiles(tridiagonal, count).map((value) => Math.min(second, Math.max(smallest, value)));
      return inner.with(0, second).with(-1, smallest);
    },
  };
}

/**
 * Quantiles of the density that the first iterations show: the eigenvalues of T, each with the square of its
 * eigenvector's first number as its share.
 *
 * @see Lin, Saad & Yang 2016, “Approximating spectral densities of large matrices”, §3.2
 */
function quantiles({ diagonal, offDiagonal }: Tridiagonal, count: number): number[] {
  const length = Math.min(DENSITY_STEPS, diagonal.length);
  const matrix = Matrix.zeros(length, length);
  for (let k = 0; k < length; k++) {
    matrix.set(k, k, diagonal[k]!);
    if (k + 1 === length) break;
    matrix.set(k, k + 1, offDiagonal[k]!);
    matrix.set(k + 1, k, offDiagonal[k]!);
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  const nodes = realEigenvalues
    .map((value, k) => ({ value, share: eigenvectorMatrix.get(0, k) ** 2 }))
    .sort((a, b) => b.value - a.value);
  let place = 0;
  let passed = 0;
  return Array.from({ length: count }, (_, k) => {
    const wanted = k / (count - 1);
    while (place + 1 < nodes.length && passed + nodes[place]!.share < wanted) passed += nodes[place++]!.share;
    return nodes[place]!.value;
  });
}

/** 1 − max(|λ₂|, |λ_n|): the least share of a disagreement that a round with η = 1 removes. */
export function spectralGap(spectrum: Spectrum): number {
  return 1 - contractionOf(spectrum, 1);
}

/**
 * Whether the spectral gap is at least `minimum`, of an undirected W: after a few Lanczos iterations, which rule out what
 * is far from it, two Cholesky decompositions of small graphs, far cheaper than the spectrum.
 */
export function gapReaches(mixing: Mixing, minimum: number): boolean {
  const rounding = 1e-12;
  if (exceeds(mixing, 1 - minimum + EXTREME_ACCURACY)) return false;
  if (mixing.peers > MAX_DECOMPOSED_PEERS) return spectralGap(spectrum(mixing)) >= minimum - rounding;
  const lower = matrixOf(mixing);
  const n = lower.rows;
  const most = 1 - minimum;
  // Every |λ| but the first is below `most` exactly when most·I − W + J/n·2 and most·I + W are positive
  // definite, J being all ones: 2J/n lifts the mean's eigenvalue, which is not a disagreement.
  const upper = lower
    .clone()
    .neg()
    .add(2 / n);
  for (let i = 0; i < n; i++) {
    upper.set(i, i, upper.get(i, i) + most + rounding);
    lower.set(i, i, lower.get(i, i) + most + rounding);
  }
  return (
    new CholeskyDecomposition(upper).isPositiveDefinite() &&
    new CholeskyDecomposition(lower).isPositiveDefinite()
  );
}

/** The spectral gap of an undirected W with three peers or more, without its whole spectrum. */
export function quickGap(mixing: Mixing): number {
  const { second, smallest } = extremesOf(mixing);
  return 1 - Math.max(Math.abs(second), Math.abs(smallest));
}

/** max |1 − η(1 − λ)| over all disagreements: the most that one round of exact gossip leaves of one. */
function contractionOf(spectrum: Spectrum, consensusRate: number): number {
  const leaves = (eigenvalue: number) => Math.abs(1 - consensusRate * (1 - eigenvalue));
  return Math.max(leaves(spectrum.second), leaves(spectrum.smallest));
}

/** η* = 2 / ((1 − λ₂) + (1 − λ_n)), the fastest rate of exact gossip. Compressed gossip takes a smaller one. */
export function optimalConsensusRate(spectrum: Spectrum): number {
  return 2 / (1 - spectrum.second + (1 - spectrum.smallest));
}

/** 2 / (1 − λ_n): from this η on, even exact gossip does not converge. */
export function maximumConsensusRate(spectrum: Spectrum): number {
  return 2 / (1 - spectrum.smallest);
}

/**
 * Rounds of exact gossip until the consensus distance (1/n) Σ_i ‖x_i − x̄‖² is guaranteed to be at most `factor` of
 * what it was. The distance is a square, so a round multiplies it by at most the square of the contraction.
 *
 * @param consensusRate η
 * @param factor in (0, 1)
 * @returns Infinity when η is not below `maximumConsensusRate`
 */
export function predictedRounds(spectrum: Spectrum, consensusRate: number, factor: number): number {
  const contraction = contractionOf(spectrum, consensusRate);
  if (contraction >= 1) return Number.POSITIVE_INFINITY;
  return Math.max(1, Math.ceil(Math.log(factor) / (2 * Math.log(contraction)) - 1e-9));
}

/** 1 / (η(1 − λ₂)): rounds until the slowest disagreement has fallen to 1/e, for small η. */
export function roundsToMix(spectrum: Spectrum, consensusRate: number): number {
  return 1 / (consensusRate * (1 - spectrum.second));
}

/**
 * How many rounds' updates models are apart where updates differ between peers and do not change: the root mean square
 * over all disagreements of 1 / (η(1 − λ)), exact gossip's steady state. 0 for a single peer.
 */
export function driftInRounds({ slowness }: Spectrum, consensusRate: number): number {
  return slowness / consensusRate;
}
