/** What a layers model and its examples must be like to be trained; who asks for more gets one line that says so. */
import type { LayersModel, layers as layersModule, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { type Examples, sizeOf } from "../dataset.js";
import { requireTargets } from "../datasets/check.js";
import { InvalidData, InvalidExperiment } from "../foundation/errors.js";
import type { Loss } from "../loss.js";

type Layer = layersModule.Layer;

/** What goes into a model and comes out of it. */
export interface ModelShapes {
  /** Of one example. */
  readonly inputShape: readonly number[];
  /** Numbers in one example. */
  readonly inputSize: number;
  /** Positions per example at which the model answers. */
  readonly answers: number;
  /** Outputs at each position. */
  readonly outputs: number;
}

/** Activations that turn logits into probabilities, which a loss of logits does itself. */
const PROBABILITIES = ["softmax", "sigmoid", "hardSigmoid"];
/** Layers that leave the numbers of a trained model as they are. */
const PASSING = /^(Flatten|Reshape|Permute|Dropout|SpatialDropout1D|InputLayer)$/;

/** @throws InvalidExperiment several inputs or outputs, inputs of any size, or a softmax or sigmoid where logits are needed */
export function shapesOf(model: LayersModel, loss: Pick<Loss, "name" | "outputs"> | undefined): ModelShapes {
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw new InvalidExperiment(
      `model ${model.name} has ${model.inputs.length} inputs and ${model.outputs.length} outputs: use a model with one of each`,
      { code: "model-inputs-and-outputs", field: "model" },
    );
  }
  const inputShape = model.inputs[0]!.shape.slice(1).map((side) => {
    if (side === null) {
      throw new InvalidExperiment(
        `model ${model.name} takes inputs of any size: fix every side of its inputShape`,
        { code: "model-input-size", field: "model" },
      );
    }
    return side;
  });
  const activation = loss?.outputs === "logits" ? lastActivation(model.outputs[0]!) : "linear";
  if (PROBABILITIES.includes(activation)) {
    const isSoftmax = activation === "softmax";
    throw new InvalidExperiment(
      `model ${model.name} ends in a ${activation}, but loss ${loss!.name} takes logits: remove that activation, or pass your own loss`,
      { code: isSoftmax ? "model-ends-in-softmax" : "model-ends-in-sigmoid", field: "model" },
    );
  }
  const outputShape = model.outputs[0]!.shape.slice(1).map((side) => side ?? 1);
  return {
    inputShape,
    inputSize: sizeOf(inputShape),
    answers: sizeOf(outputShape.slice(0, -1)),
    outputs: outputShape.at(-1) ?? 1,
  };
}

/** @throws InvalidExperiment a model with other outputs than the loss takes */
export function requireOutputs(
  { name }: LayersModel,
  { outputs }: ModelShapes,
  needed: number | undefined,
  loss: Loss | undefined,
): void {
  if (needed === undefined || !loss || outputs === needed) return;
  throw new InvalidExperiment(
    `model ${name} has ${outputs} outputs, and loss ${loss.name} takes ${needed} for ${loss.targets.count} ${loss.targets.kind}: make as many as context.outputs says`,
    { code: "model-output-count", field: "model" },
  );
}

/** The activation that a model's output comes from, through models within the model and layers that change no numbers. */
function lastActivation(output: SymbolicTensor): string {
  const layer = output.sourceLayer as Layer & { layers?: Layer[]; outputs?: SymbolicTensor[]; layer?: Layer };
  if (layer.outputs?.length === 1 && layer.layers) return lastActivation(layer.outputs[0]!);
  const className = layer.getClassName();
  if (className === "Softmax") return "softmax";
  const { activation = "linear" } = (layer.layer ?? layer).getConfig();
  const isPassing = PASSING.test(className) || (className === "Activation" && activation === "linear");
  const [input] = isPassing ? (layer.inboundNodes[output.nodeIndex]?.inputTensors ?? []) : [];
  return input && input !== output ? lastActivation(input) : String(activation);
}

/**
 * @param loss whose targets the labels are; undefined for one of the user's own, which takes any
 * @returns labels per example
 * @throws InvalidData examples that do not fit the model or each other
 */
export function checkData(
  { name, train, test }: { readonly name: string; readonly train: Examples; readonly test: Examples },
  { inputSize, answers, outputs }: ModelShapes,
  loss: Loss | undefined,
): number {
  const labelsPerExample = checkExamples("training", train, inputSize, loss);
  const labelsPerTest = checkExamples("test", test, inputSize, loss);
  if (labelsPerTest !== labelsPerExample) {
    throw new InvalidData(
      `training data has ${labelsPerExample} labels per example and test data ${labelsPerTest}: use the same count in both`,
      { code: "test-labels-per-example" },
    );
  }
  const needed = loss?.targets.kind === "classes" ? answers : answers * outputs;
  if (loss && labelsPerExample !== needed) {
    throw new InvalidData(
      `the data has ${labelsPerExample} labels per example, but model ${name} has ${needed} outputs per example: check its output shape`,
      { code: "labels-per-example" },
    );
  }
  return labelsPerExample;
}

/** @returns labels per example */
function checkExamples(name: string, examples: Examples, inputSize: number, loss: Loss | undefined): number {
  const { features, labels } = examples;
  const count = features.length / inputSize;
  if (count === 0 || !Number.isInteger(count)) {
    throw new InvalidData(
      `${name} data has ${features.length} features, not a whole number of examples of ${inputSize}: check the model's input shape`,
      { code: "feature-count" },
    );
  }
  const perExample = labels.length / count;
  if (perExample === 0 || !Number.isInteger(perExample)) {
    throw new InvalidData(
      `${name} data has ${labels.length} labels for ${count} examples: give each the same number of labels`,
      { code: "label-count" },
    );
  }
  if (loss) requireTargets(`${name} data`, labels, loss.targets, perExample);
  return perExample;
}

/** @throws InvalidExperiment unless the value is a whole number from 1 up */
export function requireCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new InvalidExperiment(`${name} is ${value}: use a whole number from 1 up`, {
      code: "count-not-positive",
      field: name,
    });
  }
}

/** @throws InvalidExperiment layers that draw from tfjs's own random numbers, which no seed reaches */
export function refuseAmbientNoise(layers: readonly Layer[]): void {
  for (const layer of layers) {
    const className = layer.getClassName();
    if (/^(Gaussian|Alpha|Random)/.test(className) || dropsInside(layer.getConfig())) {
      throw new InvalidExperiment(
        `layer ${layer.name} (${className}) draws random numbers that no seed controls: use a dropout layer instead`,
        { code: "layer-not-seedable" },
      );
    }
  }
}

/** Layers that take a dilation rate and compute as if it were 1. */
const NEVER_DILATED = ["DepthwiseConv2D", "Conv2DTranspose", "Conv3DTranspose"];

/** @throws InvalidExperiment layers with settings that tfjs passes over: another model than the one written would be trained */
export function refuseIgnoredSettings(layers: readonly Layer[]): void {
  for (const layer of layers) {
    const inner = (layer as { layer?: Layer }).layer ?? layer;
    const { dilationRate = 1 } = inner as { dilationRate?: number | number[] };
    const className = inner.getClassName();
    if (NEVER_DILATED.includes(className) && [dilationRate].flat().some((rate) => rate !== 1)) {
      throw new InvalidExperiment(
        `layer ${layer.name} (${className}) has dilation rate ${dilationRate}, which TensorFlow.js ignores: remove it`,
        { code: "layer-not-dilated", field: "model" },
      );
    }
  }
}

/** Whether a recurrent layer, or one wrapped in this one, applies dropout to inputs or states. */
function dropsInside(config: object): boolean {
  return Object.entries(config).some(([key, value]) => {
    if (key === "dropout" || key === "recurrentDropout") return typeof value === "number" && value > 0;
    return typeof value === "object" && value !== null && dropsInside(value);
  });
}
