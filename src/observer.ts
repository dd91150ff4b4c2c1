/**
 * What one peer can tell about the run from its own state and its neighbours' messages, with no server and
 * nothing added to the wire.
 *
 * A single compressed message is a poor picture of the neighbour's model. But error feedback telescopes: over
 * T rounds
 *
 *     (1/T) Σ_t q_j(t) = (1/T) Σ_t x_j(t) + (δ_j(0) − δ_j(T)) / T
 *
 * so the mean of T messages shows the model with the compression error divided by T. The observer takes one
 * neighbour after another and averages q_j − q over T rounds: two additions per round and one vector of the
 * model's size.
 *
 * From these follows an estimate of (1/n) Σ_i ‖x_i − x̄‖², taking it that the models scatter independently around
 * their mean. Averaging also removes the noise that compression put into the models themselves in the last
 * exchange, η Σ_j w_ij (δ_i − δ_j); the first message of the T tells how large that is. With s = Σ_j w_ij,
 * r = Σ_j w_ij², m the squared norm of the first q_j − q and d² that of the mean, both averaged over the neighbours:
 *
 *     C_i = d²/2 + (m − d²)/2 · η²(s² + r) / ((1 + ηs)² + η²r + 1)
 *
 * It is good to a factor of about two while ‖δ‖ stays within a few times ‖x‖; a compressor with a longer memory than T
 * rounds (top-k of few numbers) leaves (δ_i(0) − δ_i(T)) / T in it, and the estimate is high.
 * On sparse graphs neighbours lie closer together than strangers and the estimate is low: by the graph's spectrum
 * the mean of Σ_j w_ij d_ij² / 2 over all peers is between (1 − λ₂) and (1 − λ_n) times the consensus distance.
 *
 * CHOCO sends differences, not models; it keeps Σ_j w_ij (x̂_j − x̂) anyway, whose squared norm is
 * (s² + r) times the consensus distance in the same sense.
 */
import type { Algorithm } from "./algorithm.js";
import type { Compressor } from "./compressor.js";
import type { Neighbour } from "./mixing.js";
import type { Vector, VectorSpace } from "./vector.js";

/** T: rounds over which one neighbour's messages are averaged. */
export const OBSERVED_ROUNDS = 16;
/** A neighbour further away than this many times the median of the others is said to drift. */
export const DRIFT_FACTOR = 3;
/** Rounds over which the norm of the residual is averaged before it is compared. */
export const RESIDUAL_ROUNDS = 32;
/** The first windows do not count: the residual starts at 0. */
export const RESIDUAL_WARM_UP = 2;
/** The residual grows without end when it grew by this factor from window to window … */
export const RESIDUAL_GROWTH = 1.25;
/** … so many times in a row. Growth towards a steady residual slows down and does not get there. */
export const RESIDUAL_WINDOWS = 4;

export interface Observation {
  /** The neighbour whose messages were averaged over the last rounds, and how far its model is from this peer's. */
  readonly observed?: { readonly neighbour: number; readonly distance: number };
  /** This peer's own estimate of (1/n) Σ_i ‖x_i − x̄‖². */
  readonly consensusEstimate?: number;
  /** What the user should know, one line each. */
  readonly warnings?: readonly string[];
}

export interface Observer {
  /**
   * To be called after every exchange that learned.
   *
   * @param own the payload this peer sent
   * @param heard the neighbours' payloads in the order of the neighbours, undefined where none arrived
   * @param residualNorm ‖δ‖
   * @param consensusRate η
   */
  observe(
    own: Uint8Array,
    heard: readonly (Uint8Array | undefined)[],
    residualNorm: number,
    consensusRate: number,
  ): Observation;
}

export interface ObserverOptions {
  readonly neighbours: readonly Neighbour[];
  readonly length: number;
  readonly space: VectorSpace;
  readonly algorithm: Algorithm;
  readonly compressor: Compressor;
}

export function createObserver({
  neighbours,
  length,
  space,
  algorithm,
  compressor,
}: ObserverOptions): Observer {
  const residual = createResidualWatch();
  const { disagreement } = algorithm.state;
  const read = disagreement
    ? createDisagreementReader(disagreement, neighbours, space)
    : createDistanceReader(neighbours, space.vector(length), space, compressor);
  return {
    observe(own, heard, residualNorm, consensusRate) {
      const seen = read(own, heard, consensusRate);
      const growth = residual(residualNorm);
      const warnings = [...(seen.warnings ?? [])];
      if (growth !== undefined) {
        warnings.push(
          `η = ${consensusRate} is too large for this compressor: the residual grows, ${growth.toFixed(1)} times in ${RESIDUAL_WINDOWS * RESIDUAL_ROUNDS} rounds; halve the consensus rate or compress less`,
        );
      }
      return { ...seen, ...(warnings.length > 0 && { warnings }) };
    },
  };
}

type Reader = (
  own: Uint8Array,
  heard: readonly (Uint8Array | undefined)[],
  consensusRate: number,
) => Observation;

/** What is known of one neighbour. */
interface Seen {
  /** ‖q_j − q‖² of one message. */
  readonly single: number;
  /** ‖q_j − q‖² of the mean of T messages. */
  readonly averaged: number;
}

/** Averages one neighbour's messages after another. */
function createDistanceReader(
  neighbours: readonly Neighbour[],
  difference: Vector,
  { kernels }: VectorSpace,
  compressor: Compressor,
): Reader {
  const { byteOffset, length } = difference;
  const squaredNorm = () => kernels.sumOfSquares(byteOffset, length);
  const seen: (Seen | undefined)[] = neighbours.map(() => undefined);
  const timesFar = neighbours.map(() => 0);
  let current = 0;
  let rounds = 0;
  let single = 0;

  const start = (neighbour: number) => {
    current = neighbour;
    rounds = 0;
    difference.fill(0);
  };

  return (own, heard, consensusRate) => {
    const payload = heard[current];
    if (!payload) {
      // A gap in the messages breaks the telescope.
      if (neighbours.length > 0) start((current + 1) % neighbours.length);
      return {};
    }
    compressor.addTo(difference, payload, 1);
    compressor.addTo(difference, own, -1);
    if (rounds === 0) single = squaredNorm();
    rounds++;
    if (rounds < OBSERVED_ROUNDS) return {};

    const observed = current;
    const averaged = squaredNorm() / rounds ** 2;
    const distance = Math.sqrt(averaged);
    seen[observed] = { single, averaged };
    start((observed + 1) % neighbours.length);

    const usual = median(
      seen.flatMap((other, k) => (other && k !== observed ? Math.sqrt(other.averaged) : [])),
    );
    const isFar = usual !== undefined && usual > 0 && distance > DRIFT_FACTOR * usual;
    timesFar[observed] = isFar ? timesFar[observed]! + 1 : 0;
    const { peer } = neighbours[observed]!;
    return {
      observed: { neighbour: peer, distance },
      consensusEstimate: estimate(neighbours, seen, consensusRate),
      // Once is chance; twice in a row is told, and then not again until it came back.
      ...(timesFar[observed] === 2 && {
        warnings: [
          `peer ${peer} drifts: its model is ${(distance / usual!).toFixed(1)} times as far away as the other neighbours'`,
        ],
      }),
    };
  };
}

/** C_i from the neighbours seen so far. */
function estimate(
  neighbours: readonly Neighbour[],
  seen: readonly (Seen | undefined)[],
  consensusRate: number,
): number {
  const { sum, squares } = weightSums(neighbours);
  let single = 0;
  let averaged = 0;
  let weights = 0;
  for (const [k, { weight }] of neighbours.entries()) {
    single += weight * (seen[k]?.single ?? 0);
    averaged += weight * (seen[k]?.averaged ?? 0);
    weights += seen[k] ? weight : 0;
  }
  if (weights === 0) return 0;
  const passedOn = consensusRate ** 2 * (sum ** 2 + squares);
  const sent = (1 + consensusRate * sum) ** 2 + consensusRate ** 2 * squares + 1;
  const noise = Math.max(0, single - averaged);
  return (averaged + (noise * passedOn) / sent) / (2 * weights);
}

function weightSums(neighbours: readonly Neighbour[]) {
  return {
    sum: neighbours.reduce((total, { weight }) => total + weight, 0),
    squares: neighbours.reduce((total, { weight }) => total + weight ** 2, 0),
  };
}

/** Reads the disagreement that the algorithm keeps itself. */
function createDisagreementReader(
  { byteOffset, length }: Vector,
  neighbours: readonly Neighbour[],
  { kernels }: VectorSpace,
): Reader {
  const { sum, squares } = weightSums(neighbours);
  let rounds = 0;
  return () => {
    rounds++;
    if (rounds % OBSERVED_ROUNDS !== 0 || neighbours.length === 0) return {};
    return { consensusEstimate: kernels.sumOfSquares(byteOffset, length) / (sum ** 2 + squares) };
  };
}

/** The factor by which the residual grew, in the round in which it is clear that it grows without end. */
function createResidualWatch(): (norm: number) => number | undefined {
  const means: number[] = [];
  let windows = 0;
  let sum = 0;
  let rounds = 0;
  return (norm) => {
    sum += norm;
    rounds++;
    if (rounds < RESIDUAL_ROUNDS) return undefined;
    if (windows++ >= RESIDUAL_WARM_UP) means.push(sum / rounds);
    sum = 0;
    rounds = 0;
    if (means.length > RESIDUAL_WINDOWS + 1) means.shift();
    if (means.length <= RESIDUAL_WINDOWS) return undefined;
    const grows = means.slice(1).every((mean, k) => means[k]! > 0 && mean > RESIDUAL_GROWTH * means[k]!);
    if (!grows) return undefined;
    const factor = means.at(-1)! / means[0]!;
    means.length = 0;
    return factor;
  };
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}
