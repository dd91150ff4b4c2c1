import * as tf from "@tensorflow/tfjs-core";
import type { Correction } from "./correction.js";
import { countsOf, sidesOf, windowsOf } from "./windows.js";

/**
 * The gradient of the mean under windows that stick out: the mean is of the numbers that are there, and tfjs 4.22 divides by
 * the whole window. In one dimension too, which tfjs computes as images of one row.
 */
export const averagePooling: Correction = {
  backends: ["cpu", "wasm", "webgpu"],
  kernels: {
    AvgPoolGrad: ({ dy, input }, attributes, stock) => {
      const sides = input!.shape.slice(1, -1);
      const window = sidesOf(attributes.filterSize, 2);
      const windows = windowsOf(sides, window, sidesOf(attributes.strides, 2), attributes.pad);
      const isWhole = windows.padding.every(([before, after]) => before === 0 && after === 0);
      if (isWhole) return stock({ dy: dy!, input: input! }, attributes);
      const shares = tf.div(window[0]! * window[1]!, countsOf(sides, windows));
      return stock({ dy: tf.mul(dy!, shares), input: input! }, attributes);
    },
  },
};
