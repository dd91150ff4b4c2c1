import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import type { Context } from "./context.js";

/** Codes of activations in `assembly/tiles.ts`. */
export const LINEAR = 0;
export const RELU = 1;
const RELU6 = 2;

/** Activations that a tile applies before it is stored. */
const IN_TILE: Record<string, number> = { linear: LINEAR, relu: RELU, relu6: RELU6 };
/** Activations that follow as a kernel of their own. */
const AFTERWARDS: Record<string, string> = {
  elu: "Elu",
  leakyrelu: "LeakyRelu",
  prelu: "Prelu",
  sigmoid: "Sigmoid",
};

/** The code of the activation that tiles apply. */
export function tileActivation(attributes: NamedAttrMap): number {
  return IN_TILE[attributes.activation as string] ?? LINEAR;
}

/** True for an activation that neither tiles nor a kernel afterwards can apply. */
export function isUnknownActivation(attributes: NamedAttrMap): boolean {
  const name = (attributes.activation as string | undefined) ?? "linear";
  return !(name in IN_TILE || name in AFTERWARDS);
}

/** `out` with the activation that tiles could not apply; `out` itself is given up. */
export function activated(
  context: Context,
  out: TensorInfo,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo {
  const name = AFTERWARDS[attributes.activation as string];
  if (!name) return out;
  const alpha = inputs.preluActivationWeights;
  return context.replace(
    out,
    name,
    name === "Prelu" && alpha ? { x: out, alpha } : { x: out },
    name === "LeakyRelu" ? { alpha: attributes.leakyreluAlpha as number } : ({} as NamedAttrMap),
  );
}
