/** Every model there is. Adding one: a file here, and its name in this list. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { z } from "zod";
import type { ModelContext, ModelKind } from "../model.js";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import { charTransformer } from "./char-transformer.js";
import { cnn } from "./cnn.js";
import { mlp } from "./mlp.js";
import { module } from "./module.js";
import { resnet } from "./resnet.js";
import { softmax } from "./softmax.js";

const kinds = [mlp, softmax, cnn, resnet, charTransformer, module] as const;

/** Settings of any model, told apart by `kind`. */
export const modelSettings = settingsOfAny(kinds);
export type ModelSettings = z.output<typeof modelSettings>;

/** The model that these settings describe. The tfjs backend must be ready. */
export function createModel(settings: ModelSettings, context: ModelContext): Promise<LayersModel> {
  return (kindOf(kinds, settings) as ModelKind).create(settings, context);
}
