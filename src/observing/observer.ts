/**
 * What one peer can infer about the run from its own state and its neighbours' payloads. Nothing is added to the wire.
 *
 * One compressed payload is a poor picture of the neighbour's model, but error feedback telescopes: over T rounds
 *
 *     (1/T) Σ_t q_j(t) = (1/T) Σ_t x_j(t) + (δ_j(0) − δ_j(T)) / T
 *
 * so the mean of T payloads shows the model with the compression error divided by T. The observer takes one neighbour
 * after another and averages q_j − q over T rounds: two additions per round and one vector of the model's size.
 *
 * The estimate of (1/n) Σ_i ‖x_i − x̄‖² assumes that models scatter independently around their mean. Averaging also
 * removes the noise that compression put into the models in the last exchange, η Σ_j w_ij (δ_i − δ_j); the first of the
 * T payloads shows how large that is. With s = Σ_j w_ij, r = Σ_j w_ij², m the squared norm of the first q_j − q and d²
 * that of the mean, both averaged over the neighbours:
 *
 *     C_i = d²/2 + (m − d²)/2 · η²(s² + r) / ((1 + ηs)² + η²r + 1)
 *
 * It is good to a factor of about two while ‖δ‖ stays within a few times ‖x‖. On sparse graphs it is low: the mean of
 * Σ_j w_ij d_ij² / 2 over all peers is between (1 − λ₂) and (1 − λ_n) times the consensus distance.
 *
 * Algorithms whose state shows the neighbours' models (`Algorithm.observe`) are asked instead.
 */
import type { Algorithm, AlgorithmKind, Sighting } from "../algorithm.js";
import type { Compressor } from "../compressor.js";
import type { Settled } from "../exchange/settlement.js";
import { lowerMedian } from "../foundation/median.js";
import type { Neighbour } from "../graphs/mixing.js";
import type { State } from "../vectors/state.js";
import type { VectorSpace } from "../vectors/vector.js";

/** T: rounds over which one neighbour's messages are averaged. */
export const OBSERVED_ROUNDS = 16;
/** Longest model whose payloads are averaged: for longer ones the observer's vector would cost too much. */
export const MAX_OBSERVED_LENGTH = 1 << 22;
/** From this length on, payloads are averaged in one of four spans of T rounds only: each takes two additions a round. */
export const SPARSE_LENGTH = 1 << 16;
const REST_ROUNDS = 3 * OBSERVED_ROUNDS;
/** A neighbour further away than this many times the median of the others is said to drift. */
export const DRIFT_FACTOR = 3;

export interface Observation {
  /** The neighbour whose messages were averaged over the last rounds, and how far its model is from this peer's. */
  readonly observed?: { readonly neighbour: number; readonly distance: number };
  /** This peer's own estimate of (1/n) Σ_i ‖x_i − x̄‖². */
  readonly consensusEstimate?: number;
  /** What the user should know, one line each. */
  readonly warnings?: readonly string[];
}

export interface Observer {
  /** What later observations depend on. */
  readonly state: State;
  /** What has settled in a step of the round. */
  see(settled: readonly Settled[]): void;
  /**
   * The round is over.
   *
   * @param consensusRate η
   */
  conclude(consensusRate: number): Observation;
}

export interface ObserverOptions {
  readonly neighbours: readonly Neighbour[];
  readonly length: number;
  readonly space: VectorSpace;
  readonly kind: AlgorithmKind;
  readonly algorithm: Algorithm;
  readonly compressor: Compressor;
}

export function createObserver(options: ObserverOptions): Observer {
  const { algorithm, neighbours } = options;
  const scalars: Record<string, number> = {};
  const reader = algorithm.observe
    ? createStateReader(() => algorithm.observe!(), neighbours, scalars)
    : createPayloadReader(options, scalars);
  return {
    state: { vectors: reader?.vectors ?? {}, scalars },
    see: (settled) => reader?.see(settled),
    conclude: (consensusRate) => reader?.conclude(consensusRate) ?? {},
  };
}

/** What an observer remembers, by name; 0 where nothing is set. */
type Scalars = Record<string, number>;

interface Reader {
  readonly vectors: State["vectors"];
  see(settled: readonly Settled[]): void;
  conclude(consensusRate: number): Observation;
}

/** What is known of one neighbour. */
interface Seen {
  /** ‖q_j − q‖² of one round. */
  readonly single: number;
  /** ‖q_j − q‖² of the mean of T rounds. */
  readonly averaged: number;
}

/** Averages one neighbour's payloads after another; undefined where payloads do not show models, or cost too much. */
function createPayloadReader(
  { neighbours, length, space, kind, compressor }: ObserverOptions,
  scalars: Scalars,
): Reader | undefined {
  const isReadable = kind.sends === "model" && kind.extraPayloadBytes === undefined && !kind.parts;
  if (!isReadable || length > MAX_OBSERVED_LENGTH || neighbours.length === 0) return undefined;
  const { kernels } = space;
  const difference = space.vector(length);
  const squaredNorm = () => kernels.sumOfSquares(difference.byteOffset, length);
  const drift = createDriftWatch(neighbours, scalars);
  const now = Object.assign(scalars, { current: 0, rounds: 0, payloads: 0, single: 0, resting: 0 });
  const seenOf = ({ peer }: Neighbour): Seen | undefined => {
    const averaged = scalars[`averaged ${peer}`];
    return averaged === undefined ? undefined : { single: scalars[`single ${peer}`]!, averaged };
  };

  const start = (neighbour: number) => {
    now.current = neighbour;
    now.rounds = 0;
    difference.fill(0);
  };

  return {
    vectors: { difference },
    see(settled) {
      if (now.resting > 0) return;
      const pair = settled.find(({ edge }) => edge.peer === neighbours[now.current]!.peer);
      if (!pair) return;
      compressor.addTo(difference, pair.theirs, 1);
      compressor.addTo(difference, pair.own, -1);
      now.payloads++;
    },
    conclude(consensusRate) {
      if (now.resting > 0) {
        now.resting--;
        return {};
      }
      const isWhole = now.payloads === kind.steps;
      now.payloads = 0;
      if (!isWhole) {
        // A gap in the payloads breaks the telescope.
        start((now.current + 1) % neighbours.length);
        return {};
      }
      if (now.rounds === 0) now.single = squaredNorm();
      now.rounds++;
      if (now.rounds < OBSERVED_ROUNDS) return {};

      if (length >= SPARSE_LENGTH) now.resting = REST_ROUNDS;
      const observed = now.current;
      const { peer } = neighbours[observed]!;
      const averaged = squaredNorm() / now.rounds ** 2;
      scalars[`single ${peer}`] = now.single;
      scalars[`averaged ${peer}`] = averaged;
      start((observed + 1) % neighbours.length);
      const seen = neighbours.map(seenOf);
      const distances = seen.map((each) => each && Math.sqrt(each.averaged));
      const warnings = drift(observed, distances);
      return {
        observed: { neighbour: peer, distance: Math.sqrt(averaged) },
        consensusEstimate: estimate(neighbours, seen, consensusRate),
        ...(warnings.length > 0 && { warnings }),
      };
    },
  };
}

/** Asks the algorithm's state once in T rounds. */
function createStateReader(
  observe: () => Sighting,
  neighbours: readonly Neighbour[],
  scalars: Scalars,
): Reader {
  const drift = createDriftWatch(neighbours, scalars);
  const now = Object.assign(scalars, { rounds: 0 });
  return {
    vectors: {},
    see() {},
    conclude() {
      now.rounds++;
      if (now.rounds % OBSERVED_ROUNDS !== 0 || neighbours.length === 0) return {};
      const { distances, warnings: own = [], ...seen } = observe();
      const drifting = distances ? neighbours.flatMap((_, k) => drift(k, distances)) : [];
      const consensus = seen.consensus ?? (distances && halfMeanSquare(neighbours, distances));
      const warnings = [...own, ...drifting];
      return {
        ...(consensus !== undefined && { consensusEstimate: consensus }),
        ...(warnings.length > 0 && { warnings }),
      };
    },
  };
}

/** Σ_j w_ij d_ij² / 2Σ_j w_ij: models that scatter independently around their mean lie √2 times as far apart. */
function halfMeanSquare(neighbours: readonly Neighbour[], distances: readonly number[]): number {
  const { sum } = weightSums(neighbours);
  return (
    neighbours.reduce((total, { weight }, k) => total + weight * (distances[k] ?? 0) ** 2, 0) / (2 * sum)
  );
}

/** The peer that a warning says drifts. */
export function driftingPeer(warning: string): number | undefined {
  const peer = /^peer (\d+) drifts: /.exec(warning)?.[1];
  return peer === undefined ? undefined : Number(peer);
}

/** Warns of a neighbour that is far away twice in a row, and then not again until it came back. */
function createDriftWatch(neighbours: readonly Neighbour[], scalars: Scalars) {
  return (observed: number, distances: readonly (number | undefined)[]): string[] => {
    const distance = distances[observed]!;
    const usual = lowerMedian(
      distances.flatMap((other, k) => (other !== undefined && k !== observed ? other : [])),
    );
    const isFar = usual > 0 && distance > DRIFT_FACTOR * usual;
    const { peer } = neighbours[observed]!;
    const timesFar = isFar ? (scalars[`far ${peer}`] ?? 0) + 1 : 0;
    scalars[`far ${peer}`] = timesFar;
    return timesFar === 2
      ? [
          `peer ${peer} drifts: its model is ${(distance / usual).toFixed(1)} times as far away as the other neighbours'`,
        ]
      : [];
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
