import { describe, expect, it } from "vitest";
import { createOptimizer } from "../src/optimizers/index.js";
import { createLearner, learnerVectors } from "../src/trainers/learner.js";
import type { Trainer } from "../src/trainers/trainer.js";
import { createLayout } from "../src/vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../src/vectors/vector.js";
import { everyOptimizer } from "./support/optimizer-cases.js";
import { functionTrainer } from "./support/trainers.js";

const LENGTH = 11;
const RATE = 0.05;
const layout = createLayout([{ name: "x", shape: [LENGTH] }]);
/** Its loss is the step's number, and its gradient depends on the point and the step. */
const trainer: Trainer = {
  ...functionTrainer(
    layout,
    (model) => model.fill(1),
    () => 0,
  ),
  async gradient(point, out, step) {
    for (let k = 0; k < LENGTH; k++) out[k] = (k + 1) * point[k]! + Math.sin(step + k);
    return step;
  },
};

/** In a space with just as many vectors as it says it takes. */
function learnerOf(settings: (typeof everyOptimizer)[number][1], localSteps: number) {
  const space = createVectorSpace(spaceBytes(2 + learnerVectors(settings, localSteps), LENGTH));
  const [point, update] = [space.vector(LENGTH), space.vector(LENGTH)];
  const optimizer = createOptimizer(settings, { length: LENGTH, space });
  trainer.initialize(point);
  return {
    space,
    point,
    update,
    optimizer,
    learner: createLearner({ trainer, optimizer, localSteps, space }),
  };
}

describe.each(everyOptimizer)("learning with %s", (_name, settings) => {
  it.each([1, 2, 5])("in %i local steps makes those of the optimiser by hand", async (localSteps) => {
    const { learner, optimizer, point, update, space } = learnerOf(settings, localSteps);
    const byHand = learnerOf(settings, 1);
    for (let round = 0; round < 3; round++) {
      const before = point.slice();
      const loss = await learner.learn(point, update, { round, learningRate: RATE });
      expect(point).toEqual(before);
      // Steps round · H … round · H + H − 1.
      expect(loss).toBe(round * localSteps + (localSteps - 1) / 2);

      byHand.point.set(point);
      for (let h = 0; h < localSteps; h++) {
        await trainer.gradient(byHand.point, byHand.update, round * localSteps + h);
        byHand.optimizer.step(byHand.update, byHand.point, RATE);
        if (localSteps === 1) expect(update).toEqual(byHand.update);
        byHand.space.kernels.add(byHand.point.byteOffset, byHand.update.byteOffset, LENGTH);
      }
      if (localSteps > 1) expect(update).toEqual(byHand.point.map((value, k) => value - before[k]!));
      expect(optimizer.state).toEqual(byHand.optimizer.state);
      space.kernels.add(point.byteOffset, update.byteOffset, LENGTH);
    }
  });
});

describe("a learner", () => {
  it("takes the update of a trainer with an optimiser of its own as it is", async () => {
    const space = createVectorSpace(spaceBytes(2, LENGTH));
    const [point, update] = [space.vector(LENGTH), space.vector(LENGTH)];
    trainer.initialize(point);
    const before = point.slice();
    const own: Trainer = {
      ...trainer,
      async localUpdate(from, out, { first, count, learningRate }) {
        for (let k = 0; k < LENGTH; k++) out[k] = from[k]! + first + count / 8 + learningRate;
        return 7;
      },
      gradient: () => Promise.reject(new Error("no gradient is asked for")),
    };
    const optimizer = createOptimizer({ kind: "sgd", weightDecay: 0 }, { length: LENGTH, space });
    const learner = createLearner({ trainer: own, optimizer, localSteps: 3, space });
    expect(await learner.learn(point, update, { round: 2, learningRate: 0.5 })).toBe(7);
    expect(update).toEqual(new Float32Array(LENGTH).fill(1 + 6 + 3 / 8 + 0.5));
    expect(point).toEqual(before);
  });

  it("takes a vector of its own only for several local steps", () => {
    for (const [, settings] of everyOptimizer) {
      expect(learnerVectors(settings, 7) - learnerVectors(settings, 1)).toBe(1);
    }
  });
});
