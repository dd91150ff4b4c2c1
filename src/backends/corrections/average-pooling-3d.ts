import * as tf from "@tensorflow/tfjs-core";
import type { Correction } from "./correction.js";
import {
  countsOf,
  type Five,
  imagesOf,
  imagesUnder,
  inPlane,
  padded,
  paddedShape,
  poolingInPlane,
  unpadded,
  volumeOf,
  volumeWindowsOf,
  type Windows,
} from "./windows.js";

/**
 * The mean under windows of volumes: sums over their planes, divided by how many numbers of the input they are of. In
 * tfjs 4.22 the gradient divides by the whole window where it sticks out, and padding is below 0 where a window is smaller
 * than its stride.
 */
export const averagePooling3d: Correction = {
  backends: ["cpu", "wasm", "webgpu"],
  kernels: {
    AvgPool3D: ({ x }, attributes) => {
      const windows = volumeWindowsOf(x!.shape, attributes.filterSize, attributes);
      const volume = padded(x!, windows);
      const planes = Array.from({ length: windows.sides[0]! }, (_, k) =>
        tf.avgPool(
          imagesUnder(volume, k, windows),
          inPlane(windows.sides),
          inPlane(windows.strides),
          "valid",
        ),
      );
      const sums = tf.reshape(tf.addN(planes), [x!.shape[0]!, ...windows.out, x!.shape[4]!]);
      return tf.mul(sums, sharesOf(x!.shape, windows));
    },
    AvgPool3DGrad: ({ dy, input }, attributes) => {
      const windows = volumeWindowsOf(input!.shape, attributes.filterSize, attributes);
      const [batch, depth, height, width, channels] = paddedShape(input!.shape, windows) as Five;
      const shares = tf.mul(dy!, sharesOf(input!.shape, windows));
      const spread = tf.engine().runKernel(
        "AvgPoolGrad",
        {
          dy: imagesOf(shares),
          input: tf.zeros([batch * windows.out[0]!, height, width, channels]),
        },
        poolingInPlane(windows),
      ) as tf.Tensor;
      const volumes = Array.from({ length: windows.sides[0]! }, (_, k) =>
        volumeOf(spread, k, depth, windows),
      );
      return unpadded(tf.addN(volumes), input!.shape, windows);
    },
  },
};

/** What a plane's mean counts for in the mean of its window. */
function sharesOf(shape: readonly number[], windows: Windows): tf.Tensor {
  const [, height, width] = windows.sides;
  return tf.div(height! * width!, countsOf(shape.slice(1, -1), windows));
}
