/** Every model there is. Adding one: a file here, and its name in this list. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { z } from "zod";
import { kindOf, settingsOfAny } from "../kinds.js";
import type { ModelContext, ModelKind } from "../model.js";
import { mlp } from "./mlp.js";
import { softmax } from "./softmax.js";

const kinds = [mlp, softmax] as const;

/** Settings of any model, told apart by `kind`. */
export const modelSettings = settingsOfAny(kinds);
export type ModelSettings = z.output<typeof modelSettings>;

/** The model that these settings describe. The tfjs backend must be ready. */
export function createModel(settings: ModelSettings, context: ModelContext): Promise<LayersModel> {
  return (kindOf(kinds, settings) as ModelKind).create(settings, context);
}
