/** A trained layers model apart from any run: examples in, logits out. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { BackendName } from "../backend.js";
import { type ExamplesDescription, sizeOf } from "../dataset.js";
import { InvalidModel } from "../foundation/errors.js";
import { createModel, type ModelSettings } from "../models/index.js";
import { type ModelFile, numbersFor } from "../saved-model.js";

export interface ClassifierOptions {
  readonly file: ModelFile;
  readonly model: ModelSettings;
  readonly examples: ExamplesDescription;
  readonly backend: BackendName;
  /** Of the run, from which a model of one's own may draw more than its weights. */
  readonly seed: number;
}

export interface Classifier {
  /** Positions per example at which it predicts; 1 but for sequences. */
  readonly positions: number;
  /** Logits per position. */
  readonly classes: number;
  /** Numbers of an example. */
  readonly inputSize: number;
  readonly layers: LayersModel;
  /** Logits of a batch of examples, `classes` numbers for each position. */
  logits(features: Float32Array): Promise<Float32Array>;
  dispose(): void;
}

/**
 * The model that a file is of, with its numbers.
 * @throws InvalidModel the file's tensors are not those of the model that its settings describe
 */
export async function createClassifier(options: ClassifierOptions): Promise<Classifier> {
  const { file, model: settings, examples, backend, seed } = options;
  const { useBackend } = await import("../backends/index.js");
  await useBackend(backend);
  const [tf, { weightsOf }, { shapesOf }] = await Promise.all([
    import("@tensorflow/tfjs-core"),
    import("./layers-weights.js"),
    import("./layers-checks.js"),
  ]);
  const { inputShape, classes } = examples;
  const model = await createModel(settings, { inputShape, classes, seed });
  try {
    const shapes = shapesOf(model, true);
    if (shapes.inputSize !== sizeOf(inputShape)) {
      throw new InvalidModel(
        `${file.source} is of a model that takes ${sizeOf(inputShape)} numbers, and its settings now make one that takes ${shapes.inputSize}: use the module that it was trained with`,
        { code: "model-input-changed", field: "model" },
      );
    }
    const { layout, local, frozen, upload } = weightsOf(model);
    const numbers = numbersFor(file, layout, local.shapes, frozen.shapes);
    upload(numbers.model);
    local.write(numbers.local);
    frozen.write(numbers.frozen);
    return {
      positions: shapes.answers,
      classes: shapes.classes,
      inputSize: shapes.inputSize,
      layers: model,
      async logits(features) {
        const logits = tf.tidy(() => {
          const shape = [features.length / shapes.inputSize, ...shapes.inputShape];
          return model.apply(tf.tensor(features, shape), { training: false }) as Tensor;
        });
        const numbers = (await logits.data()) as Float32Array;
        logits.dispose();
        return numbers;
      },
      dispose: () => model.dispose(),
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}
