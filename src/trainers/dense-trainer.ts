/** Trains dense models straight on the training kernels: a step costs what its arithmetic costs. */
import { countExamples, type Examples, type ExamplesDescription } from "../dataset.js";
import type { Augmentation } from "../datasets/augmentation.js";
import type { Fingerprint } from "../exchange/fingerprint.js";
import type { Loss } from "../loss.js";
import type { Vector } from "../vectors/vector.js";
import { createBatchReader } from "./batch-reader.js";
import type { DenseNetwork } from "./dense-network.js";
import type { DenseStart } from "./dense-start.js";
import { mathFingerprint } from "./fast-math.js";
import { checkData } from "./layers-checks.js";
import { createScoring, testBatchesOf } from "./scoring.js";
import { stateless, type Trainer, type TrainerPooling } from "./trainer.js";

export interface DenseTrainerOptions {
  readonly start: DenseStart;
  /** Of a process; passes of several trainers follow one another on it. */
  readonly network: DenseNetwork;
  readonly loss: Loss;
  /** What this peer learns from. */
  readonly train: Examples;
  /** What every peer is evaluated on. */
  readonly test: Examples;
  readonly batchSize: number;
  readonly augment?: Augmentation | undefined;
  /** Whether the network was made with it. */
  readonly fastMath?: boolean;
  readonly examples: ExamplesDescription;
  readonly pooling: TrainerPooling;
  /** What the user should know before the run, one line each. */
  readonly warnings: readonly string[];
  /** What peers of a run compare of the data. */
  readonly fingerprint: () => Promise<Fingerprint>;
  readonly seed: number;
  readonly peer: number;
}

/**
 * The trainer of one peer. Steps and evaluations give the bits that the layers trainer gives on the wasm backend where
 * hidden layers have relu, and differ in the last ones where they have another activation.
 *
 * @throws InvalidData examples that do not fit the model
 */
export function createDenseTrainer(options: DenseTrainerOptions): Trainer {
  const { start, network, loss, test, examples, pooling } = options;
  const { layout, shapes, initialize } = start;
  const labelsPerExample = checkData({ ...options, name: start.name }, shapes, loss);
  const batch = createBatchReader(
    { ...options, features: network.features },
    shapes.inputSize,
    labelsPerExample,
  );

  return {
    layout,
    initialize,
    examples,
    pooling,
    warnings: options.warnings,
    state: stateless.state,
    restore: stateless.restore,
    counts: countExamples(options.train, test, shapes.inputSize, loss.targets),
    gradient(point, out, step) {
      network.parameters.set(point);
      batch.load(step);
      const outputs = network.forward(batch.size, "learning");
      const sum = loss.score(outputs, batch.labels, network.outputGradient);
      network.backward(batch.size);
      out.set(network.gradient);
      // The precision of a tensor, which other trainers give it too.
      return Math.fround(sum / batch.labels.length);
    },
    async evaluate(model: Vector) {
      network.parameters.set(model);
      const scoring = createScoring(loss);
      for (const { features, labels } of testBatchesOf(test, shapes.inputSize)) {
        network.features.set(features);
        scoring.add(network.forward(features.length / shapes.inputSize, "evaluation"), labels);
      }
      return scoring.evaluation();
    },
    fingerprint: async () => ({
      ...start.fingerprint,
      ...mathFingerprint(options.fastMath),
      ...(await options.fingerprint()),
    }),
    dispose() {},
  };
}
