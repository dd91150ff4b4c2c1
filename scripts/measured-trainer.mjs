// Our trainer as the training benchmarks run it: plain SGD on examples of their own, one local step at a time.

import { createOptimizer, optimizerSettings } from "../dist/optimizers/index.js";
import { createLayersTrainer } from "../dist/trainers/layers-trainer.js";
import { createLearner } from "../dist/trainers/learner.js";
import { createVectorSpace, spaceBytes } from "../dist/vectors/vector.js";

/** The trainer's count of parameters, one more step of it (gradient, optimiser, model), and its end. */
export async function createMeasuredTrainer({ model, examples, batchSize, threads }) {
  const trainer = createLayersTrainer({
    model,
    train: examples,
    test: examples,
    batchSize,
    ...(threads && { threads }),
    seed: 1,
    peer: 0,
  });
  const { length } = trainer.layout;
  const space = createVectorSpace(spaceBytes(2, length));
  const [vector, update] = [space.vector(length), space.vector(length)];
  trainer.initialize(vector);
  const optimizer = createOptimizer(optimizerSettings.parse({ kind: "sgd" }), { length, space });
  const learner = createLearner({ trainer, optimizer, localSteps: 1, space });
  let round = 0;
  return {
    parameters: length,
    async step() {
      const loss = await learner.learn(vector, update, { round: round++, learningRate: 0.01 });
      space.kernels.add(vector.byteOffset, update.byteOffset, length);
      return loss;
    },
    dispose: () => trainer.dispose(),
  };
}
