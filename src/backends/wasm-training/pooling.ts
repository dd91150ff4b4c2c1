import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { backend_util } from "@tensorflow/tfjs-core";
import type { PoolGeometry } from "./assembly.js";
import type { Context } from "./context.js";
import { input, isFloat, sizeOf, type TrainingKernel } from "./kernel.js";

function infoOf(x: TensorInfo, attributes: NamedAttrMap): backend_util.Conv2DInfo {
  const { filterSize, strides, pad, dimRoundingMode } = attributes as {
    filterSize: number | [number, number];
    strides: number | [number, number];
    pad: "valid" | "same" | number | backend_util.ExplicitPadding;
    dimRoundingMode?: "floor" | "round" | "ceil";
  };
  return backend_util.computePool2DInfo(
    x.shape as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
}

function gradient(
  kernel: "maxPoolGradient" | "averagePoolGradient",
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const x = input(inputs, "input");
  const dy = input(inputs, "dy");
  if (!isFloat(x, dy)) return undefined;
  const info = infoOf(x, attributes);
  const out = context.output(x.shape);
  const { assembly } = context;
  assembly.zero(context.address(out), sizeOf(x.shape) * 4);
  const geometry: PoolGeometry = [
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.padInfo.top,
    info.padInfo.left,
  ];
  if (kernel === "maxPoolGradient") {
    assembly.maxPoolGradient(context.address(x), context.address(dy), context.address(out), ...geometry);
  } else {
    // tfjs divides by the whole window even where it sticks out.
    const factor = 1 / (info.filterHeight * info.filterWidth);
    assembly.averagePoolGradient(context.address(dy), context.address(out), ...geometry, factor);
  }
  return out;
}

export const maxPoolGrad: TrainingKernel = {
  name: "MaxPoolGrad",
  run: (context, inputs, attributes) => gradient("maxPoolGradient", context, inputs, attributes),
};
export const averagePoolGrad: TrainingKernel = {
  name: "AvgPoolGrad",
  run: (context, inputs, attributes) => gradient("averagePoolGradient", context, inputs, attributes),
};
