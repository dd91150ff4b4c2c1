// Our trainer as the training benchmarks run it: plain SGD on examples of their own, one local step at a time.

import { createLoss } from "../dist/losses/index.js";
import { createOptimizer, optimizerSettings } from "../dist/optimizers/index.js";
import { denseNetworkFor, denseShapeOf } from "../dist/trainers/dense-models.js";
import { readDenseStart } from "../dist/trainers/dense-start.js";
import { createDenseTrainer } from "../dist/trainers/dense-trainer.js";
import { createLayersTrainer } from "../dist/trainers/layers-trainer.js";
import { createLearner } from "../dist/trainers/learner.js";
import { createVectorSpace, spaceBytes } from "../dist/vectors/vector.js";

/** The trainer's count of parameters, one more step of it (gradient, optimiser, model), and its end. */
export async function createMeasuredTrainer({ model, examples, batchSize, fastMath, threads }) {
  const options = {
    ...{ train: examples, test: examples, batchSize, fastMath, seed: 1, peer: 0 },
    ...(threads && { threads }),
  };
  return measured(createLayersTrainer({ model, ...options }));
}

/** The same for a model of dense layers, as runs train it; undefined for any other. */
export async function createMeasuredDense({ settings, inputShape, outputs, examples, batchSize, fastMath }) {
  const shape = denseShapeOf(settings, { inputShape }, outputs, "wasm");
  if (!shape) return undefined;
  const { loss } = createLoss({ kind: "cross-entropy" }, { kind: "classes", count: outputs });
  const start = await readDenseStart(settings, { inputShape, outputs, seed: 1 }, loss);
  const network = denseNetworkFor(shape, batchSize, fastMath);
  const options = { train: examples, test: examples, batchSize, fastMath, seed: 1, peer: 0 };
  return measured(createDenseTrainer({ start, network, loss, ...options }));
}

function measured(trainer) {
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
