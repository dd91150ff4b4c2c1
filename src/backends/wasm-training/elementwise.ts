import { input, isFloat, sizeOf, type TrainingKernel } from "./kernel.js";

/** dy where x > 0; our own name, used by the gradient of Relu (gradients.ts). */
export const reluGrad: TrainingKernel = {
  name: "ReluGrad",
  run(context, inputs) {
    const dy = input(inputs, "dy");
    const x = input(inputs, "x");
    const out = context.output(x.shape);
    context.assembly.reluGradient(
      context.address(dy),
      context.address(x),
      context.address(out),
      sizeOf(x.shape),
    );
    return out;
  },
};

/** The gradient of gather, so of embeddings. */
export const unsortedSegmentSum: TrainingKernel = {
  name: "UnsortedSegmentSum",
  run(context, inputs, attributes) {
    const x = input(inputs, "x");
    const segmentIds = input(inputs, "segmentIds");
    if (!isFloat(x) || segmentIds.dtype !== "int32") return undefined;
    const numSegments = attributes.numSegments as number;
    const rest = x.shape.slice(segmentIds.shape.length);
    const out = context.output([numSegments, ...rest]);
    context.assembly.segmentSum(
      context.address(x),
      context.address(segmentIds),
      context.address(out),
      sizeOf(segmentIds.shape),
      sizeOf(rest),
      numSegments,
    );
    return out;
  },
};
