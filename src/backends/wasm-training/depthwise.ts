import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { backend_util } from "@tensorflow/tfjs-core";
import type { DepthwiseGeometry } from "./assembly.js";
import type { Context } from "./context.js";
import { input, isFloat, sizeOf, type TrainingKernel } from "./kernel.js";

type Shape4 = [number, number, number, number];

/** The numbers that both kernels take after their addresses, or undefined where it is dilated. */
function geometryOf(x: number[], filter: number[], attributes: NamedAttrMap): DepthwiseGeometry | undefined {
  const { strides, dilations, pad, dimRoundingMode } = attributes as {
    strides: number | [number, number];
    dilations?: number | [number, number];
    pad: "valid" | "same" | number | backend_util.ExplicitPadding;
    dimRoundingMode?: "floor" | "round" | "ceil";
  };
  const info = backend_util.computeConv2DInfo(
    x as Shape4,
    filter as Shape4,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    true,
  );
  if (info.dilationHeight !== 1 || info.dilationWidth !== 1) return undefined;
  return [
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outChannels / info.inChannels,
    info.outHeight,
    info.outWidth,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.padInfo.top,
    info.padInfo.left,
  ];
}

function inputGradient(
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const dy = input(inputs, "dy");
  const filter = input(inputs, "filter");
  const shape = attributes.inputShape as number[];
  const geometry = geometryOf(shape, filter.shape, attributes);
  if (!geometry || !isFloat(dy, filter)) return undefined;
  const out = context.output(shape);
  context.assembly.zero(context.address(out), sizeOf(shape) * 4);
  context.assembly.depthwiseInputGradient(
    context.address(dy),
    context.address(filter),
    context.address(out),
    ...geometry,
  );
  return out;
}

function filterGradient(
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const x = input(inputs, "x");
  const dy = input(inputs, "dy");
  const shape = attributes.filterShape as number[];
  const geometry = geometryOf(x.shape, shape, attributes);
  if (!geometry || !isFloat(x, dy)) return undefined;
  const out = context.output(shape);
  context.assembly.zero(context.address(out), sizeOf(shape) * 4);
  context.assembly.depthwiseFilterGradient(
    context.address(x),
    context.address(dy),
    context.address(out),
    ...geometry,
  );
  return out;
}

export const depthwiseBackpropInput: TrainingKernel = {
  name: "DepthwiseConv2dNativeBackpropInput",
  run: inputGradient,
};
export const depthwiseBackpropFilter: TrainingKernel = {
  name: "DepthwiseConv2dNativeBackpropFilter",
  run: filterGradient,
};
