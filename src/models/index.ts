/** Every model there is. Adding one: a file here, and its name in this list. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { z } from "zod";
import type { ExamplesDescription } from "../dataset.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { ModelContext, ModelKind } from "../model.js";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import { charTransformer } from "./char-transformer.js";
import { cnn } from "./cnn.js";
import { mlp } from "./mlp.js";
import { module } from "./module.js";
import { resnet } from "./resnet.js";
import { softmax } from "./softmax.js";

const kinds = [mlp, softmax, cnn, resnet, charTransformer, module] as const;

/** Settings of any model, distinguished by `kind`. */
export const modelSettings = settingsOfAny(kinds);
export type ModelSettings = z.output<typeof modelSettings>;

/** What a model is made for: examples, and a loss that takes this many outputs. */
export function modelContext(
  { inputShape, targets }: ExamplesDescription,
  outputs: number,
  seed: number,
): ModelContext {
  return { inputShape, outputs, ...(targets.kind === "classes" && { classes: targets.count }), seed };
}

/**
 * The model that these settings describe. The tfjs backend must be ready.
 * @throws InvalidExperiment a tensor of more numbers than an array holds
 */
export async function createModel(settings: ModelSettings, context: ModelContext): Promise<LayersModel> {
  try {
    return await (kindOf(kinds, settings) as ModelKind).create(settings, context);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new InvalidExperiment(
      `model ${settings.kind} is too large to be made: ${cause.message}; use fewer units, outputs or inputs`,
      { code: "model-too-large", field: "model", cause },
    );
  }
}
