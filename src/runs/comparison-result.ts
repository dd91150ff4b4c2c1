/** What is measured of a run of a comparison, and the figures that follow from it. */
import { ACCURACY, isBetter, type Metric } from "../evaluation.js";
import type { RunVerdict } from "../observing/verdict.js";

/** What a run has cost so far. */
export interface Cost {
  /** Rounds, closing included. */
  readonly rounds: number;
  /** Steps of the optimiser that a peer took. */
  readonly steps: number;
  /** Sent, mean over peers. */
  readonly bytes: number;
  /** Sum over rounds of what the peer sent that sent most. */
  readonly busiestBytes: number;
  /** Sum over rounds of the most messages that one peer sent to one neighbour. */
  readonly messages: number;
}

/** How good the models are on held-out data, by the metric that the task is judged by. */
export interface Standing {
  /** Of the worst peer. */
  readonly worst: number;
  /** Mean over peers. */
  readonly mean: number;
  /** Of the mean of the models. */
  readonly meanModel: number;
  /** Losses on held-out data: the largest of a peer, and that of the mean of the models. */
  readonly worstLoss: number;
  readonly meanModelLoss: number;
  /** (1/n) Σ_i ‖x_i − x̄‖² */
  readonly consensusDistance: number;
}

/** A round that evaluates. */
export interface Point extends Cost, Standing {
  /** Whether it belongs to the closing consensus. */
  readonly isClosing: boolean;
}

interface Named {
  readonly name: string;
  readonly seed: number;
  /** The cell's. */
  readonly key: string;
}

/** A run that came to its end. */
export interface Measured extends Named {
  /** Of the model. */
  readonly parameters: number;
  /** What the models are judged by; accuracy, a share in [0, 1], where left out. */
  readonly metric?: Metric;
  /** In the order of the rounds; empty where the loss alone says how good models are. */
  readonly points: readonly Point[];
  readonly total: Cost;
  /** How long it really took. */
  readonly seconds: number;
  /** Whether it is healthy, and why. Absent in results of earlier versions. */
  readonly verdict?: RunVerdict;
}

/** A run without a result. */
export interface Failed extends Named {
  /** Why: it is refused, or diverged. */
  readonly problem: string;
}

export type CellResult = Measured | Failed;

/** What modelled times depend on beside the rate: a comparison has both. */
export interface TimeModel {
  readonly stepMs: number;
  readonly latencyMs: number;
}

/**
 * Modelled time as a function of the rate r of every peer's uplink, in bits per second: `fixedSeconds` + `bits` / r.
 * Rounds are synchronous and nothing overlaps: the steps, then what the busiest peer sends, then the way of the last
 * message and of its confirmation. It is the time over a simulated network in which all peers and links are alike.
 */
export interface ModelledTime {
  readonly fixedSeconds: number;
  readonly bits: number;
}

/** Rates for which modelled times are shown, in bits per second. */
export const RATES = {
  "10 Mbit/s": 1e7,
  "100 Mbit/s": 1e8,
  "1 Gbit/s": 1e9,
  "10 Gbit/s": 1e10,
} as const;

export const secondsAt = ({ fixedSeconds, bits }: ModelledTime, rate: number): number =>
  fixedSeconds + bits / rate;

export function modelledTime(
  { steps, messages, busiestBytes }: Cost,
  { stepMs, latencyMs }: TimeModel,
): ModelledTime {
  return { fixedSeconds: (steps * stepMs + messages * 2 * latencyMs) / 1000, bits: 8 * busiestBytes };
}

/** Figures of one run. */
export interface Figures {
  /** After the last learning round; absent where the loss alone says how good models are. */
  readonly learned?: Standing;
  /** After closing; absent where the run does not close. */
  readonly closed?: Standing;
  readonly bitsPerParameterAndStep: number;
  /** The first evaluation at which every peer had reached the target. */
  readonly target?: Point;
}

export function figuresOf(
  { points, total, parameters, metric = ACCURACY }: Measured,
  target: number | undefined,
): Figures {
  const learned = points.findLast(({ isClosing }) => !isClosing);
  const closed = points.findLast(({ isClosing }) => isClosing);
  const reached =
    target === undefined
      ? undefined
      : points.find(({ worst }) => worst === target || isBetter(metric, worst, target));
  return {
    ...(learned && { learned }),
    ...(closed && { closed }),
    bitsPerParameterAndStep: (8 * total.bytes) / parameters / total.steps,
    ...(reached && { target: reached }),
  };
}
