import * as tf from "@tensorflow/tfjs-core";
import type { CorrectedKernel, Correction } from "./correction.js";

/** Which inputs an output is made of, along one side. */
type Sources = readonly (readonly [input: number, share: number])[];

/**
 * Gradients of resized images, each output given back to the inputs that it is made of. In tfjs 4.22 the plain JavaScript
 * writes every example's gradient over the first one's, and takes heights for widths in the bilinear one.
 */
export const resizing: Correction = {
  backends: ["cpu"],
  kernels: {
    ResizeNearestNeighborGrad: gradient((at, input, { alignCorners }) => [
      [Math.min(input - 1, alignCorners ? Math.round(at) : Math.floor(at)), 1],
    ]),
    ResizeBilinearGrad: gradient((at, input) => {
      const lower = Math.max(0, Math.floor(at));
      const share = at - lower;
      return [
        [lower, 1 - share],
        [Math.min(input - 1, Math.ceil(at)), share],
      ];
    }, true),
  },
};

function gradient(
  sourcesAt: (at: number, input: number, attributes: tf.NamedAttrMap) => Sources,
  isCentred = false,
): CorrectedKernel {
  return ({ images, dy }, attributes) => {
    const [batch, height, width, channels] = images!.shape as [number, number, number, number];
    const [, rows, columns] = dy!.shape as [number, number, number, number];
    const { alignCorners, halfPixelCenters } = attributes;
    const along = (input: number, output: number) => {
      const isAligned = alignCorners === true && output > 1;
      const scale = isAligned ? (input - 1) / (output - 1) : input / output;
      return Array.from({ length: output }, (_, k) => {
        const centre = isCentred ? Math.max(0, (k + 0.5) * scale - 0.5) : (k + 0.5) * scale;
        return sourcesAt(halfPixelCenters === true ? centre : k * scale, input, attributes);
      });
    };
    const [vertical, horizontal] = [along(height, rows), along(width, columns)];
    const upstream = dy!.dataSync();
    const out = new Float32Array(images!.size);
    let at = 0;
    for (let b = 0; b < batch; b++) {
      for (const fromRows of vertical) {
        for (const fromColumns of horizontal) {
          for (const [row, rowShare] of fromRows) {
            for (const [column, columnShare] of fromColumns) {
              const to = ((b * height + row) * width + column) * channels;
              const share = rowShare * columnShare;
              for (let c = 0; c < channels; c++) out[to + c]! += share * upstream[at + c]!;
            }
          }
          at += channels;
        }
      }
    }
    return tf.tensor(out, images!.shape);
  };
}
