/** What the eigenvalues of W say about a whole graph of peers. */
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { Mixing } from "./mixing.js";

const knownSpectra = new WeakMap<Mixing, readonly number[]>();

/**
 * Eigenvalues of W, descending (their moduli on a directed graph): 1 first, then what governs how disagreements shrink. Computed once per mixing,
 * in time cubic in the number of peers: a millisecond for 16, a second for 512, ten for 1024.
 */
export function spectrum(mixing: Mixing): readonly number[] {
  const known = knownSpectra.get(mixing) ?? decompose(mixing);
  knownSpectra.set(mixing, known);
  return known;
}

function decompose(mixing: Mixing): number[] {
  const matrix = matrixOf(mixing);
  if (mixing.isDirected) {
    const { realEigenvalues, imaginaryEigenvalues } = new EigenvalueDecomposition(matrix);
    const moduli = realEigenvalues.map((real, k) => Math.hypot(real, imaginaryEigenvalues[k]!));
    return moduli.map((modulus) => Math.min(1, modulus)).sort((a, b) => b - a);
  }
  const { realEigenvalues } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  // W's eigenvalues are at most 1; what is above is rounding.
  return Array.from(realEigenvalues, (value) => Math.min(1, value)).sort((a, b) => b - a);
}

/** W of the peers that have edges: one that has left a running graph is not counted. */
function matrixOf({ peers, weights, neighbours }: Mixing): Matrix {
  const matrix = Matrix.from1DArray(peers, peers, weights);
  const present = neighbours.flatMap((edges, peer) => (edges.length > 0 ? peer : []));
  if (present.length === peers || present.length === 0) return matrix;
  return matrix.selection(present, present);
}

/** λ₂. 0 for a single peer. */
export function secondEigenvalue(spectrum: readonly number[]): number {
  return spectrum[1] ?? 0;
}

/** λ_n. 0 for a single peer. */
export function smallestEigenvalue(spectrum: readonly number[]): number {
  return spectrum.slice(1).at(-1) ?? 0;
}

/** 1 − max(|λ₂|, |λ_n|): the least share of a disagreement that a round with η = 1 removes. */
export function spectralGap(spectrum: readonly number[]): number {
  return 1 - contractionOf(spectrum, 1);
}

/** Whether the spectral gap is at least `minimum`: two Cholesky decompositions, far cheaper than the spectrum. */
export function gapReaches(mixing: Mixing, minimum: number): boolean {
  const n = matrixOf(mixing).rows;
  const most = 1 - minimum;
  // Every |λ| but the first is below `most` exactly when most·I − W + J/n·2 and most·I + W are positive
  // definite, J being all ones: 2J/n lifts the mean's eigenvalue, which is not a disagreement.
  const upper = matrixOf(mixing)
    .neg()
    .add(2 / n);
  const lower = matrixOf(mixing);
  const rounding = 1e-12;
  for (let i = 0; i < n; i++) {
    upper.set(i, i, upper.get(i, i) + most + rounding);
    lower.set(i, i, lower.get(i, i) + most + rounding);
  }
  return (
    new CholeskyDecomposition(upper).isPositiveDefinite() &&
    new CholeskyDecomposition(lower).isPositiveDefinite()
  );
}

/** max |1 − η(1 − λ)| over all disagreements: the most that one round of exact gossip leaves of one. */
function contractionOf(spectrum: readonly number[], consensusRate: number): number {
  const leaves = (eigenvalue: number) => Math.abs(1 - consensusRate * (1 - eigenvalue));
  return Math.max(leaves(secondEigenvalue(spectrum)), leaves(smallestEigenvalue(spectrum)));
}

/** η* = 2 / ((1 − λ₂) + (1 − λ_n)), the fastest rate of exact gossip. Compressed gossip takes a smaller one. */
export function optimalConsensusRate(spectrum: readonly number[]): number {
  return 2 / (1 - secondEigenvalue(spectrum) + (1 - smallestEigenvalue(spectrum)));
}

/** 2 / (1 − λ_n): from this η on, even exact gossip does not converge. */
export function maximumConsensusRate(spectrum: readonly number[]): number {
  return 2 / (1 - smallestEigenvalue(spectrum));
}

/**
 * Rounds of exact gossip until the consensus distance (1/n) Σ_i ‖x_i − x̄‖² is guaranteed to be at most `factor` of
 * what it was. The distance is a square, so a round multiplies it by at most the square of the contraction.
 *
 * @param consensusRate η
 * @param factor in (0, 1)
 * @returns Infinity when η is not below `maximumConsensusRate`
 */
export function predictedRounds(spectrum: readonly number[], consensusRate: number, factor: number): number {
  const contraction = contractionOf(spectrum, consensusRate);
  if (contraction >= 1) return Number.POSITIVE_INFINITY;
  return Math.max(1, Math.ceil(Math.log(factor) / (2 * Math.log(contraction)) - 1e-9));
}

/** 1 / (η(1 − λ₂)): rounds until the slowest disagreement has fallen to 1/e, for small η. */
export function roundsToMix(spectrum: readonly number[], consensusRate: number): number {
  return 1 / (consensusRate * (1 - secondEigenvalue(spectrum)));
}

/**
 * How many rounds' updates models are apart where updates differ between peers and do not change: the root mean square
 * over all disagreements of 1 / (η(1 − λ)), exact gossip's steady state. 0 for a single peer.
 */
export function driftInRounds(spectrum: readonly number[], consensusRate: number): number {
  const disagreements = spectrum.slice(1);
  const squares = disagreements.reduce((sum, value) => sum + (consensusRate * (1 - value)) ** -2, 0);
  return Math.sqrt(squares / Math.max(1, disagreements.length));
}
