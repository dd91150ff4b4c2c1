/** Which models compute without TensorFlow.js, and the network on which those of a process do. */
import type { BackendName } from "../backend.js";
import { type ExamplesDescription, sizeOf } from "../dataset.js";
import type { ModelSettings } from "../models/index.js";
import { EVALUATION_BATCH } from "./batches.js";
import { createDenseNetwork, type DenseNetwork, type DenseShape } from "./dense-network.js";
import { lastOf } from "./last-of.js";

/** Backends beside which our kernels are faster on dense models. */
const SLOWER: readonly BackendName[] = ["wasm", "auto"];

/**
 * Layers of a model that is nothing but dense layers, as `models/mlp.ts` builds it; undefined for any other, and where
 * another backend is asked for.
 */
export function denseShapeOf(
  model: ModelSettings,
  { inputShape }: Pick<ExamplesDescription, "inputShape">,
  outputs: number,
  backend: BackendName,
): DenseShape | undefined {
  if (!SLOWER.includes(backend)) return undefined;
  const inputs = sizeOf(inputShape);
  if (model.kind === "softmax") return { units: [inputs, outputs], activation: "relu" };
  if (model.kind !== "mlp") return undefined;
  return { units: [inputs, ...model.hidden, outputs], activation: model.activation };
}

const shareNetwork = lastOf<DenseNetwork>();

/** A network for at least `rows` examples at a time, the same one for all trainers of a model. */
export function denseNetworkFor(shape: DenseShape, rows: number, fastMath = false): DenseNetwork {
  // A power of two, so that peers with more and fewer examples share one.
  const most = 2 ** Math.ceil(Math.log2(Math.max(EVALUATION_BATCH, rows)));
  return shareNetwork([shape, most, fastMath], () => createDenseNetwork(shape, most, fastMath));
}
