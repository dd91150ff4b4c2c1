import type { CorrectedKernel, Correction } from "./correction.js";
import { padded, sidesOf, windowsOf } from "./windows.js";

/** With padding written out where the filter is smaller than its stride: tfjs 4.22 places its windows wrongly there. */
const withPadding: CorrectedKernel = ({ x, filter, ...others }, attributes, stock) => {
  const [sides, strides] = [filter!.shape.slice(0, 2), sidesOf(attributes.strides, 2)];
  const isSmall = attributes.pad === "same" && sides.some((side, k) => side < strides[k]!);
  if (!isSmall) return stock({ x: x!, filter: filter!, ...others }, attributes);
  const dilations = sidesOf(attributes.dilations ?? 1, 2);
  const windows = windowsOf(x!.shape.slice(1, -1), sides, strides, "same", dilations);
  return stock({ x: padded(x!, windows), filter: filter!, ...others }, { ...attributes, pad: "valid" });
};

export const depthwise: Correction = {
  backends: ["wasm"],
  kernels: { DepthwiseConv2dNative: withPadding, FusedDepthwiseConv2D: withPadding },
};
