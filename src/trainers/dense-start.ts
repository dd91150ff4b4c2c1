/** What all peers of a dense model share: where it starts from, how it lies in the vector, and what peers compare of it. */
import type { Fingerprint } from "../exchange/fingerprint.js";
import type { Loss } from "../loss.js";
import type { ModelContext } from "../model.js";
import { createModel, type ModelSettings } from "../models/index.js";
import type { Layout } from "../vectors/layout.js";
import type { Vector } from "../vectors/vector.js";
import { type ModelShapes, requireOutputs, shapesOf } from "./layers-checks.js";
import { modelFingerprint } from "./layers-fingerprint.js";
import { weightsOf } from "./layers-weights.js";

export interface DenseStart {
  readonly name: string;
  readonly layout: Layout;
  readonly shapes: ModelShapes;
  readonly fingerprint: Fingerprint;
  initialize(out: Vector): void;
}

/**
 * Reads it off the layers model, so that a peer that trains without TensorFlow.js starts and compares as one that trains
 * with it. The tfjs backend must be ready.
 */
export async function readDenseStart(
  settings: ModelSettings,
  context: ModelContext,
  loss: Loss,
): Promise<DenseStart> {
  const model = await createModel(settings, context);
  try {
    const shapes = shapesOf(model, loss);
    requireOutputs(model, shapes, context.outputs, loss);
    const weights = weightsOf(model);
    const { layout, initialize } = weights;
    return {
      name: model.name,
      layout,
      shapes,
      initialize,
      fingerprint: await modelFingerprint(model, weights),
    };
  } finally {
    model.dispose();
  }
}
