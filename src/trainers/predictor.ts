/** A trained layers model apart from any run: examples in, outputs out. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { BackendName } from "../backend.js";
import { type ExamplesDescription, sizeOf } from "../dataset.js";
import { InvalidModel } from "../foundation/errors.js";
import type { Loss } from "../loss.js";
import { createLoss, type LossSettings } from "../losses/index.js";
import { createModel, type ModelSettings, modelContext } from "../models/index.js";
import { type ModelFile, numbersFor } from "../saved-model.js";
import { denseNetworkFor, denseShapeOf } from "./dense-models.js";
import type { DenseShape } from "./dense-network.js";

export interface PredictorOptions {
  readonly file: ModelFile;
  readonly model: ModelSettings;
  readonly loss: LossSettings;
  readonly examples: ExamplesDescription;
  readonly backend: BackendName;
  /** Of the run, from which a user's model may draw more than its weights. */
  readonly seed: number;
}

/** A model that computes outputs for examples. */
export interface Predictor {
  /** Positions per example at which it predicts; 1 but for sequences. */
  readonly positions: number;
  /** Outputs per position. */
  readonly outputs: number;
  /** What the model was trained with: it says what outputs and labels are. */
  readonly loss: Loss;
  /** Numbers of an example. */
  readonly inputSize: number;
  readonly layers: LayersModel;
  /** Outputs for a batch of examples: logits, or numbers as targets were scaled. */
  run(features: Float32Array): Promise<Float32Array>;
  /** Releases the model's tensors. */
  dispose(): void;
}

/**
 * The model that a file is of, with its numbers.
 * @throws InvalidModel the file's tensors are not those of the model that its settings describe
 */
export async function createPredictor(options: PredictorOptions): Promise<Predictor> {
  const { file, model: settings, examples, backend, seed } = options;
  const { loss, outputs } = createLoss(options.loss, examples.targets);
  const { useBackend } = await import("../backends/index.js");
  await useBackend(backend);
  const [tf, { weightsOf }, { requireOutputs, shapesOf }] = await Promise.all([
    import("@tensorflow/tfjs-core"),
    import("./layers-weights.js"),
    import("./layers-checks.js"),
  ]);
  const { inputShape } = examples;
  const model = await createModel(settings, modelContext(examples, outputs, seed));
  try {
    const shapes = shapesOf(model, loss);
    requireOutputs(model, shapes, outputs, loss);
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
    const shape = denseShapeOf(settings, examples, outputs, backend);
    return {
      positions: shapes.answers,
      outputs,
      loss,
      inputSize: shapes.inputSize,
      layers: model,
      async run(features) {
        if (shape) return runDense(shape, numbers.model, features);
        const results = tf.tidy(() => {
          const shape = [features.length / shapes.inputSize, ...shapes.inputShape];
          return model.apply(tf.tensor(features, shape), { training: false }) as Tensor;
        });
        const values = (await results.data()) as Float32Array;
        results.dispose();
        return values;
      },
      dispose: () => model.dispose(),
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Outputs as trainers of dense models compute them. */
function runDense(shape: DenseShape, model: Float32Array, features: Float32Array): Float32Array {
  const rows = features.length / shape.units[0]!;
  const network = denseNetworkFor(shape, rows);
  network.parameters.set(model);
  network.features.set(features);
  return network.forward(rows, "evaluation").slice();
}
