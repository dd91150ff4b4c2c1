/** η of a run: the experiment's, or one that is found, and what the user should know about it before the run. */
import type { AlgorithmKind } from "../algorithm.js";
import { algorithms } from "../algorithms/index.js";
import type { Mixing } from "../graphs/mixing.js";
import type { ScheduleSettings } from "../settings/schedule.js";
import type { Trainer } from "../trainers/trainer.js";
import {
  createRateFinder,
  exactRates,
  type FoundRate,
  findRate,
  type RateFinder,
  START_FLOOR,
} from "./consensus-rate.js";
import type { Experiment } from "./experiment.js";

/** Models that drift this many times as far apart as with exact gossip … */
export const SLOW_FACTOR = 1.3;
/** … and by more rounds' updates than this are no longer as good, where peers' data differ. */
export const SLOW_DRIFT = 2.5;

export interface PlannedRate {
  readonly consensusRate: ScheduleSettings;
  /** One line each. */
  readonly warnings: readonly string[];
}

/** `0.5`, or `0.5 to 0.2` where it falls. */
export function rateText(rate: ScheduleSettings): string {
  return typeof rate === "number" ? `${rate}` : `${rate.initial} to ${rate.final}`;
}

/** @param trainer whose initial model is that of every peer */
export function planRate(
  experiment: Pick<Experiment, "compressor" | "consensusRate">,
  mixing: Mixing,
  trainer: Pick<Trainer, "layout" | "initialize">,
  algorithm: AlgorithmKind,
): PlannedRate {
  const { consensusRate, compressor } = experiment;
  if (!algorithm.usesRate) return unusedRate(consensusRate, algorithm);
  const finderOf = (kind: AlgorithmKind) =>
    createRateFinder({ algorithm: kind, compressor, mixing, trainer });
  if (consensusRate !== "auto") {
    return {
      consensusRate,
      warnings: warningsOf(consensusRate, mixing, algorithm, () => finderOf(algorithm)),
    };
  }
  const finder = finderOf(algorithm);
  if (!algorithm.compresses || isAlone(mixing)) return { consensusRate: finder.candidates[0]!, warnings: [] };
  const found = findRate({ mixing }, finder);
  if (!found) {
    return {
      consensusRate: finder.candidates.at(-1)!,
      warnings: [
        `algorithm ${algorithm.name} with compressor ${compressor.kind} is stable at no consensus rate of this graph: compress less`,
      ],
    };
  }
  if (!isSlow(found)) return { consensusRate: found.consensusRate, warnings: [] };
  return {
    consensusRate: found.consensusRate,
    warnings: [slowWarning(found, algorithm, compressor.kind, betterThan(found, algorithm, finderOf))],
  };
}

/** Whether there is only one peer. */
export function isAlone(mixing: Mixing): boolean {
  return mixing.peers < 2;
}

/** Whether compression holds η so low that models of peers whose data differ drift apart. */
export function isSlow({ drift, exactDrift }: FoundRate): boolean {
  return drift > SLOW_DRIFT && drift > SLOW_FACTOR * exactDrift;
}

/** Compressing algorithms that mix clearly faster where this one cannot, with the same compressor. */
function betterThan(
  { start, end }: FoundRate,
  algorithm: AlgorithmKind,
  finderOf: (kind: AlgorithmKind) => RateFinder,
): readonly string[] {
  if (algorithm.sends === "difference") return [];
  const rate = Number(((SLOW_FACTOR * (start.consensusRate + end.consensusRate)) / 2).toPrecision(4));
  return Object.values<AlgorithmKind>(algorithms)
    .filter(({ compresses, sends, needs }) => compresses && sends === "difference" && needs.contraction)
    .filter(({ steps }) => steps === 1)
    .filter((kind) => finderOf(kind).attempt(rate).isStable)
    .map(({ name }) => name);
}

function slowWarning(
  found: FoundRate,
  { name }: AlgorithmKind,
  compressor: string,
  better: readonly string[],
) {
  const { start, end, drift, exactDrift } = found;
  const instead = better.length > 0 ? `use ${better.join(" or ")}, or compress less` : "compress less";
  const rounds = `${drift.toFixed(1)} rounds of updates between models, ${exactDrift.toFixed(1)} with exact gossip`;
  const floor = `a floor of ${(100 * Math.sqrt(end.floor)).toFixed(1)} % of their norm`;
  return `algorithm ${name} with compressor ${compressor} takes η up to ${start.consensusRate} on this graph: ${rounds}, and ${floor}; where peers' data differ, expect less accuracy: ${instead}`;
}

function unusedRate(consensusRate: Experiment["consensusRate"], { name, sends }: AlgorithmKind): PlannedRate {
  const isNothing = sends === "nothing";
  if (consensusRate === "auto") return { consensusRate: isNothing ? 0 : 1, warnings: [] };
  const warning = `algorithm ${name} does not use the consensus rate: how far models move follows from the graph's weights`;
  return { consensusRate, warnings: isNothing ? [] : [warning] };
}

/** What is wrong with a rate that the user set. */
function warningsOf(
  consensusRate: ScheduleSettings,
  mixing: Mixing,
  algorithm: AlgorithmKind,
  createFinder: () => RateFinder,
): string[] {
  const rate = typeof consensusRate === "number" ? consensusRate : consensusRate.initial;
  const { optimalRate, maximumRate: bound } = exactRates(mixing);
  if (rate >= bound) {
    const best = optimalRate.toFixed(3);
    return [
      `consensus rate ${rate} is outside the stable range (0, ${bound.toFixed(3)}) of this graph: disagreement will grow; the best exact rate is ${best}`,
    ];
  }
  if (!algorithm.compresses || isAlone(mixing) || rate === 0) return [];
  const finder = createFinder();
  if (finder.attempt(rate).isStable) return [];
  const stable = finder.largest(START_FLOOR);
  const advice = stable ? `use at most ${stable.consensusRate}` : "compress less";
  return [
    `consensus rate ${rate} is too large for algorithm ${algorithm.name} with this compressor: disagreement grows in a trial; ${advice}, or "auto"`,
  ];
}
