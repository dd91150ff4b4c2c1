import * as tf from "@tensorflow/tfjs-core";
import type { Correction } from "./correction.js";

/** Kernels whose results are steps, with their inputs; thresholds and masks are made of them. */
const STEPS = { Greater: ["a", "b"], NotEqual: ["a", "b"], Any: ["x"] } as const;

/** Gradients that are 0 everywhere; tfjs 4.22 refuses layers that compare, such as a masking or thresholded one. */
export const comparisons: Correction = {
  backends: ["cpu", "wasm", "webgpu", "node", "node-gpu"],
  gradients: Object.entries(STEPS).map(([kernelName, inputs]) => ({
    kernelName,
    inputsToSave: [...inputs],
    gradFunc: (_, saved) =>
      Object.fromEntries(inputs.map((name, k) => [name, () => tf.zerosLike(tf.cast(saved[k]!, "float32"))])),
  })),
};
