/**
 * Local learning of one round: gradients of the trainer, steps of the optimiser, and their sum as one update; or the
 * update of a trainer with an optimiser of its own.
 */
import { type Eventually, whenThere } from "../foundation/eventually.js";
import type { Optimizer } from "../optimizer.js";
import { type OptimizerSettings, optimizerVectors } from "../optimizers/index.js";
import type { Vector, VectorSpace } from "../vectors/vector.js";
import type { Trainer } from "./trainer.js";

/** Settings of `createLearner`. */
export interface LearnerOptions {
  readonly trainer: Trainer;
  /** Made for the trainer's layout and this space. */
  readonly optimizer: Optimizer;
  /** H: optimiser steps per round, a whole number from 1 up. */
  readonly localSteps: number;
  readonly space: VectorSpace;
}

/** What a round's learning is given. */
export interface LocalRound {
  /** Round of the run, from 0. */
  readonly round: number;
  /** Learning rate γ of this round. */
  readonly learningRate: number;
}

/** Turns a model into a local update. */
export interface Learner {
  /**
   * Makes the round's H local steps from `point` and writes their sum, x_H − x_0, into `update`; for one step of plain
   * SGD that is −γ·g. `point` is left as it is.
   *
   * @returns the mean training loss before each local step, not finite when learning diverged; undefined where the
   *   trainer does not know it
   */
  learn(point: Vector, update: Vector, round: LocalRound): Eventually<number | undefined>;
}

/** A learner from a trainer's gradients and an optimiser, or from the trainer's own local updates. */
export function createLearner({ trainer, optimizer, localSteps, space }: LearnerOptions): Learner {
  const { kernels } = space;
  if (trainer.localUpdate) {
    return {
      learn: (point, update, { round, learningRate }) =>
        trainer.localUpdate!(point, update, { first: round * localSteps, count: localSteps, learningRate }),
    };
  }
  if (localSteps === 1) {
    return {
      learn: (point, update, { round, learningRate }) =>
        whenThere(trainer.gradient(point, update, round), (loss) => {
          optimizer.step(update, point, learningRate);
          return loss;
        }),
    };
  }

  const local = space.vector(trainer.layout.length);
  return {
    async learn(point, update, { round, learningRate }) {
      local.set(point);
      let sum = 0;
      for (let h = 0; h < localSteps; h++) {
        sum += await trainer.gradient(local, update, round * localSteps + h);
        optimizer.step(update, local, learningRate);
        kernels.add(local.byteOffset, update.byteOffset, local.length);
      }
      update.set(point);
      kernels.subtractFrom(update.byteOffset, local.byteOffset, local.length);
      return sum / localSteps;
    },
  };
}

/** Model-sized vectors that a learner and its optimiser take, besides the update. */
export function learnerVectors(optimizer: OptimizerSettings, localSteps: number): number {
  return optimizerVectors(optimizer) + (localSteps > 1 ? 1 : 0);
}
