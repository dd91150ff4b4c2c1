/** What a layers model and its examples must be like to be trained; who asks for more gets one line that says so. */
import type { LayersModel, layers as layersModule } from "@tensorflow/tfjs-layers";
import { type Examples, sizeOf } from "../dataset.js";
import { InvalidData, InvalidExperiment } from "../foundation/errors.js";

type Layer = layersModule.Layer;

/** What goes into a model and comes out of it. */
export interface ModelShapes {
  /** Of one example. */
  readonly inputShape: readonly number[];
  /** Numbers in one example. */
  readonly inputSize: number;
  /** Positions per example at which the model gives logits. */
  readonly answers: number;
  readonly classes: number;
}

/** @throws InvalidExperiment several inputs or outputs, inputs of any size, or a softmax where logits are needed */
export function shapesOf(model: LayersModel, needsLogits: boolean): ModelShapes {
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
  const last = model.layers.at(-1);
  if (needsLogits && (last?.getConfig().activation === "softmax" || last?.getClassName() === "Softmax")) {
    throw new InvalidExperiment(
      `model ${model.name} ends in a softmax, but the loss takes logits: remove that activation, or pass your own loss`,
      { code: "model-ends-in-softmax", field: "model" },
    );
  }
  const outputShape = model.outputs[0]!.shape.slice(1).map((side) => side ?? 1);
  return {
    inputShape,
    inputSize: sizeOf(inputShape),
    answers: sizeOf(outputShape.slice(0, -1)),
    classes: outputShape.at(-1) ?? 1,
  };
}

/**
 * @param needsClasses whether labels are the classes that logits are about
 * @returns labels per example
 * @throws InvalidData examples that do not fit the model or each other
 */
export function checkData(
  { name, train, test }: { readonly name: string; readonly train: Examples; readonly test: Examples },
  { inputSize, answers, classes }: ModelShapes,
  needsClasses: boolean,
): number {
  const labelsPerExample = checkExamples("training", train, inputSize, needsClasses ? classes : undefined);
  const labelsPerTest = checkExamples("test", test, inputSize, needsClasses ? classes : undefined);
  if (labelsPerTest !== labelsPerExample) {
    throw new InvalidData(
      `training data has ${labelsPerExample} labels per example and test data ${labelsPerTest}: use the same count in both`,
      { code: "test-labels-per-example" },
    );
  }
  if (needsClasses && labelsPerExample !== answers) {
    throw new InvalidData(
      `the data has ${labelsPerExample} labels per example, but model ${name} has ${answers} outputs per example: check its output shape`,
      { code: "labels-per-example" },
    );
  }
  return labelsPerExample;
}

/**
 * @param classes count of classes, undefined where labels are not classes
 * @returns labels per example
 */
function checkExamples(name: string, examples: Examples, inputSize: number, classes?: number): number {
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
  if (classes !== undefined) {
    const wrong = labels.findIndex(
      (label: number) => !(Number.isInteger(label) && label >= 0 && label < classes),
    );
    if (wrong >= 0) {
      throw new InvalidData(
        `${name} data: label ${wrong} is ${labels[wrong]}, not a class from 0 to ${classes - 1}: check the model's output`,
        { code: "label-not-a-class" },
      );
    }
  }
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

/** Whether a recurrent layer, or one wrapped in this one, drops inputs or states by itself. */
function dropsInside(config: object): boolean {
  return Object.entries(config).some(([key, value]) => {
    if (key === "dropout" || key === "recurrentDropout") return typeof value === "number" && value > 0;
    return typeof value === "object" && value !== null && dropsInside(value);
  });
}
