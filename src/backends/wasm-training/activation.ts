import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import type { Context } from "./context.js";

/** Activations that a tile applies before it is stored, with their codes in assembly/tiles.ts. */
const IN_TILE: Record<string, number> = { linear: 0, relu: 1, relu6: 2 };
/** Activations that follow as a kernel of their own. */
const AFTERWARDS: Record<string, string> = {
  elu: "Elu",
  leakyrelu: "LeakyRelu",
  prelu: "Prelu",
  sigmoid: "Sigmoid",
};

/** The code of the activation that tiles apply. */
export function tileActivation(attributes: NamedAttrMap): number {
  return IN_TILE[attributes.activation as string] ?? 0;
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
