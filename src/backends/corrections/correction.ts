/** What replaces a kernel or gradient of tfjs that is wrong or missing. */
import type { GradConfig, NamedAttrMap, Tensor } from "@tensorflow/tfjs-core";
import type { BackendKind } from "../../backend.js";

/**
 * A kernel that replaces a backend's own. It may compose operations of tfjs: what they compute is not recorded for
 * gradients, and what it leaves behind is freed.
 *
 * @param stock what tfjs computes
 */
export type CorrectedKernel = (
  inputs: Readonly<Record<string, Tensor>>,
  attributes: NamedAttrMap,
  stock: (inputs: Readonly<Record<string, Tensor>>, attributes: NamedAttrMap) => Tensor,
) => Tensor;

/** One fault of tfjs 4.22 with what is right; a new one is a file here and a line in `index.ts`. */
export interface Correction {
  /** The backends that have the fault. */
  readonly backends: readonly BackendKind["name"][];
  /** By tfjs's names of the kernels. */
  readonly kernels?: Readonly<Record<string, CorrectedKernel>>;
  /** Of kernels that have none; they hold for every backend. */
  readonly gradients?: readonly GradConfig[];
}
