/**
 * Kernels that make tfjs's wasm backend fit for training: products of every orientation, convolutions and their
 * gradients, pooling gradients, group normalisation, sums over any axes, on SIMD loops of our own that work in the backend's memory.
 * Depends on nothing but tfjs.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import "@tensorflow/tfjs-backend-wasm";
 * import { registerTrainingKernels } from "./index.js";
 *
 * registerTrainingKernels();
 * await tf.setBackend("wasm");
 * ```
 */
import "@tensorflow/tfjs-backend-wasm";
import { getKernel, type KernelConfig, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { arithmeticKernels } from "./binary.js";
import { contextOf } from "./context.js";
import { conv2D, conv2DBackpropFilter, conv2DBackpropInput, fusedConv2D } from "./convolution.js";
import { depthwiseBackpropFilter, depthwiseBackpropInput } from "./depthwise.js";
import { reluGrad, unsortedSegmentSum } from "./elementwise.js";
import { registerTrainingGradients } from "./gradients.js";
import type { TrainingKernel } from "./kernel.js";
import { batchMatMul, fusedMatMul } from "./matmul.js";
import { groupNormalization, groupNormalizationGrad } from "./normalization.js";
import { averagePoolGrad, maxPoolGrad } from "./pooling.js";
import { cast, identity } from "./share.js";
import { mean, sum } from "./sums.js";

const BACKEND = "wasm";

/** Every kernel here; what is not here is tfjs's own. */
export const trainingKernels: readonly TrainingKernel[] = [
  batchMatMul,
  fusedMatMul,
  conv2D,
  fusedConv2D,
  conv2DBackpropInput,
  conv2DBackpropFilter,
  depthwiseBackpropInput,
  depthwiseBackpropFilter,
  maxPoolGrad,
  averagePoolGrad,
  sum,
  mean,
  ...arithmeticKernels,
  identity,
  cast,
  reluGrad,
  unsortedSegmentSum,
  groupNormalization,
  groupNormalizationGrad,
];

/** Our kernel, with tfjs's own behind it for the cases that ours leaves out. */
function configOf(kernel: TrainingKernel, stock: KernelConfig | undefined): KernelConfig {
  return {
    kernelName: kernel.name,
    backendName: BACKEND,
    ...(stock?.setupFunc ? { setupFunc: stock.setupFunc } : {}),
    kernelFunc(params) {
      const { inputs, backend, attrs } = params;
      const result = kernel.run(contextOf(backend), inputs, attrs ?? {});
      if (result) return result;
      if (stock) return stock.kernelFunc(params);
      throw new Error(
        `${kernel.name} on the wasm backend takes float32, NHWC and dilation 1: change the layer`,
      );
    },
  };
}

let restore: (() => void) | undefined;

/**
 * Registers the kernels for the backend "wasm", before or after it is initialised. Calling again changes nothing.
 * Import tfjs-layers (or tfjs) first: it registers the gradients, one of which is replaced too. tfjs's multi-threaded
 * build, which browsers may choose, shares its memory in a way that the kernels cannot join; Node takes the plain one.
 *
 * @returns a function that puts tfjs's own kernels back
 */
export function registerTrainingKernels(): () => void {
  if (restore) return restore;
  const undo: (() => void)[] = [registerTrainingGradients(BACKEND)];
  for (const kernel of trainingKernels) {
    const stock = getKernel(kernel.name, BACKEND);
    if (stock) unregisterKernel(kernel.name, BACKEND);
    registerKernel(configOf(kernel, stock));
    undo.push(() => {
      unregisterKernel(kernel.name, BACKEND);
      if (stock) registerKernel(stock);
    });
  }
  restore = () => {
    for (const step of undo) step();
    restore = undefined;
  };
  return restore;
}
