import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { activated, isUnknownActivation, tileActivation } from "./activation.js";
import type { Context } from "./context.js";
import { filterGradient } from "./convolution-filter.js";
import { inputGradient } from "./convolution-input.js";
import { tiledForward } from "./convolution-tiles.js";
import { input, isFloat, sizeOf, type TrainingKernel } from "./kernel.js";
import {
  aligned,
  convolve,
  dense,
  forGroups,
  groupOf,
  infoOf,
  inputSource,
  paddedBytes,
  panelBytes,
  strided,
} from "./windows.js";

/** Output pixels that a group of images should have, so that packing and padding stay in the cache yet calls are few. */
const GROUP_PIXELS = 256;

function forward(
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const x = input(inputs, "x");
  const filter = input(inputs, "filter");
  const { bias } = inputs;
  if (isUnknownActivation(attributes) || !isFloat(x, filter)) return undefined;
  const info = infoOf(x.shape, filter.shape, attributes);
  if (!info || sizeOf(info.outShape) * sizeOf(filter.shape) === 0) return undefined;
  const { batchSize, inChannels, outHeight, outWidth, outChannels } = info;
  const { filterHeight, filterWidth, strideHeight, strideWidth } = info;
  if (bias && !(bias.shape.length === 1 && bias.shape[0] === outChannels && isFloat(bias))) return undefined;

  const tiled = tiledForward(context, info, inputs, attributes);
  if (tiled) return tiled;
  const { assembly } = context;
  const out = context.output(info.outShape);
  const group = groupOf(batchSize, outHeight * outWidth, GROUP_PIXELS);
  const run = filterWidth * inChannels;
  const depth = filterHeight * run;
  const source = inputSource(info, context.address(x));

  const windowBytes = aligned(assembly.windowsScratchBytes(depth));
  const biasBytes = panelBytes(outChannels);
  const filterBytes = biasBytes * depth;
  const scratch = context.scratch(windowBytes + biasBytes + filterBytes + paddedBytes(source, group));
  const packedBias = scratch + windowBytes;
  const packedFilter = packedBias + biasBytes;
  assembly.packFilter(context.address(filter), depth, outChannels, packedFilter);
  if (bias) assembly.packFilter(context.address(bias), 1, outChannels, packedBias);

  const to = context.address(out);
  const { padding, pixel } = source;
  forGroups(assembly, source, group, packedFilter + filterBytes, (base, first, images) => {
    const padded = dense(base, padding.height, padding.width, pixel);
    const outImages = dense(to, outHeight, outWidth, outChannels * 4);
    convolve(assembly, {
      from: strided(padded, 0, 0, strideHeight, strideWidth),
      segment: padded.row,
      segments: filterHeight,
      run,
      to: { ...outImages, base: to + first * outImages.image },
      images,
      height: outHeight,
      width: outWidth,
      filter: packedFilter,
      outChannels,
      bias: bias ? packedBias : 0,
      activation: tileActivation(attributes),
      scratch,
    });
  });
  return activated(context, out, inputs, attributes);
}

export const conv2D: TrainingKernel = { name: "Conv2D", run: forward };
export const fusedConv2D: TrainingKernel = { name: "FusedConv2D", run: forward };
export const conv2DBackpropInput: TrainingKernel = { name: "Conv2DBackpropInput", run: inputGradient };
export const conv2DBackpropFilter: TrainingKernel = { name: "Conv2DBackpropFilter", run: filterGradient };
