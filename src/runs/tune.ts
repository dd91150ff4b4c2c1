/**
 * Finds the consensus rate of an experiment on a topology: trials over the whole range (consensus-rate.ts), then the
 * experiment itself for some rounds with the few rates that are left. One process that holds all peers' data; a run finds its
 * rate from the trials alone.
 */
import type { AlgorithmKind } from "../algorithm.js";
import { algorithms } from "../algorithms/index.js";
import type { Evaluation } from "../evaluation.js";
import type { Clock } from "../foundation/clock.js";
import { Diverged, InvalidExperiment } from "../foundation/errors.js";
import { driftInRounds, roundsToMix, type Spectrum, spectrum } from "../graphs/spectrum.js";
import type { Topology } from "../graphs/topology.js";
import type { ScheduleSettings } from "../settings/schedule.js";
import { createTrainer } from "../trainers/index.js";
import { createRateFinder, type FoundRate, findRate, type TriedRate } from "./consensus-rate.js";
import type { Experiment } from "./experiment.js";
import { taskOf } from "./own-data.js";
import { createPlan } from "./plan.js";
import { isAlone, isSlow, rateText } from "./planned-rate.js";
import { type SimulationRound, simulate } from "./simulate.js";

/** Rates of the table are this many candidates apart: factors of √2 … */
const ROW_STEP = 2;
/** … and this many, from η* down. */
const ROWS = 12;
/** Most rounds of the experiment with each of the rates that are left. */
const TRAINED_ROUNDS = 200;
/** Rounds whose time says how many the budget allows … */
const TIMED_ROUNDS = 10;
/** … unless the first one takes longer than this. */
const QUICK_ROUND_MS = 500;
/** A rate is taken instead of the automatic one where its loss is less than this share of that one's. */
const CLEARLY_BETTER = 0.95;
/** Time for these runs together. */
const BUDGET_MS = 35_000;

export interface TuneOptions {
  readonly clock: Clock;
  /** What is done next, after `done` of `total` steps. */
  readonly onStep?: (done: number, total: number, what: string) => void;
}

/** A rate of the table. */
export interface TunedRate {
  readonly consensusRate: number;
  readonly isStable: boolean;
  /** ‖x_i − x̄‖ / ‖x̄‖ that compression keeps up, root mean square. */
  readonly floor: number;
  /** Rounds until the slowest disagreement has fallen to 1/e. */
  readonly roundsToMix: number;
  /** Rounds' updates that lie between models. */
  readonly drift: number;
}

/** A rate with which the experiment ran, and how good the mean model is then; its loss is not finite where it diverged. */
export interface TrainedRate extends Evaluation {
  readonly consensusRate: ScheduleSettings;
  readonly rounds: number;
}

export interface Tuning {
  /** The rate to take, and what to expect of it. */
  readonly consensusRate: ScheduleSettings;
  /** What a run takes where the user names none. */
  readonly auto: ScheduleSettings;
  /** The largest rate that a trial stood; undefined where none was. */
  readonly stableUpTo: number | undefined;
  /** Whether less accuracy than with exact gossip is expected, where peers' data differ. */
  readonly fallsBehind: boolean;
  readonly rates: readonly TunedRate[];
  readonly trained: readonly TrainedRate[];
  /** What the plan warns of, one line each. */
  readonly warnings: readonly string[];
}

/** @throws InvalidExperiment or InvalidData an experiment that cannot run on the topology, or that has no rate to tune */
export async function tune(
  topology: Topology,
  experiment: Experiment,
  { clock, onStep = () => {} }: TuneOptions,
): Promise<Tuning> {
  const { mixing } = topology;
  const algorithm: AlgorithmKind = algorithms[experiment.algorithm];
  if (!algorithm.usesRate) {
    throw new InvalidExperiment(
      `algorithm ${algorithm.name} does not use the consensus rate: there is nothing to tune; choose another algorithm`,
      { code: "nothing-to-tune", field: "algorithm" },
    );
  }
  if (isAlone(mixing)) {
    throw new InvalidExperiment(
      "a single peer exchanges nothing: there is no consensus rate to tune; use a graph of two peers or more",
      { code: "nobody-to-tune-for", field: "graph.peers" },
    );
  }
  const task = taskOf(experiment, topology, 0, false);
  const trainer = await createTrainer(task, { peer: 0, peers: mixing.peers, seed: experiment.seed });
  try {
    const { warnings } = createPlan({ ...experiment, consensusRate: "auto" }, mixing, trainer);
    const { compressor } = experiment;
    const finder = createRateFinder({ algorithm, compressor, mixing, trainer });
    const rows = finder.candidates.filter((_, k) => k % ROW_STEP === 0).slice(0, ROWS);
    const rates = rows.map((consensusRate, k) => {
      onStep(k, ROWS, `trial with η = ${consensusRate}`);
      return rowOf(finder.attempt(consensusRate), spectrum(mixing));
    });
    const found = findRate({ mixing }, finder);
    const stableUpTo = finder.largest(Number.POSITIVE_INFINITY)?.consensusRate;
    const auto = found?.consensusRate ?? finder.candidates.at(-1)!;
    const contenders = found
      ? contendersOf(found, finder.candidates, (rate) => finder.attempt(rate))
      : [auto];
    const trained = await train(topology, experiment, contenders, { clock, onStep });
    const best = trained.reduce((a, b) => (b.loss < a.loss ? b : a));
    const isBetter = !(best.loss >= CLEARLY_BETTER * trained[0]!.loss);
    return {
      consensusRate: isBetter ? best.consensusRate : auto,
      ...{ auto, stableUpTo, rates, trained, warnings },
      fallsBehind: !found || isSlow(found),
    };
  } finally {
    trainer.dispose();
  }
}

function rowOf({ consensusRate, isStable, floor }: TriedRate, known: Spectrum): TunedRate {
  return {
    ...{ consensusRate, isStable },
    floor: Math.sqrt(floor),
    roundsToMix: roundsToMix(known, consensusRate),
    drift: driftInRounds(known, consensusRate),
  };
}

/** The automatic rate, and ones that are a candidate larger, where a trial stands that, and one and two smaller. */
function contendersOf(
  { consensusRate, start }: FoundRate,
  candidates: readonly number[],
  attempt: (rate: number) => TriedRate,
): ScheduleSettings[] {
  const place = candidates.indexOf(start.consensusRate);
  const above = candidates[place - 1];
  const others = [
    above !== undefined && attempt(above).isStable ? above : undefined,
    candidates[place + 1],
    candidates[place + 2],
  ].filter((rate) => rate !== undefined);
  return [consensusRate, ...others.map((rate) => scaled(consensusRate, rate / start.consensusRate))];
}

function scaled(rate: ScheduleSettings, factor: number): ScheduleSettings {
  const times = (value: number) => Number((factor * value).toPrecision(4));
  if (typeof rate === "number") return times(rate);
  return { ...rate, initial: times(rate.initial), final: times(rate.final) };
}

/** Runs the experiment for some rounds with each rate. */
async function train(
  topology: Topology,
  experiment: Experiment,
  contenders: readonly ScheduleSettings[],
  { clock, onStep }: Required<TuneOptions>,
): Promise<TrainedRate[]> {
  const run = (consensusRate: ScheduleSettings, rounds: number) =>
    trainFor(topology, { ...experiment, consensusRate, rounds });
  const timed = async (rounds: number) => {
    const before = clock.now();
    await run(contenders[0]!, rounds);
    return (clock.now() - before) / rounds;
  };
  onStep(0, contenders.length, "timing a round");
  // The first run also starts the backend; where that is not what took long, a longer one says more.
  const first = await timed(1);
  const roundMs = first < QUICK_ROUND_MS ? await timed(TIMED_ROUNDS) : first;
  const affordable = Math.floor(BUDGET_MS / contenders.length / Math.max(roundMs, 1e-3));
  const rounds = Math.max(1, Math.min(TRAINED_ROUNDS, experiment.rounds, affordable));
  const trained: TrainedRate[] = [];
  for (const [k, consensusRate] of contenders.entries()) {
    onStep(k, contenders.length, `${rounds} rounds with η = ${rateText(consensusRate)}`);
    trained.push({ consensusRate, rounds, ...(await run(consensusRate, rounds)) });
  }
  return trained;
}

async function trainFor(topology: Topology, experiment: Experiment): Promise<Evaluation> {
  const simulation = await simulate(topology, {
    ...experiment,
    ...{ evaluateEvery: 0, projectEvery: 0, closingRounds: 0 },
  });
  try {
    let last: SimulationRound | undefined;
    for await (const round of simulation.run()) last = round;
    return last?.meanEvaluation ?? { loss: Number.POSITIVE_INFINITY };
  } catch (error) {
    if (error instanceof Diverged) return { loss: Number.POSITIVE_INFINITY };
    throw error;
  } finally {
    simulation.dispose();
  }
}
