/**
 * Mixing matrices: how much a peer moves towards each neighbour, and what the spectrum of that says about
 * a whole graph of peers.
 *
 * One round of exact gossip with consensus rate η multiplies the models by W_eff = I − η(I − W). A
 * disagreement along an eigenvector of W with eigenvalue λ is multiplied by 1 − η(1 − λ); the mean, λ = 1,
 * stays where it is.
 */
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from "ml-matrix";
import { InvalidExperiment, InvalidTopology } from "../foundation/errors.js";
import { components, degrees, type Graph, neighbours, reachable } from "./graph.js";

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

/** How far a given row sum may be from 1, and w_ij from w_ji: room for weights written with six decimals. */
export const WEIGHT_TOLERANCE = 1e-5;

/** Smallest spectral gap of given weights; below it a run would never agree. */
export const MINIMUM_GAP = 1e-9;

/**
 * Metropolis–Hastings weights, w_ij = 1 / (1 + max(d_i, d_j)) on every edge and the rest of a row on the
 * diagonal. With the 1 in the denominator every peer keeps some of its own model, so λ_n > −1 on every
 * graph; without it even rings and hypercubes would swap disagreements back and forth for ever.
 *
 * @throws InvalidTopology the graph is not connected; names the peers that are cut off
 * @see Xiao, Boyd & Lall 2005, “A scheme for robust distributed sensor fusion based on average consensus”
 */
export function metropolisMixing(graph: Graph): Mixing {
  requireConnected(graph);
  const counts = degrees(graph);
  return mixingOf(graph, (i, j) => 1 / (1 + Math.max(counts[i]!, counts[j]!)));
}

/**
 * Push weights of a directed graph: a peer keeps 1 / (1 + d) and gives as much along each of its d outgoing edges.
 *
 * @throws InvalidTopology the graph is not strongly connected, or two peers send to each other
 * @see Kempe, Dobra & Gehrke 2003, “Gossip-based computation of aggregate information”
 */
export function pushMixing(graph: Graph): Mixing {
  requireStronglyConnected(graph);
  const n = graph.peers;
  const weights = new Float64Array(n * n);
  const outgoing = Array.from({ length: n }, () => 0);
  for (const [from] of graph.edges) outgoing[from]!++;
  const lists = Array.from({ length: n }, (): Neighbour[] => []);
  for (const [from, to] of graph.edges) {
    const weight = 1 / (1 + outgoing[from]!);
    weights[to * n + from] = weight;
    lists[from]!.push({ peer: to, weight, direction: "out" });
    lists[to]!.push({ peer: from, weight, direction: "in" });
  }
  for (let peer = 0; peer < n; peer++) {
    weights[peer * n + peer] = 1 / (1 + outgoing[peer]!);
    lists[peer]!.sort((a, b) => a.peer - b.peer);
  }
  return { peers: n, weights, neighbours: lists, isDirected: true };
}

function requireStronglyConnected(graph: Graph): void {
  const codes = new Set(graph.edges.map(([a, b]) => a * graph.peers + b));
  const twoWay = graph.edges.find(([a, b]) => codes.has(b * graph.peers + a));
  if (twoWay) {
    throw new InvalidTopology(
      `peers ${twoWay[0]} and ${twoWay[1]} send to each other: a directed graph has one direction per edge; remove one, or use an undirected graph`,
      { code: "edge-both-ways", peer: twoWay[0], neighbour: twoWay[1] },
    );
  }
  for (const isForward of [true, false]) {
    const found = reachable(graph, 0, isForward);
    const missing = Array.from({ length: graph.peers }, (_, peer) => peer).find((peer) => !found.has(peer));
    if (missing === undefined) continue;
    const [from, to] = isForward ? [0, missing] : [missing, 0];
    throw new InvalidTopology(
      `the directed graph is not strongly connected: no path leads from peer ${from} to peer ${to}; add an edge`,
      { code: "not-strongly-connected", peer: from, neighbour: to },
    );
  }
}

/**
 * A mixing with the user's own weights. Weights may be off by `WEIGHT_TOLERANCE`; what is used is the mean of
 * w_ij and w_ji, and the diagonal that makes every row sum to 1 exactly.
 *
 * Edge weights must be positive. A negative one can be stable as long as every message arrives, but when a
 * round loses messages on other edges the remaining negative weight drives its two peers apart. A negative
 * weight of a peer to itself is allowed while λ_n > −1: losing edges with positive weights only brings the
 * eigenvalues closer to 1.
 *
 * @param weights W by rows
 * @throws InvalidTopology names the row, and what is wrong with it
 */
export function weightedMixing(graph: Graph, weights: readonly (readonly number[])[]): Mixing {
  requireConnected(graph);
  const n = graph.peers;
  if (weights.length !== n)
    throw new InvalidTopology(`weights have ${weights.length} rows for ${n} peers: write one row per peer`, {
      code: "weights-row-count",
      field: "weights",
    });
  const isEdge = neighbours(graph).map((list) => new Set(list));
  for (const [i, row] of weights.entries()) {
    if (row.length !== n) {
      throw new InvalidTopology(
        `row ${i} of the weights has ${row.length} numbers for ${n} peers: write one number per peer`,
        { code: "weights-row-length", peer: i, field: `weights[${i}]` },
      );
    }
    for (const [j, weight] of row.entries()) checkWeight(weights, isEdge, i, j, weight);
    const sum = row.reduce((total, weight) => total + weight, 0);
    if (Math.abs(sum - 1) > WEIGHT_TOLERANCE) {
      throw new InvalidTopology(
        `row ${i} of the weights sums to ${shorten(sum)}, not 1: add ${shorten(1 - sum)} to weight ${i}–${i}, or fix its edges`,
        { code: "weights-row-sum", peer: i, field: `weights[${i}]` },
      );
    }
  }
  const mixing = mixingOf(graph, (i, j) => (weights[i]![j]! + weights[j]![i]!) / 2);
  if (!gapReaches(mixing, MINIMUM_GAP)) {
    throw new InvalidTopology(
      `peers with these weights do not converge, because ${whyApart(spectrum(mixing))}`,
      { code: "weights-do-not-mix", field: "weights" },
    );
  }
  return mixing;
}

function whyApart(spectrum: readonly number[]): string {
  const [second, smallest] = [secondEigenvalue(spectrum), smallestEigenvalue(spectrum)];
  return -smallest >= second
    ? `the smallest eigenvalue is ${shorten(smallest)}: give every peer more weight to itself`
    : `the second eigenvalue is ${shorten(second)}: raise the weights of the edges`;
}

function checkWeight(
  weights: readonly (readonly number[])[],
  isEdge: readonly ReadonlySet<number>[],
  i: number,
  j: number,
  weight: number,
): void {
  const where = `row ${i} of the weights has ${shorten(weight)} for peer ${j}`;
  const field = `weights[${i}][${j}]`;
  if (!Number.isFinite(weight))
    throw new InvalidTopology(`${where}, which is not finite: use finite weights`, {
      code: "weight-not-finite",
      peer: i,
      neighbour: j,
      field,
    });
  if (i === j) return;
  if (!isEdge[i]!.has(j)) {
    if (weight === 0) return;
    throw new InvalidTopology(
      `${where}, but ${i}–${j} is not an edge: add the edge, or set the weight to 0`,
      { code: "weight-without-edge", peer: i, neighbour: j, field },
    );
  }
  if (weight <= 0) {
    throw new InvalidTopology(`${where}, a neighbour: give it a positive weight, or remove the edge`, {
      code: "weight-not-positive",
      peer: i,
      neighbour: j,
      field,
    });
  }
  const mirrored = weights[j]?.[i] ?? Number.NaN;
  if (!(Math.abs(weight - mirrored) <= WEIGHT_TOLERANCE)) {
    throw new InvalidTopology(
      `${where}, but row ${j} has ${shorten(mirrored)} for peer ${i}: give both ends of an edge the same weight`,
      { code: "weights-asymmetric", peer: i, neighbour: j, field },
    );
  }
}

function mixingOf(graph: Graph, weightOf: (i: number, j: number) => number): Mixing {
  const n = graph.peers;
  const weights = new Float64Array(n * n);
  const lists = neighbours(graph).map((list, i) => {
    let rest = 1;
    const weighted = list.map((peer): Neighbour => {
      const weight = weightOf(Math.min(i, peer), Math.max(i, peer));
      weights[i * n + peer] = weight;
      rest -= weight;
      return { peer, weight };
    });
    weights[i * n + i] = rest;
    return weighted;
  });
  return { peers: n, weights, neighbours: lists };
}

function requireConnected(graph: Graph): void {
  const [first, ...others] = components(graph);
  if (others.length === 0) return;
  const islands = others.map((island) => `[${listed(island)}]`);
  throw new InvalidTopology(
    `the graph is disconnected (${others.length + 1} components): no path joins peers [${listed(first!)}] to ${listed(islands)}; add an edge between the components`,
    { code: "disconnected", field: "graph" },
  );
}

function listed(items: readonly (number | string)[], most = 8): string {
  const more = items.length > most ? `, and ${items.length - most} more` : "";
  return items.slice(0, most).join(", ") + more;
}

function shorten(value: number): string {
  return String(Number(value.toPrecision(6)));
}

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

function matrixOf({ peers, weights }: Mixing): Matrix {
  return Matrix.from1DArray(peers, peers, weights);
}

/** λ₂. Of a single peer, which has nobody to disagree with, 0. */
export function secondEigenvalue(spectrum: readonly number[]): number {
  return spectrum[1] ?? 0;
}

/** λ_n. Of a single peer, which has nobody to disagree with, 0. */
export function smallestEigenvalue(spectrum: readonly number[]): number {
  return spectrum.slice(1).at(-1) ?? 0;
}

/** 1 − max(|λ₂|, |λ_n|): the least share of a disagreement that a round with η = 1 removes. */
export function spectralGap(spectrum: readonly number[]): number {
  return 1 - contractionOf(spectrum, 1);
}

/** Whether the spectral gap is at least `minimum`: two Cholesky decompositions, far cheaper than the spectrum. */
export function gapReaches(mixing: Mixing, minimum: number): boolean {
  const n = mixing.peers;
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
 * Rounds of exact gossip until the consensus distance (1/n) Σ_i ‖x_i − x̄‖² has surely fallen to `factor` of
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

/** Most rounds a closing consensus takes. */
export const MAX_CLOSING_ROUNDS = 256;

/** What a closing consensus of automatic length may leave of any disagreement. */
export const CLOSING_TOLERANCE = 1e-4;

/** Eigenvalues closer than this count as one; the decomposition is some 1e-15 off. */
const EIGENVALUE_TOLERANCE = 1e-9;

/** 2⁻²³, the spacing of float32 numbers at 1. */
const FLOAT32_EPSILON = 2 ** -23;

export interface Closing {
  /** η_k of each round, in order. */
  readonly rates: readonly number[];
  /** max |p(λ)| over all disagreements: what the rounds leave of ‖X − X̄‖ at most, rounding apart. */
  readonly contraction: number;
}

/**
 * The consensus rates of a closing consensus: a few rounds of exact gossip, with no learning in between,
 * after which all peers hold the mean model.
 *
 * Rounds with rates η_1 … η_K multiply a disagreement by p(λ) = Π_k (1 − η_k(1 − λ)). With one round per
 * distinct eigenvalue λ_k ≠ 1 and η_k = 1/(1 − λ_k), p is zero on all of them: the average is exact after
 * finitely many rounds (4 on a ring of 8, k on a hypercube of 2^k peers, 1 on a complete graph).
 * Where a graph has too many eigenvalues for that, the rates come from the roots of the Chebyshev polynomial
 * on [λ_n, λ₂], which of all polynomials with p(1) = 1 of its degree is smallest on that interval.
 *
 * Single rates are far above `maximumConsensusRate`, so the rounds must all take place, over lossless edges and
 * with exact (float32) models. Rates are in Leja order, which keeps every stage of the product small, and
 * carry twelve digits, so that peers whose mathematics differ in the last bit still use the same ones.
 *
 * @param spectrum of W, descending
 * @param rounds 0 … `MAX_CLOSING_ROUNDS`, the most rounds to take. By default as many as make the average exact, or
 *   as leave `CLOSING_TOLERANCE` of any disagreement, whichever are fewer, and no more than `MAX_CLOSING_ROUNDS`
 * @throws InvalidExperiment `rounds` is out of range
 * @see Sundaram & Hadjicostis 2007, “Finite-time distributed consensus in graphs with time-invariant topologies”;
 *   Kibangou 2012, “Graph Laplacian based matrix design for finite-time distributed average consensus”;
 *   Golub & Varga 1961, “Chebyshev semi-iterative methods …”; Montijano, Montijano & Sagues 2013, “Chebyshev
 *   polynomials in distributed consensus applications”; Reichel 1990, “Newton interpolation at Leja points”
 */
export function closingRates(spectrum: readonly number[], rounds?: number): Closing {
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 0 && rounds <= MAX_CLOSING_ROUNDS)) {
    throw new InvalidExperiment(
      `the number of closing rounds is ${rounds}: use a whole number from 0 to ${MAX_CLOSING_ROUNDS}`,
      { code: "closing-rounds", field: "closingRounds" },
    );
  }
  // In terms of μ = 1 − λ, a round multiplies by 1 − μ/μ_k.
  const slownesses = distinct(spectrum.slice(1).map((eigenvalue) => 1 - eigenvalue));
  if (slownesses.length === 0) return { rates: [], contraction: 0 };
  const chebyshevDegree = rounds ?? degreeFor(CLOSING_TOLERANCE, slownesses);
  if (slownesses.length <= chebyshevDegree) {
    const exact = closingOf(slownesses, slownesses);
    if (exact.contraction + exact.amplification * FLOAT32_EPSILON <= CLOSING_TOLERANCE) return exact;
  }
  return closingOf(chebyshevRoots(chebyshevDegree, slownesses), slownesses);
}

/** The rounds with a root at each of these μ, and what they do to disagreements at these slownesses. */
function closingOf(
  roots: readonly number[],
  slownesses: readonly number[],
): Closing & { readonly amplification: number } {
  const rates = inLejaOrder(roots).map((root) => Number((1 / root).toPrecision(12)));
  const { contraction, amplification } = follow(rates, slownesses);
  return { rates, contraction, amplification };
}

/**
 * Follows every disagreement through the rounds. `amplification` bounds the rounding errors that are left, in
 * units of one error per round: an error made after round t is as large as the model or the disagreement of
 * then, whichever is larger, and the rounds that remain multiply it.
 */
function follow(rates: readonly number[], slownesses: readonly number[]) {
  const largestAfter = (products: readonly number[]) => Math.max(...products.map(Math.abs));
  const through = (order: readonly number[]): number[] => {
    let products = slownesses.map(() => 1);
    return order.map((rate) => {
      products = products.map((product, index) => product * (1 - rate * slownesses[index]!));
      return largestAfter(products);
    });
  };
  const before = through(rates);
  const remaining = [1, ...through(rates.toReversed())].slice(0, rates.length).reverse();
  return {
    contraction: before.at(-1) ?? 1,
    amplification: before.reduce((sum, size, t) => sum + Math.max(1, size) * Math.max(1, remaining[t]!), 0),
  };
}

/** The values that differ by more than rounding, each group as its mean. */
function distinct(values: readonly number[]): number[] {
  const groups: number[][] = [];
  for (const value of [...values].sort((a, b) => a - b)) {
    const group = groups.at(-1);
    if (group && value - group[0]! <= EIGENVALUE_TOLERANCE) group.push(value);
    else groups.push([value]);
  }
  return groups.map((group) => group.reduce((sum, value) => sum + value, 0) / group.length);
}

/** Fewest Chebyshev rounds that leave at most `tolerance`, capped: 1 / T_K(centre / radius) on [μ_min, μ_max]. */
function degreeFor(tolerance: number, slownesses: readonly number[]): number {
  const { centre, radius } = intervalOf(slownesses);
  if (radius === 0) return 1;
  const degree = Math.ceil(Math.acosh(1 / tolerance) / Math.acosh(centre / radius));
  return Math.min(degree, MAX_CLOSING_ROUNDS);
}

/** The roots of the Chebyshev polynomial of this degree on [μ_min, μ_max]. */
function chebyshevRoots(degree: number, slownesses: readonly number[]): number[] {
  const { centre, radius } = intervalOf(slownesses);
  return Array.from(
    { length: degree },
    (_, k) => centre + radius * Math.cos((Math.PI * (2 * k + 1)) / (2 * degree)),
  );
}

/** Middle and half the length of the interval that ascending values span. */
function intervalOf(values: readonly number[]): { centre: number; radius: number } {
  const [lowest, highest] = [values[0]!, values.at(-1)!];
  return { centre: (highest + lowest) / 2, radius: (highest - lowest) / 2 };
}

/** Each value after the first (the largest) is the one whose product of distances to those before is greatest. */
function inLejaOrder(values: readonly number[]): number[] {
  const left = values.map((value) => ({ value, logDistances: Math.log(value) }));
  const ordered: number[] = [];
  while (left.length > 0) {
    let best = 0;
    for (let k = 1; k < left.length; k++) {
      // Only a clear lead counts, so that ties fall the same way on every machine.
      if (left[k]!.logDistances > left[best]!.logDistances + 1e-9) best = k;
    }
    const { value } = left[best]!;
    left.splice(best, 1);
    for (const other of left) {
      const distance = Math.log(Math.abs(other.value - value));
      other.logDistances = ordered.length === 0 ? distance : other.logDistances + distance;
    }
    ordered.push(value);
  }
  return ordered;
}
