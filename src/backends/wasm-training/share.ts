import type { NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import type { Context } from "./context.js";
import { input, type TrainingKernel } from "./kernel.js";

/** The same numbers under another tensor. tfjs's own copies them, and the tape saves every input this way. */
function share(context: Context, inputs: NamedTensorInfoMap): TensorInfo | undefined {
  const x = input(inputs, "x");
  return x.dtype === "string" ? undefined : context.share(x);
}

export const identity: TrainingKernel = { name: "Identity", run: share };

/** A cast to the type that the tensor already has; gradients are full of them. */
export const cast: TrainingKernel = {
  name: "Cast",
  run: (context, inputs, attributes) =>
    input(inputs, "x").dtype === attributes.dtype ? share(context, inputs) : undefined,
};
