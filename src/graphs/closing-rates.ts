/** The consensus rates after which all peers hold the mean model. */
import { InvalidExperiment } from "../foundation/errors.js";
import type { Mixing } from "./mixing.js";
import { type Spectrum, spectrum } from "./spectrum.js";

/** Most rounds a closing consensus takes. */
export const MAX_CLOSING_ROUNDS = 256;

/** What a closing consensus of automatic length may leave of any disagreement. */
export const CLOSING_TOLERANCE = 1e-4;

/** Eigenvalues closer than this count as one; the decomposition is some 1e-15 off. */
const EIGENVALUE_TOLERANCE = 1e-9;

/** 2⁻²³, the spacing of float32 numbers at 1. */
const FLOAT32_EPSILON = 2 ** -23;

/** The rounds of a closing consensus. */
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
 * Where only λ₂ and λ_n are known, the rates are Chebyshev's, and the contraction is a bound for any spectrum between.
 *
 * @param spectrum of W
 * @param rounds 0 … `MAX_CLOSING_ROUNDS`, the most rounds to take. By default as many as make the average exact, or
 *   as leave `CLOSING_TOLERANCE` of any disagreement, whichever are fewer, and no more than `MAX_CLOSING_ROUNDS`
 * @throws InvalidExperiment `rounds` is out of range
 * @see Sundaram & Hadjicostis 2007, “Finite-time distributed consensus in graphs with time-invariant topologies”;
 *   Kibangou 2012, “Graph Laplacian based matrix design for finite-time distributed average consensus”;
 *   Golub & Varga 1961, “Chebyshev semi-iterative methods …”; Montijano, Montijano & Sagues 2013, “Chebyshev
 *   polynomials in distributed consensus applications”; Reichel 1990, “Newton interpolation at Leja points”
 */
export function closingRates(spectrum: Spectrum, rounds?: number): Closing {
  requireRounds(rounds);
  // In terms of μ = 1 − λ, a round multiplies by 1 − μ/μ_k.
  const { eigenvalues } = spectrum;
  if (!eigenvalues) return onInterval([1 - spectrum.second, 1 - spectrum.smallest], rounds);
  const slownesses = distinct(eigenvalues.slice(1).map((eigenvalue) => 1 - eigenvalue));
  if (slownesses.length === 0) return { rates: [], contraction: 0 };
  const chebyshevDegree = rounds ?? degreeFor(CLOSING_TOLERANCE, slownesses);
  if (slownesses.length <= chebyshevDegree) {
    const exact = withRoots(slownesses, slownesses);
    if (exact.contraction + exact.amplification * FLOAT32_EPSILON <= CLOSING_TOLERANCE) return exact;
  }
  return withRoots(chebyshevRoots(chebyshevDegree, slownesses), slownesses);
}

/** The same where only the extremes are known: Chebyshev rates, and the most that they leave anywhere in the interval. */
function onInterval(slownesses: readonly [number, number], rounds?: number): Closing {
  const degree = rounds ?? degreeFor(CLOSING_TOLERANCE, slownesses);
  const { rates, contraction } = withRoots(
    chebyshevRoots(degree, slownesses),
    // Where the polynomial is largest.
    degree === 0 ? slownesses : chebyshevPeaks(degree, slownesses),
  );
  return { rates, contraction };
}

/** @throws InvalidExperiment */
function requireRounds(rounds: number | undefined): void {
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 0 && rounds <= MAX_CLOSING_ROUNDS)) {
    throw new InvalidExperiment(
      `the number of closing rounds is ${rounds}: use a whole number from 0 to ${MAX_CLOSING_ROUNDS}`,
      { code: "closing-rounds", field: "closingRounds" },
    );
  }
}

/**
 * The closing consensus of a mixing. Of a sequence whose period gives the exact average, a period at η = 1 on its own
 * edges; of any other sequence, that of all its edges together.
 *
 * @param rounds as `closingRates` has it
 */
export function closingOf(mixing: Mixing, rounds?: number): Closing {
  const { sequence } = mixing;
  if (!sequence?.isExact) return closingRates(spectrum(mixing), rounds);
  requireRounds(rounds);
  const taken = Math.min(sequence.rounds, rounds ?? sequence.rounds);
  return {
    rates: Array.from({ length: taken }, () => 1),
    contraction: taken === sequence.rounds ? 0 : 1,
  };
}

/** The rounds with a root at each of these μ, and what they do to disagreements at these slownesses. */
function withRoots(
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

/** Where the magnitude of the Chebyshev polynomial of this degree is largest on [μ_min, μ_max]. */
function chebyshevPeaks(degree: number, slownesses: readonly number[]): number[] {
  const { centre, radius } = intervalOf(slownesses);
  return Array.from({ length: degree + 1 }, (_, k) => centre + radius * Math.cos((Math.PI * k) / degree));
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
