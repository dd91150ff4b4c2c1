import * as tf from "@tensorflow/tfjs-core";
import type { Correction } from "./correction.js";
import {
  imagesUnder,
  padded,
  paddedShape,
  sidesOf,
  unpadded,
  volumeOf,
  type Windows,
  windowsOf,
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
      const windows = layoutOf(x!.shape, attributes);
      const largest = planesOf(padded(x!, windows, LEAST), windows).reduce(
        (most, { values }) => tf.maximum(most, values),
        tf.scalar(LEAST) as tf.Tensor,
      );
      return tf.reshape(largest, [x!.shape[0]!, ...windows.out, x!.shape[4]!]);
    },
    MaxPool3DGrad: ({ dy, input }, attributes) => {
      const windows = layoutOf(input!.shape, attributes);
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
            inPlane(windows),
          ) as tf.Tensor;
        return volumeOf(spread, k, depth, windows);
      });
      return unpadded(tf.addN(volumes), input!.shape, windows);
    },
  },
};

function layoutOf(input: readonly number[], { filterSize, strides, pad }: tf.NamedAttrMap): Windows {
  return windowsOf(input.slice(1, -1), sidesOf(filterSize, 3), sidesOf(strides, 3), pad);
}

/** Attributes of two-dimensional kernels for one plane of the windows. */
function inPlane({ sides, strides }: Windows) {
  return { filterSize: sides.slice(1), strides: strides.slice(1), pad: "valid" };
}

/** The images under each plane of the windows, with the largest numbers of the plane. */
function planesOf(volume: tf.Tensor, windows: Windows) {
  return Array.from({ length: windows.sides[0]! }, (_, k) => {
    const images = imagesUnder(volume, k, windows);
    return { images, values: tf.engine().runKernel("MaxPool", { x: images }, inPlane(windows)) as tf.Tensor };
  });
}
