import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import type { Context } from "./context.js";

/** One kernel for the wasm backend. */
export interface TrainingKernel {
  /** tfjs's name of the kernel. */
  readonly name: string;
  /** The result or results, or undefined to leave this case to tfjs's own kernel. */
  run(
    context: Context,
    inputs: NamedTensorInfoMap,
    attributes: NamedAttrMap,
  ): TensorInfo | TensorInfo[] | undefined;
}

/** The named input, which the operation always passes. */
export function input(inputs: NamedTensorInfoMap, name: string): TensorInfo {
  const tensor = inputs[name];
  if (!tensor) throw new Error(`training kernels: input ${name} is missing`);
  return tensor;
}

export function isFloat(...tensors: TensorInfo[]): boolean {
  return tensors.every((tensor) => tensor.dtype === "float32");
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}
