import * as tf from "@tensorflow/tfjs-core";
import type { Correction } from "./correction.js";
import {
  imagesUnder,
  padded,
  paddedShape,
  poolingInPlane,
  unpadded,
  volumeOf,
  volumeWindowsOf,
  type Windows,
} from "./windows.js";

/** What padding holds: no float32 is less. */
const LEAST = -3.4028234663852886e38;

/**
 * The largest number under windows of volumes, from the largest of each of their planes. In tfjs 4.22 wasm starts from
 * 1e-38, which numbers below 0 do not reach, and the gradient goes elsewhere where windows are no cubes.
 */
export const maxPooling3d: Correction = {
  backends: ["cpu", "wasm", "webgpu"],
  kernels: {
    MaxPool3D: ({ x }, attributes) => {
      const windows = volumeWindowsOf(x!.shape, attributes.filterSize, attributes);
      const largest = planesOf(padded(x!, windows, LEAST), windows).reduce(
        (most, { values }) => tf.maximum(most, values),
        tf.scalar(LEAST) as tf.Tensor,
      );
      return tf.reshape(largest, [x!.shape[0]!, ...windows.out, x!.shape[4]!]);
    },
    MaxPool3DGrad: ({ dy, input }, attributes) => {
      const windows = volumeWindowsOf(input!.shape, attributes.filterSize, attributes);
      const planes = planesOf(padded(input!, windows, LEAST), windows);
      const largest = planes.reduce((most, { values }) => tf.maximum(most, values), planes[0]!.values);
      let left: tf.Tensor = tf.reshape(dy!, largest.shape);
      const depth = paddedShape(input!.shape, windows)[1]!;
      const volumes = planes.map(({ images, values }, k) => {
        // All of it goes to the first plane that has the largest number.
        const own = tf.mul(left, tf.cast(tf.equal(values, largest), "float32"));
        left = tf.sub(left, own);
        const spread = tf
          .engine()
          .runKernel(
            "MaxPoolGrad",
            { dy: own, input: images, output: values },
            poolingInPlane(windows),
          ) as tf.Tensor;
        return volumeOf(spread, k, depth, windows);
      });
      return unpadded(tf.addN(volumes), input!.shape, windows);
    },
  },
};

/** The images under each plane of the windows, with the largest numbers of the plane. */
function planesOf(volume: tf.Tensor, windows: Windows) {
  return Array.from({ length: windows.sides[0]! }, (_, k) => {
    const images = imagesUnder(volume, k, windows);
    return {
      images,
      values: tf.engine().runKernel("MaxPool", { x: images }, poolingInPlane(windows)) as tf.Tensor,
    };
  });
}
