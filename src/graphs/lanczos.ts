/**
 * Lanczos iterations on a large sparse W. All arithmetic is +, −, ×, ÷ and √ of float64, which every engine rounds alike,
 * and the start vector is a function of the number of peers: peers that compute a spectrum get the same bits.
 */
import { random } from "../foundation/random.js";
import type { Mixing } from "./mixing.js";

/** Iterations that `exceeds` makes: a small part of what exact extremes take. */
const SCREENING_STEPS = 24;

/** How far λ₂ and λ_n may be off. */
export const EXTREME_ACCURACY = 1e-10;

/** An off-diagonal number below this says that the iterations have found everything there is to find. */
const EXHAUSTED = 1e-13;

/** Iterations before the first look at the extremes … */
const FIRST_LOOK = 16;
/** … and how much they grow between two looks. */
const LOOK_GROWTH = 1.2;

/** Inverse iterations that find an eigenvector of T whose eigenvalue is known. */
const INVERSE_ITERATIONS = 2;

/** Iterations per peer at most: in exact arithmetic n − 1 of them find every eigenvalue. */
const STEPS_PER_PEER = 4;

/** T of W·Q = Q·T + rest, with Q's columns orthonormal in exact arithmetic; the disagreements of W alone. */
export interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** One fewer than there are on the diagonal. */
  readonly offDiagonal: Float64Array;
}

export interface Extremes {
  /** λ₂, up to `EXTREME_ACCURACY` */
  readonly second: number;
  /** λ_n, up to `EXTREME_ACCURACY` */
  readonly smallest: number;
  /** Of all iterations that it took. */
  readonly tridiagonal: Tridiagonal;
}

/** Rows of a sparse symmetric W: compressed, without the diagonal. */
interface Rows {
  readonly size: number;
  /** Where each row begins among the columns, and where the last one ends. */
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly weights: Float64Array;
  readonly diagonal: Float64Array;
}

/**
 * The extreme eigenvalues of W but the first. The iterations start from a random vector and stay orthogonal to the
 * constant vector, the eigenvector of 1. They are not orthogonalised against each other: what rounding brings back are
 * copies of eigenvalues that were found, which leave the extremes as they are (Paige 1980). So memory is O(edges), and a
 * step is one product with W.
 *
 * @param mixing undirected and connected, with three peers or more that have edges
 * @see Paige 1980, “Accuracy and effectiveness of the Lanczos algorithm for the symmetric eigenproblem”;
 *   Parlett 1998, “The Symmetric Eigenvalue Problem”, ch. 13
 */
export function extremesOf(mixing: Mixing): Extremes {
  const rows = rowsOf(mixing);
  const most = STEPS_PER_PEER * rows.size;
  const iteration = createIteration(rows);
  let second: number | undefined;
  let smallest: number | undefined;
  for (let look = FIRST_LOOK; ; look = Math.ceil(LOOK_GROWTH * look)) {
    while (iteration.steps() < Math.min(look, most) && !iteration.isExhausted()) iteration.step();
    const tridiagonal = iteration.tridiagonal();
    const isLast = iteration.isExhausted() || iteration.steps() >= most;
    // Whichever end is found first is kept: copies of it spoil its residual later.
    second ??= largestOf(tridiagonal, 1, iteration.rest(), isLast);
    smallest ??= largestOf(tridiagonal, -1, iteration.rest(), isLast);
    if (second === undefined || smallest === undefined) continue;
    return { second: Math.min(1, second), smallest: -smallest, tridiagonal };
  }
}

/**
 * Whether a few iterations show a disagreement with |λ| above a bound: T's eigenvalues lie among those of W. False says
 * nothing.
 *
 * @param mixing undirected and connected
 */
export function exceeds(mixing: Mixing, bound: number): boolean {
  const rows = rowsOf(mixing);
  if (rows.size < 3) return false;
  const iteration = createIteration(rows);
  while (iteration.steps() < SCREENING_STEPS && !iteration.isExhausted()) {
    iteration.step();
    const tridiagonal = iteration.tridiagonal();
    if (!isAbove(tridiagonal, 1, bound) || !isAbove(tridiagonal, -1, bound)) return true;
  }
  return false;
}

interface Iteration {
  step(): void;
  steps(): number;
  /** Size of what the iterations so far leave over. */
  rest(): number;
  /** Whether the iterations so far have found everything there is to find. */
  isExhausted(): boolean;
  tridiagonal(): Tridiagonal;
}

function createIteration(rows: Rows): Iteration {
  const { size } = rows;
  const diagonal: number[] = [];
  const offDiagonal: number[] = [];
  let before = new Float64Array(size);
  let current = startVector(size);
  let next = new Float64Array(size);
  let last = 0;
  return {
    step() {
      if (diagonal.length > 0) {
        offDiagonal.push(last);
        for (let k = 0; k < size; k++) next[k]! /= last;
        [before, current, next] = [current, next, before];
      }
      multiply(rows, current, next);
      const own = dot(current, next);
      diagonal.push(own);
      let sum = 0;
      for (let k = 0; k < size; k++) sum += next[k]! -= own * current[k]! + last * before[k]!;
      last = Math.sqrt(removeMean(next, sum / size));
    },
    steps: () => diagonal.length,
    rest: () => last,
    isExhausted: () => diagonal.length > 0 && last < EXHAUSTED,
    tridiagonal: () => ({
      diagonal: Float64Array.from(diagonal),
      offDiagonal: Float64Array.from(offDiagonal),
    }),
  };
}

/** ‖(I − T)⁻¹ e₁‖²: the mean of (1 − λ)⁻² over eigenvalues, weighed by the start vector's share of each. */
export function meanSquareSlowness(tridiagonal: Tridiagonal): number {
  const first = new Float64Array(tridiagonal.diagonal.length);
  first[0] = 1;
  solve(tridiagonal, 1, 1, first);
  return dot(first, first);
}

/** W of the peers that have edges: one that has left a running graph is not counted. */
function rowsOf({ neighbours }: Mixing): Rows {
  const present = neighbours.flatMap((edges, peer) => (edges.length > 0 ? peer : []));
  const places = new Int32Array(neighbours.length);
  for (const [place, peer] of present.entries()) places[peer] = place;
  const size = present.length;
  const ends = present.reduce((sum, peer) => sum + neighbours[peer]!.length, 0);
  const rows = {
    ...{ size, starts: new Int32Array(size + 1), diagonal: new Float64Array(size) },
    ...{ columns: new Int32Array(ends), weights: new Float64Array(ends) },
  };
  let end = 0;
  for (const [row, peer] of present.entries()) {
    let rest = 1;
    for (const { peer: other, weight } of neighbours[peer]!) {
      rows.columns[end] = places[other]!;
      rows.weights[end++] = weight;
      rest -= weight;
    }
    rows.diagonal[row] = rest;
    rows.starts[row + 1] = end;
  }
  return rows;
}

/** out ← W·vector */
function multiply(
  { size, starts, columns, weights, diagonal }: Rows,
  vector: Float64Array,
  out: Float64Array,
) {
  for (let row = 0; row < size; row++) {
    let sum = diagonal[row]! * vector[row]!;
    const end = starts[row + 1]!;
    for (let k = starts[row]!; k < end; k++) sum += weights[k]! * vector[columns[k]!]!;
    out[row] = sum;
  }
}

function startVector(size: number): Float64Array<ArrayBuffer> {
  const draws = random(0, "lanczos", size);
  const vector = Float64Array.from({ length: size }, (_, k) => draws.uniform(k) - 0.5);
  const mean = vector.reduce((sum, value) => sum + value, 0) / size;
  const norm = Math.sqrt(removeMean(vector, mean));
  return vector.map((value) => value / norm);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

/** @returns the squared norm of what is left */
function removeMean(vector: Float64Array, mean: number): number {
  let squares = 0;
  for (let k = 0; k < vector.length; k++) {
    const value = vector[k]! - mean;
    vector[k] = value;
    squares += value * value;
  }
  return squares;
}

/**
 * The largest eigenvalue of ±T, by bisection; undefined where W has none within `EXTREME_ACCURACY`, unless this is the
 * last look.
 *
 * @param rest size of what the iterations leave over: times the last number of T's eigenvector, that of the residual
 */
function largestOf(
  tridiagonal: Tridiagonal,
  sign: 1 | -1,
  rest: number,
  isLast: boolean,
): number | undefined {
  let [low, high] = [-2, 2];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (isAbove(tridiagonal, sign, middle)) high = middle;
    else low = middle;
  }
  if (isLast) return high;
  const vector = new Float64Array(tridiagonal.diagonal.length).fill(1);
  for (let k = 0; k < INVERSE_ITERATIONS; k++) {
    solve(tridiagonal, sign, high, vector);
    const norm = Math.sqrt(dot(vector, vector));
    for (let i = 0; i < vector.length; i++) vector[i]! /= norm;
  }
  return rest * Math.abs(vector.at(-1)!) <= EXTREME_ACCURACY ? high : undefined;
}

/** Whether θ is above every eigenvalue of ±T: all pivots of θI ∓ T are positive. */
function isAbove({ diagonal, offDiagonal }: Tridiagonal, sign: 1 | -1, theta: number): boolean {
  let pivot = theta - sign * diagonal[0]!;
  for (let k = 1; k < diagonal.length; k++) {
    if (!(pivot > 0)) return false;
    const off = offDiagonal[k - 1]!;
    pivot = theta - sign * diagonal[k]! - (off * off) / pivot;
  }
  return pivot > 0;
}

/** x ← (θI ∓ T)⁻¹ x, by elimination without pivoting: θ is above every eigenvalue of ±T. */
function solve({ diagonal, offDiagonal }: Tridiagonal, sign: 1 | -1, theta: number, x: Float64Array): void {
  const length = diagonal.length;
  const pivots = new Float64Array(length);
  pivots[0] = theta - sign * diagonal[0]!;
  for (let k = 1; k < length; k++) {
    const factor = (sign * offDiagonal[k - 1]!) / pivots[k - 1]!;
    pivots[k] = theta - sign * diagonal[k]! - factor * sign * offDiagonal[k - 1]!;
    x[k]! += factor * x[k - 1]!;
  }
  x[length - 1]! /= pivots[length - 1]!;
  for (let k = length - 2; k >= 0; k--) {
    x[k] = (x[k]! + sign * offDiagonal[k]! * x[k + 1]!) / pivots[k]!;
  }
}
