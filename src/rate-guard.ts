/**
 * Lowers η on a peer's edges while exchanges drive models apart, so that a rate that is too large costs rounds and not the run.
 * A rate is halved, and stays so. Frames carry how often a peer has halved it, and a pair settles with the rate of the end
 * that halved it more often: the same at both, so the mean stays exact.
 *
 * The sign is growth by a factor, window after window, of ‖δ‖ or of ‖x‖: gossip at a stable rate shortens what it mixes, growth
 * towards a steady residual slows down, and training does not multiply a model in a few rounds.
 */
import type { AlgorithmKind } from "./algorithm.js";
import { MAX_HALVINGS } from "./exchange/frame.js";
import type { State } from "./vectors/state.js";

/** When a norm counts as growing without end: from window to window by a factor, this many times in a row. */
export interface Growth {
  /** Rounds of a window, over which the norm is averaged. */
  readonly rounds: number;
  readonly factor: number;
  readonly times: number;
}

/** The first windows do not count: the residual starts at 0. */
export const WARM_UP_WINDOWS = 2;
/** Of ‖x‖. Training moves it slowly from what it starts with; gossip at too large a rate multiplies it. */
export const MODEL_GROWTH: Growth = { rounds: 8, factor: 1.3, times: 3 };
/** Of ‖δ‖, soon after the beginning. Growth in a line, as towards a steady residual, is below it. */
export const RESIDUAL_GROWTH: Growth = { rounds: 16, factor: 1.4, times: 3 };
/** Of ‖δ‖, where it grows for long. */
export const SLOW_RESIDUAL_GROWTH: Growth = { rounds: 32, factor: 1.3, times: 4 };

/** Norms after a round. */
export interface Norms {
  readonly model: number;
  readonly residual: number;
}

export interface RateGuard {
  readonly state: State;
  /** How often this peer has halved η. */
  halvings(): number;
  /**
   * A learning round is over.
   *
   * @param consensusRate η of the round, before any halving
   * @returns what the user should know
   */
  conclude(norms: Norms, consensusRate: number): readonly string[];
}

/** Whether η may differ from edge to edge. Where an algorithm adds up what all edges brought, it may not. */
export function isGuarded({ needs, usesRate }: AlgorithmKind): boolean {
  return usesRate && !needs.everyEdge && needs.graph === "symmetric";
}

/** Whether a warning is a rate guard's. */
export function isRateWarning(warning: string): boolean {
  return /^consensus rate η = \S+ is too large: /.test(warning);
}

/** A norm that is watched, and the names of what is remembered of it. */
interface Watched {
  readonly of: keyof Norms;
  readonly growth: Growth;
  readonly sum: string;
  readonly seen: string;
  readonly windows: string;
  readonly means: readonly string[];
}

function watch(of: keyof Norms, growth: Growth): Watched {
  const name = `${of} ${growth.rounds}`;
  const means = Array.from({ length: growth.times + 1 }, (_, k) => `${name} mean ${k}`);
  return {
    ...{ of, growth, means },
    ...{ sum: `${name} sum`, seen: `${name} rounds`, windows: `${name} windows` },
  };
}

const watched: readonly Watched[] = [
  watch("model", MODEL_GROWTH),
  watch("residual", RESIDUAL_GROWTH),
  watch("residual", SLOW_RESIDUAL_GROWTH),
];

export function createRateGuard(kind: AlgorithmKind): RateGuard {
  const scalars: Scalars = { halvings: 0 };
  const isActive = isGuarded(kind);
  const watches = watched.map((each) => ({
    of: each.of,
    growth: each.growth,
    ...createWatch(each, scalars),
  }));
  return {
    state: { vectors: {}, scalars },
    halvings: () => scalars.halvings!,
    conclude(norms, consensusRate) {
      let first: (typeof watches)[number] | undefined;
      let grown = 0;
      for (const watch of watches) {
        const factor = watch.see(norms[watch.of]);
        if (factor === undefined || first) continue;
        first = watch;
        grown = factor;
      }
      if (!first) return none;
      for (const { restart } of watches) restart();
      const { of, growth } = first;
      const rate = consensusRate / 2 ** scalars.halvings!;
      const canLower = isActive && scalars.halvings! < MAX_HALVINGS;
      if (canLower) scalars.halvings!++;
      const done = canLower
        ? `the rate guard halves it to ${rate / 2} on the peer's edges; set a lower consensus rate`
        : "halve the consensus rate";
      const less = kind.compresses ? " or compress less" : "";
      return [
        `consensus rate η = ${rate} is too large: the norm of the ${of} grew ${grown.toFixed(1)} times in ${growth.rounds * growth.times} rounds; ${done}${less}`,
      ];
    },
  };
}

const none: readonly never[] = [];

/** What a guard remembers, by name. */
type Scalars = Record<string, number>;

/** Detects a norm that grows without bound. */
function createWatch({ growth, sum, seen, windows, means }: Watched, scalars: Scalars) {
  const { rounds, factor, times } = growth;
  const restart = (): void => {
    for (const each of [sum, seen, ...means]) scalars[each] = 0;
  };
  restart();
  scalars[windows] = 0;
  return {
    /** Forgets earlier windows. */
    restart,
    /** @returns the factor by which the norm grew, in a round in which it is clear that it does so without end */
    see(norm: number): number | undefined {
      scalars[sum]! += norm;
      if (++scalars[seen]! < rounds) return undefined;
      const mean = scalars[sum]! / rounds;
      scalars[sum] = 0;
      scalars[seen] = 0;
      if (scalars[windows]!++ < WARM_UP_WINDOWS) return undefined;
      for (let k = 0; k < times; k++) scalars[means[k]!] = scalars[means[k + 1]!]!;
      scalars[means[times]!] = mean;
      for (let k = 0; k < times; k++) {
        const before = scalars[means[k]!]!;
        if (before === 0 || scalars[means[k + 1]!]! <= factor * before) return undefined;
      }
      return mean / scalars[means[0]!]!;
    },
  };
}
