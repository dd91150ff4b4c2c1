/** Who evaluates a model that belongs to no peer, such as the mean of all. */
import { type Evaluation, mergeByClass } from "../evaluation.js";
import type { Topology } from "../graphs/topology.js";
import { createTrainer } from "../trainers/index.js";
import type { Trainer } from "../trainers/trainer.js";
import type { Experiment } from "./experiment.js";
import { taskOf } from "./own-data.js";

export type Evaluator = Pick<Trainer, "evaluate" | "evaluates">;

/** Any trainer where all have the same test examples, all of them where each has its own. */
export function evaluatorsAmong<Trainers extends Evaluator>(
  { split }: Experiment,
  trainers: readonly Trainers[],
): readonly Trainers[] {
  return split.kind === "own" && split.test === "own" ? trainers : trainers.slice(0, 1);
}

/** Mean over the evaluators, which count alike; undefined where they do not evaluate. */
export async function evaluateOn(
  evaluators: readonly Evaluator[],
  model: Float32Array,
): Promise<Evaluation | undefined> {
  const evaluations: Evaluation[] = [];
  for (const evaluator of evaluators) {
    if (evaluator.evaluates !== false) evaluations.push(await evaluator.evaluate(model));
  }
  if (evaluations.length === 0) return undefined;
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
