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
import { namedNumbers, type State } from "./vectors/state.js";

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

/** A norm that is watched. */
interface Watched {
  readonly of: keyof Norms;
  readonly growth: Growth;
  /** Where its numbers are among a guard's. */
  readonly first: number;
}

// Numbers of a watched norm; from MEANS on, those of its last windows, oldest first.
const SUM = 0;
const ROUNDS = 1;
const WINDOWS = 2;
const MEANS = 3;
/** The first of a guard's numbers. */
const HALVINGS = 0;

const growths: readonly Omit<Watched, "first">[] = [
  { of: "model", growth: MODEL_GROWTH },
  { of: "residual", growth: RESIDUAL_GROWTH },
  { of: "residual", growth: SLOW_RESIDUAL_GROWTH },
];

const nameOf = ({ of, growth }: Omit<Watched, "first">, what: string) => `${of} ${growth.rounds} ${what}`;
const meansOf = ({ growth }: Omit<Watched, "first">) =>
  Array.from({ length: growth.times + 1 }, (_, k) => `mean ${k}`);

/** Names of a guard's numbers in checkpoints. */
const names = [
  "halvings",
  ...growths.flatMap((each) =>
    ["sum", "rounds", "windows", ...meansOf(each)].map((what) => nameOf(each, what)),
  ),
];

const watched: readonly Watched[] = growths.map(({ of, growth }) => ({
  of,
  growth,
  first: names.indexOf(nameOf({ of, growth }, "sum")),
}));

export function createRateGuard(kind: AlgorithmKind): RateGuard {
  // Side by side: an object with so many names is a hash table, which every round would write to.
  const numbers = names.map(() => 0);
  const isActive = isGuarded(kind);
  return {
    state: {
      vectors: {},
      get scalars() {
        return namedNumbers(names, numbers);
      },
    },
    halvings: () => numbers[HALVINGS]!,
    conclude(norms, consensusRate) {
      let grown: Watched | undefined;
      let factor = 0;
      for (const each of watched) {
        const growth = see(numbers, each, norms[each.of]);
        if (growth === undefined || grown) continue;
        grown = each;
        factor = growth;
      }
      if (!grown) return none;
      for (const each of watched) restart(numbers, each);
      const { of, growth } = grown;
      const rate = consensusRate / 2 ** numbers[HALVINGS]!;
      const canLower = isActive && numbers[HALVINGS]! < MAX_HALVINGS;
      if (canLower) numbers[HALVINGS]!++;
      const done = canLower
        ? `the rate guard halves it to ${rate / 2} on the peer's edges; set a lower consensus rate`
        : "halve the consensus rate";
      const less = kind.compresses ? " or compress less" : "";
      return [
        `consensus rate η = ${rate} is too large: the norm of the ${of} grew ${factor.toFixed(1)} times in ${growth.rounds * growth.times} rounds; ${done}${less}`,
      ];
    },
  };
}

const none: readonly never[] = [];

/** Forgets earlier windows. */
function restart(numbers: number[], { first, growth }: Watched): void {
  numbers[first + SUM] = 0;
  numbers[first + ROUNDS] = 0;
  numbers.fill(0, first + MEANS, first + MEANS + growth.times + 1);
}

/** @returns the factor by which the norm grew, in a round in which it is clear that it does so without end */
function see(numbers: number[], { first, growth }: Watched, norm: number): number | undefined {
  const { rounds, factor, times } = growth;
  numbers[first + SUM]! += norm;
  if (++numbers[first + ROUNDS]! < rounds) return undefined;
  const mean = numbers[first + SUM]! / rounds;
  numbers[first + SUM] = 0;
  numbers[first + ROUNDS] = 0;
  if (numbers[first + WINDOWS]!++ < WARM_UP_WINDOWS) return undefined;
  const means = first + MEANS;
  numbers.copyWithin(means, means + 1, means + times + 1);
  numbers[means + times] = mean;
  for (let k = means; k < means + times; k++) {
    const before = numbers[k]!;
    if (before === 0 || numbers[k + 1]! <= factor * before) return undefined;
  }
  return mean / numbers[means]!;
}
