import * as tf from "@tensorflow/tfjs-core";
import type { CorrectedKernel, Correction } from "./correction.js";
import {
  type Five,
  imagesOf,
  imagesUnder,
  inPlane,
  padded,
  paddedShape,
  unpadded,
  volumeOf,
  volumeWindowsOf,
} from "./windows.js";

/**
 * Convolutions of volumes as sums of convolutions of images, one for each plane of the filter. In tfjs 4.22 both gradients on
 * wasm are wrong (that of the input is read from memory that nothing wrote, strides are left out), padding is below 0 where
 * a filter is smaller than its stride, and the transposed convolution has no gradient.
 */
export const convolution3d: Correction = {
  backends: ["cpu", "wasm", "webgpu"],
  kernels: {
    Conv3D: ({ x, filter }, attributes) => {
      const windows = volumeWindowsOf(x!.shape, sidesOfFilter(filter!.shape), attributes);
      const volume = padded(x!, windows);
      const planes = planesOf(filter!).map((plane, k) =>
        tf.conv2d(
          ...([imagesUnder(volume, k, windows), plane, inPlane(windows.strides), "valid", "NHWC"] as const),
          inPlane(windows.dilations),
        ),
      );
      return tf.reshape(tf.addN(planes), [x!.shape[0]!, ...windows.out, filter!.shape[4]!]);
    },
    Conv3DBackpropInputV2: ({ dy, filter }, attributes) => {
      const shape = attributes.inputShape as Five;
      const windows = volumeWindowsOf(shape, sidesOfFilter(filter!.shape), attributes);
      const [batch, depth, height, width, channels] = paddedShape(shape, windows) as Five;
      const images = imagesOf(dy!);
      const volumes = planesOf(filter!).map((plane, k) => {
        const imageShape: [number, number, number, number] = [
          batch * windows.out[0]!,
          height,
          width,
          channels,
        ];
        const spread = tf.conv2dTranspose(images, plane, imageShape, inPlane(windows.strides), "valid");
        return volumeOf(spread, k, depth, windows);
      });
      return unpadded(tf.addN(volumes), shape, windows);
    },
    Conv3DBackpropFilterV2: ({ x, dy }, attributes) => {
      const shape = attributes.filterShape as Five;
      const windows = volumeWindowsOf(x!.shape, sidesOfFilter(shape), attributes);
      const volume = padded(x!, windows);
      const images = imagesOf(dy!);
      const planes = Array.from({ length: shape[0] }, (_, k) =>
        tf.engine().runKernel(
          "Conv2DBackpropFilter",
          { x: imagesUnder(volume, k, windows), dy: images },
          {
            ...{ strides: inPlane(windows.strides), pad: "valid", dataFormat: "NHWC" },
            filterShape: shape.slice(1),
          },
        ),
      );
      return tf.stack(planes as tf.Tensor[]);
    },
  } satisfies Record<string, CorrectedKernel>,
  gradients: [
    {
      kernelName: "Conv3DBackpropInputV2",
      inputsToSave: ["dy", "filter"],
      gradFunc: (upstream, saved, attributes) => {
        const [dy, filter] = saved as [tf.Tensor, tf.Tensor];
        const { strides, pad } = attributes as { strides: number; pad: "same" | "valid" };
        return {
          dy: () => tf.conv3d(upstream as tf.Tensor5D, filter as tf.Tensor5D, strides, pad),
          filter: () =>
            tf
              .engine()
              .runKernel(
                "Conv3DBackpropFilterV2",
                { x: upstream as tf.Tensor, dy },
                { strides, pad, filterShape: filter.shape },
              ) as tf.Tensor,
        };
      },
    },
  ],
};

/** Of a shape [depth, height, width, in, out]. */
const sidesOfFilter = (shape: readonly number[]) => shape.slice(0, 3);

/** A filter's planes, [height, width, in, out] each. */
const planesOf = (filter: tf.Tensor) => tf.unstack(filter) as tf.Tensor4D[];
