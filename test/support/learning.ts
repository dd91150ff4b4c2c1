import { createOptimizer, type OptimizerSettings, optimizerSettings } from "../../src/optimizers/index.js";
import { createLearner, type LocalRound, learnerVectors } from "../../src/trainers/learner.js";
import type { Trainer } from "../../src/trainers/trainer.js";
import { createVectorSpace, spaceBytes, type Vector } from "../../src/vectors/vector.js";

export interface Learning {
  readonly optimizer?: { readonly kind: OptimizerSettings["kind"] } & Record<string, unknown>;
  readonly localSteps?: number;
}

/** A trainer with a round of local learning as a peer makes it, on a model in any memory. */
export function learning(trainer: Trainer, { optimizer = { kind: "sgd" }, localSteps = 1 }: Learning = {}) {
  const settings = optimizerSettings.parse(optimizer);
  const { length } = trainer.layout;
  const space = createVectorSpace(spaceBytes(2 + learnerVectors(settings, localSteps), length));
  const [point, update] = [space.vector(length), space.vector(length)];
  const learner = createLearner({
    trainer,
    optimizer: createOptimizer(settings, { length, space }),
    localSteps,
    space,
  });
  return {
    ...trainer,
    /** x ← x + u; the mean loss. */
    async step(model: Vector, round: LocalRound): Promise<number> {
      point.set(model);
      const loss = await learner.learn(point, update, round);
      space.kernels.add(point.byteOffset, update.byteOffset, length);
      model.set(point);
      return loss!;
    },
  };
}
