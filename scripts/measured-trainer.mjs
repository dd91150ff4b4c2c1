// Our trainer as the training benchmarks run it: plain SGD on examples of their own, one local step at a time.
import { createLayersTrainer } from "../dist/trainers/layers-trainer.js";
import { createOptimizer, optimizerSettings } from "../dist/trainers/optimizers.js";

/** The trainer's count of parameters, one more step of it, and its end. */
export async function createMeasuredTrainer({ model, examples, batchSize }) {
  const trainer = createLayersTrainer({
    model,
    optimizer: await createOptimizer(optimizerSettings.parse({ kind: "sgd" })),
    train: examples,
    test: examples,
    batchSize,
    seed: 1,
    peer: 0,
  });
  const vector = new Float32Array(trainer.layout.length);
  trainer.initialize(vector);
  let round = 0;
  return {
    parameters: vector.length,
    step: () => trainer.step(vector, { round: round++, learningRate: 0.01 }),
    dispose: () => trainer.dispose(),
  };
}
