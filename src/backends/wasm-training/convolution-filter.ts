/** The gradient of a convolution with respect to its filter. */
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import type { Context } from "./context.js";
import { tiledFilterGradient } from "./convolution-tiles.js";
import { input, isFloat, sizeOf } from "./kernel.js";
import {
  aligned,
  dense,
  forGroups,
  groupOf,
  infoOf,
  inputSource,
  paddedBytes,
  paddingOf,
  strided,
} from "./windows.js";

/** Pixels of dy that a group of small images, or a part of one image, should have. */
const GROUP_PIXELS = 512;
/** From so many pixels on an image goes through by itself, which packs less. */
const ALONE_PIXELS = 128;

export function filterGradient(
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const x = input(inputs, "x");
  const dy = input(inputs, "dy");
  const filterShape = attributes.filterShape as number[];
  const info = infoOf(x.shape, filterShape, attributes);
  if (!info || !isFloat(x, dy)) return undefined;
  const { batchSize, inChannels, outHeight, outWidth, outChannels } = info;
  const { filterHeight, filterWidth, strideHeight, strideWidth } = info;
  const { assembly } = context;
  const out = context.output(filterShape);
  const to = context.address(out);
  assembly.zero(to, sizeOf(filterShape) * 4);
  if (sizeOf(info.outShape) * sizeOf(info.inShape) === 0) return out;
  if (tiledFilterGradient(context, info, x, dy, to)) return out;

  const run = filterWidth * inChannels;
  const padding = paddingOf(info);
  // Tiles of four rows read past the last window where `run` is no multiple of four.
  const copied = padding.copied || run % 4 !== 0;
  const source = inputSource(info, context.address(x), { ...padding, copied });
  const pixels = outHeight * outWidth;
  const group = pixels < ALONE_PIXELS ? groupOf(batchSize, pixels, GROUP_PIXELS) : 1;
  const chunk = group > 1 ? outHeight : Math.max(1, Math.min(outHeight, Math.ceil(GROUP_PIXELS / outWidth)));
  const gradientBytes = aligned(
    assembly.filterGradientScratchBytes(group, chunk, outWidth, outChannels, filterHeight),
  );
  const scratch = context.scratch(gradientBytes + paddedBytes(source, group));
  const dyFrom = context.address(dy);
  const dyRow = outWidth * outChannels * 4;
  forGroups(assembly, source, group, scratch + gradientBytes, (base, first, images) => {
    const padded = dense(base, padding.height, padding.width, source.pixel);
    for (let y = 0; y < outHeight; y += chunk) {
      const from = strided(padded, y * strideHeight, 0, strideHeight, strideWidth);
      assembly.filterGradient(
        from.base,
        from.image,
        from.row,
        from.pixel,
        padded.row,
        dyFrom + (first * outHeight + y) * dyRow,
        images,
        Math.min(chunk, outHeight - y),
        outWidth,
        filterHeight,
        run,
        outChannels,
        to,
        scratch,
      );
    }
  });
  return out;
}
