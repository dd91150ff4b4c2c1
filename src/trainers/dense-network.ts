/** Passes of a dense network on the training kernels, without TensorFlow.js. */
import { LINEAR, RELU } from "../backends/wasm-training/activation.js";
import { trainingKernels } from "../backends/wasm-training/module.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { MAX_SPACE_BYTES, PAGE_BYTES } from "../kernels/kernels.js";
import { denseActivations } from "./dense-activations.js";

export interface DenseShape {
  /** Units of each layer, the input's numbers first: at least two. */
  readonly units: readonly number[];
  /** Of the hidden layers. */
  readonly activation: "relu" | keyof typeof denseActivations;
}

export interface DenseNetwork {
  /** Kernel (inputs × outputs, row by row) and bias of each layer, one after the other. */
  readonly parameters: Float32Array;
  /** Of the mean loss, in the order of the parameters. */
  readonly gradient: Float32Array;
  /** Room for the features of `rows` examples. */
  readonly features: Float32Array;
  /** Where `backward` finds the gradient of the loss with respect to the outputs. */
  readonly outputGradient: Float32Array;
  /** @returns the outputs for the first `rows` examples of the features, as a view that the next pass overwrites */
  forward(rows: number, purpose: "learning" | "evaluation"): Float32Array;
  /** Fills `gradient`, from the last forward pass that learned and `outputGradient`. */
  backward(rows: number): void;
}

/** Bytes between the starts of arrays are a multiple of this. */
const ALIGNMENT = 64;

interface DenseLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** Addresses: kernel, bias and their gradients, what comes out, and its gradient. */
  readonly kernel: number;
  readonly bias: number;
  readonly kernelGradient: number;
  readonly biasGradient: number;
  readonly values: number;
  readonly valueGradients: number;
}

/**
 * @param rows most examples of a pass
 * @param fastMath with fused multiply-adds, where the engine has them
 * @throws InvalidExperiment a network that does not fit into one WebAssembly memory
 */
export function createDenseNetwork(
  { units, activation }: DenseShape,
  rows: number,
  fastMath = false,
): DenseNetwork {
  let next = ALIGNMENT;
  /** Address of so many numbers. */
  const place = (count: number): number => {
    const address = next;
    next = Math.ceil((next + count * 4) / ALIGNMENT) * ALIGNMENT;
    return address;
  };
  const sizes = units.slice(1).map((outputs, k) => ({ inputs: units[k]!, outputs }));
  const length = sizes.reduce((sum, { inputs, outputs }) => sum + (inputs + 1) * outputs, 0);
  const [parameters, gradient, features] = [place(length), place(length), place(rows * units[0]!)];
  let offset = 0;
  const layers = sizes.map(({ inputs, outputs }): DenseLayer => {
    const [kernel, kernelGradient] = [parameters + offset, gradient + offset];
    const kernelBytes = inputs * outputs * 4;
    offset += kernelBytes + outputs * 4;
    return {
      inputs,
      ...{ outputs, kernel, kernelGradient },
      bias: kernel + kernelBytes,
      biasGradient: kernelGradient + kernelBytes,
      values: place(rows * outputs),
      valueGradients: place(rows * outputs),
    };
  });

  const memory = new WebAssembly.Memory({ initial: 0 });
  const kernels = trainingKernels(memory, fastMath);
  const scratch = next;
  const needs = sizes.flatMap(({ inputs, outputs }) => [
    kernels.matMulScratchBytes(outputs, Math.max(inputs, rows)),
    kernels.matMulScratchBytes(inputs, outputs),
  ]);
  grow(memory, scratch + Math.max(...needs));
  const floats = (address: number, count: number) => new Float32Array(memory.buffer, address, count);
  const nonlinear = activation === "relu" ? undefined : denseActivations[activation];
  const outputLayer = layers.at(-1)!;

  /** c = op(a)·op(b) + bias, of one matrix each. */
  function multiply(
    a: number,
    b: number,
    c: number,
    rows: number,
    columns: number,
    depth: number,
    transposeA: number,
    transposeB: number,
    bias: number,
    activation: number,
  ): void {
    kernels.matMul(a, b, c, 1, rows, columns, depth, 0, 0, transposeA, transposeB, bias, activation, scratch);
  }

  /** out = x·kernel + bias, through the activation of a hidden layer. */
  function pass(layer: DenseLayer, from: number, count: number, isLearning: boolean): void {
    const { inputs, outputs, kernel, bias, values } = layer;
    const isHidden = layer !== outputLayer;
    // While it learns, TensorFlow.js adds the bias of a hidden layer after the product: same order, same bits.
    const isApart = isHidden && isLearning;
    const inTile = isHidden && !isApart && !nonlinear ? RELU : LINEAR;
    multiply(from, kernel, values, count, outputs, inputs, 0, 0, isApart ? 0 : bias, inTile);
    if (isApart) kernels.addRow(values, bias, count, outputs, nonlinear ? LINEAR : RELU);
    if (isHidden && nonlinear) nonlinear.apply(floats(values, count * outputs));
  }

  let outputs = floats(outputLayer.values, 0);
  return {
    parameters: floats(parameters, length),
    gradient: floats(gradient, length),
    features: floats(features, rows * units[0]!),
    outputGradient: floats(outputLayer.valueGradients, rows * outputLayer.outputs),
    forward(count, purpose) {
      let from = features;
      for (const layer of layers) {
        pass(layer, from, count, purpose === "learning");
        from = layer.values;
      }
      const length = count * outputLayer.outputs;
      if (outputs.length !== length) outputs = floats(outputLayer.values, length);
      return outputs;
    },
    backward(count) {
      for (let k = layers.length - 1; k >= 0; k--) {
        const { inputs, outputs, kernel, kernelGradient, biasGradient, valueGradients } = layers[k]!;
        const below = layers[k - 1];
        const from = below?.values ?? features;
        multiply(from, valueGradients, kernelGradient, inputs, outputs, count, 1, 0, 0, LINEAR);
        kernels.sumMiddle(valueGradients, biasGradient, 1, count, outputs, 1);
        if (!below) continue;
        const gradients = below.valueGradients;
        multiply(valueGradients, kernel, gradients, count, inputs, outputs, 0, 1, 0, LINEAR);
        const size = count * inputs;
        if (nonlinear) nonlinear.multiplyBySlope(floats(gradients, size), floats(below.values, size));
        else kernels.reluGradient(gradients, below.values, gradients, size);
      }
    },
  };
}

/** @throws InvalidExperiment more than one memory holds, or than there is */
function grow(memory: WebAssembly.Memory, bytes: number): void {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    memory.grow(pages);
  } catch (cause) {
    throw new InvalidExperiment(
      `the model takes ${bytes} bytes while it learns, and one WebAssembly memory holds ${MAX_SPACE_BYTES}: use fewer units, inputs or examples per batch`,
      { code: "dense-model-too-large", field: "model", cause },
    );
  }
}
