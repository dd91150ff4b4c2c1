/** Every model there is. Adding one: a file here, and its name in the two lists. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { z } from "zod";
import type { ModelContext, ModelKind } from "../model.js";
import { charTransformer } from "./char-transformer.js";
import { cnn } from "./cnn.js";
import { mlp } from "./mlp.js";
import { module } from "./module.js";
import { resnet } from "./resnet.js";
import { softmax } from "./softmax.js";

const kinds = [mlp, softmax, cnn, resnet, charTransformer, module] as const;

/** Settings of any model, told apart by `kind`. */
export const modelSettings = z.discriminatedUnion("kind", [
  mlp.settings,
  softmax.settings,
  cnn.settings,
  resnet.settings,
  charTransformer.settings,
  module.settings,
]);
export type ModelSettings = z.output<typeof modelSettings>;

/** The model that these settings describe. The tfjs backend must be ready. */
export function createModel(settings: ModelSettings, context: ModelContext): Promise<LayersModel> {
  const kind = kinds.find((candidate) => candidate.settings.shape.kind.value === settings.kind)!;
  return (kind as ModelKind).create(settings, context);
}
