/**
 * The consensus rate where the user names none: the largest one at which a trial gossip of this algorithm and compressor
 * stays together, from the model that all peers start with (trial-gossip.ts). Nothing that enters differs between the
 * peers of a run, so all of them find the same rate; it is part of what neighbours compare before the run.
 *
 * What limits η is the disagreement that compression keeps alive, which grows with η² (Tang et al. 2019, X⁺ = H·W_eff +
 * η(Δ − Δ⁺)(W − I)), and the stability of error feedback. What is lost by a small one is mixing: models of peers whose data
 * differ drift apart, which costs far more accuracy than noise of the same size. So the rate starts as large as it can
 * be, and falls to where the noise is small only at the end, along a cosine: η of every round is known beforehand, and
 * both ends of an edge use the same.
 */
import type { AlgorithmKind } from "../algorithm.js";
import type { CompressorSettings } from "../compressors/index.js";
import type { Mixing } from "../graphs/mixing.js";
import { driftInRounds, maximumConsensusRate, optimalConsensusRate, spectrum } from "../graphs/spectrum.js";
import type { ScheduleSettings } from "../settings/schedule.js";
import type { Trainer } from "../trainers/trainer.js";
import { exactTrial, runTrial, type TrialResult, trialRounds } from "./trial-gossip.js";
import { trialGraph, trialModel } from "./trial-setting.js";

/** Candidates are η* times powers of this, 2^(−1/4). */
const STEP = 0.8408964152537145;
/** The smallest candidate is η* over 512. */
const CANDIDATES = 37;
/** Significant digits of a candidate: peers whose mathematics differ in the last bit still use the same. */
const DIGITS = 4;
/** Trials run at a rate that is larger by this, since training is rougher than a trial … */
const MARGIN = 1.09;
/** What compression may add to (1/n) Σ ‖x_i − x̄‖² / ‖x̄‖² in a trial for the start of a run … */
export const START_FLOOR = 1;
/** … and for its end. */
export const END_FLOOR = 0.2;
/** Most growth of what compression adds, in a quarter of a trial … */
const MAX_GROWTH = 1.15;
/** … unless it is this share of the disagreement of exact gossip at most. */
const NEGLIGIBLE = 0.1;

/** What a rate is sought for. */
export interface RateBasis {
  readonly algorithm: AlgorithmKind;
  readonly compressor: CompressorSettings;
  readonly mixing: Mixing;
  /** Whose initial model is that of every peer. */
  readonly trainer: Pick<Trainer, "layout" | "initialize">;
}

/** A rate, and what a trial with it came to. */
export interface TriedRate extends TrialResult {
  readonly consensusRate: number;
  /** What compression adds to (1/n) Σ ‖x_i − x̄‖² / ‖x̄‖². */
  readonly floor: number;
  readonly isStable: boolean;
}

export interface RateFinder {
  /** η*, from which candidates descend. */
  readonly candidates: readonly number[];
  /** Runs a trial; a rate that was tried is not tried again. */
  attempt(consensusRate: number): TriedRate;
  /**
   * The largest candidate that is stable and adds at most `floor`, by bisection; undefined where none is.
   * @param below the largest to consider
   */
  largest(floor: number, below?: number): TriedRate | undefined;
}

/** @throws what the algorithm or compressor throws */
export function createRateFinder({ algorithm, compressor, mixing, trainer }: RateBasis): RateFinder {
  const { optimalRate, maximumRate: bound } = exactRates(mixing);
  const candidates = Array.from({ length: CANDIDATES }, (_, k) =>
    Number((optimalRate * STEP ** k).toPrecision(DIGITS)),
  );
  const known = new Map<number, TriedRate>();
  const graph = trialGraph(mixing);
  let model: ReturnType<typeof trialModel> | undefined;
  let rounds: number | undefined;
  const attempt = (consensusRate: number): TriedRate => {
    const before = known.get(consensusRate);
    if (before) return before;
    model ??= trialModel(trainer);
    rounds ??= trialRounds(compressor, model);
    // … but not so large that exact gossip would not settle.
    const trialRate = Math.min(MARGIN * consensusRate, (consensusRate + bound) / 2);
    const trial = { algorithm, compressor, ...graph, ...model };
    const result = runTrial(trial, trialRate, rounds);
    const exact =
      graph.edgesIn || algorithm.movesMean
        ? runTrial({ ...trial, compressor: { kind: "identity" } }, trialRate, rounds)
        : exactTrial(graph.disagreements, trialRate, rounds);
    const floor = Math.max(0, result.disagreement - exact.disagreement);
    const isSteady =
      floor <= MAX_GROWTH * (result.before - exact.before) || floor <= NEGLIGIBLE * exact.disagreement;
    const tried = {
      ...{ ...result, consensusRate, floor },
      isStable: Number.isFinite(result.disagreement) && isSteady,
    };
    known.set(consensusRate, tried);
    return tried;
  };
  return {
    candidates,
    attempt,
    largest(floor, below = candidates[0]!) {
      const within = candidates.filter((candidate) => candidate <= below);
      const passes = (k: number) => {
        const tried = attempt(within[k]!);
        return tried.isStable && tried.floor <= floor;
      };
      if (passes(0)) return attempt(within[0]!);
      let fails = 0;
      let last = within.length - 1;
      if (!passes(last)) return undefined;
      while (last - fails > 1) {
        const middle = (fails + last) >> 1;
        if (passes(middle)) last = middle;
        else fails = middle;
      }
      return attempt(within[last]!);
    },
  };
}

/** A rate that was found, and what to expect of it. */
export interface FoundRate {
  readonly consensusRate: ScheduleSettings;
  readonly start: TriedRate;
  readonly end: TriedRate;
  /** `driftInRounds` at the mean rate … */
  readonly drift: number;
  /** … and with exact gossip at η*. */
  readonly exactDrift: number;
}

/** The rate to take; undefined where not even the smallest candidate is stable. */
export function findRate({ mixing }: Pick<RateBasis, "mixing">, finder: RateFinder): FoundRate | undefined {
  const start = finder.largest(START_FLOOR);
  const end = start && finder.largest(END_FLOOR, start.consensusRate);
  if (!end) return undefined;
  const initial = start.consensusRate;
  const final = end.consensusRate;
  return {
    consensusRate:
      initial === final
        ? initial
        : { initial, final, decay: "cosine", halfAfter: 100, at: [], factor: 0.1, warmupRounds: 0 },
    ...{ start, end },
    drift: driftOf(mixing, (initial + final) / 2),
    exactDrift: driftOf(mixing, exactRates(mixing).optimalRate),
  };
}

/** `driftInRounds` of a graph. One that changes from round to round has no eigenvalues: in proportion to 1/η there. */
const driftOf = (mixing: Mixing, rate: number): number =>
  mixing.sequence ? 1 / rate : driftInRounds(spectrum(mixing), rate);

/** η* and the bound of η of exact gossip. Each round of a sequence averages on its own edges, which 1 does best. */
export function exactRates(mixing: Mixing): { readonly optimalRate: number; readonly maximumRate: number } {
  const { sequence } = mixing;
  if (sequence) return { optimalRate: 1, maximumRate: 2 / (1 - sequence.smallestEigenvalue) };
  const known = spectrum(mixing);
  return { optimalRate: optimalConsensusRate(known), maximumRate: maximumConsensusRate(known) };
}
