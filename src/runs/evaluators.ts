/** Who evaluates a model that belongs to no peer, such as the mean of all. */
import { type Evaluation, mergeByClass } from "../evaluation.js";
import type { Topology } from "../graphs/topology.js";
import { createTrainer } from "../trainers/index.js";
import { withStatistics } from "../trainers/statistics.js";
import type { Trainer } from "../trainers/trainer.js";
import type { NamedValues } from "../vectors/state.js";
import { pooledStatistics } from "../vectors/statistics.js";
import type { Experiment } from "./experiment.js";
import { taskOf } from "./own-data.js";
import type { SimulationRound } from "./round.js";

/** Evaluates models that may be no peer's. */
export interface Evaluator {
  /** False where it is not to be called. */
  readonly evaluates?: false;
  /** @param statistics what stands beside the model; the trainer's own where there are none */
  evaluateWith(model: Float32Array, statistics: NamedValues): Promise<Evaluation>;
}

export function evaluatorOf(trainer: Trainer): Evaluator {
  return {
    ...(trainer.evaluates === false && { evaluates: false }),
    evaluateWith: (model, statistics) => withStatistics(trainer, statistics, () => trainer.evaluate(model)),
  };
}

/** Any evaluator where all have the same test examples, all of them where each has its own. */
export function evaluatorsAmong<Each>({ split }: Experiment, all: readonly Each[]): readonly Each[] {
  return split.kind === "own" && split.test === "own" ? all : all.slice(0, 1);
}

/** What is known of the mean model. */
export interface MeanModel {
  readonly mean: Float32Array;
  /** Every peer's own, see `vectors/statistics.ts`. */
  readonly statistics: readonly NamedValues[];
}

/**
 * Evaluates the mean model with the running statistics of all peers' examples together, so that it depends neither on who
 * evaluates nor on what that one has learned.
 */
export async function evaluateMean(
  evaluators: readonly Evaluator[],
  { mean, statistics }: MeanModel,
): Promise<Pick<SimulationRound, "meanEvaluation" | "hasPooledStatistics">> {
  const pooled = pooledStatistics(statistics);
  const evaluations: Evaluation[] = [];
  for (const evaluator of evaluators) {
    if (evaluator.evaluates === false) continue;
    evaluations.push(await evaluator.evaluateWith(mean, pooled));
  }
  if (evaluations.length === 0) return {};
  const hasPooledStatistics = Object.keys(pooled).length > 0;
  return {
    meanEvaluation: meanOf(evaluations),
    ...(hasPooledStatistics && { hasPooledStatistics: true as const }),
  };
}

/** Means of the figures that all have; evaluations count alike. */
function meanOf(evaluations: readonly Evaluation[]): Evaluation {
  if (evaluations.length === 1) return evaluations[0]!;
  const mean = (of: (evaluation: Evaluation) => number) =>
    evaluations.reduce((sum, evaluation) => sum + of(evaluation), 0) / evaluations.length;
  const isRated = evaluations.every(({ accuracy }) => accuracy !== undefined);
  const [{ metric, metrics = {} }] = evaluations as [Evaluation];
  const shared = Object.keys(metrics).filter((name) =>
    evaluations.every((evaluation) => evaluation.metrics?.[name] !== undefined),
  );
  const byClass = evaluations.flatMap((evaluation) => evaluation.byClass ?? []);
  return {
    loss: mean(({ loss }) => loss),
    ...(isRated && { accuracy: mean(({ accuracy }) => accuracy!) }),
    ...(metric && { metric }),
    ...(shared.length > 0 && {
      metrics: Object.fromEntries(shared.map((name) => [name, mean((each) => each.metrics![name]!)])),
    }),
    ...(byClass.length === evaluations.length && { byClass: mergeByClass(byClass) }),
  };
}

/** Evaluators of a run whose peers are elsewhere, in other processes of this machine; the caller disposes of them. */
export async function createEvaluators(
  experiment: Experiment,
  topology: Topology,
): Promise<readonly Trainer[]> {
  const { peers } = topology.mixing;
  const ids = Array.from({ length: experiment.split.kind === "own" ? peers : 1 }, (_, id) => id);
  const trainers: Trainer[] = [];
  for (const peer of ids) {
    const task = taskOf(experiment, topology, peer, false);
    trainers.push(await createTrainer(task, { peer, peers, seed: experiment.seed }));
  }
  const pooled = trainers.flatMap(({ pooling }) => pooling ?? []);
  const [first, ...others] = pooled;
  if (experiment.split.kind === "own" && first) {
    const total = first.own.slice();
    for (const { own } of others) first.merge(total, own);
    for (const { take } of pooled) take(total);
  }
  return evaluatorsAmong(experiment, trainers);
}
