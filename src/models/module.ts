import type { LayersModel } from "@tensorflow/tfjs-layers";
import { z } from "zod";
import { callExport, importExport } from "../datasets/user-module.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { ModelContext, ModelKind } from "../model.js";

const settings = z.strictObject({
  kind: z.literal("module"),
  path: z.string().min(1).describe("JavaScript module, from the working directory"),
  export: z.string().min(1).default("default").describe("the model, or a function that makes one"),
  options: z.record(z.string(), z.unknown()).default({}).describe("second argument of that function"),
});

/** What a module may export: a function is called once per peer and must draw its weights from `context.seed`. */
export type ModelFunction = (
  context: ModelContext,
  options: Readonly<Record<string, unknown>>,
) => LayersModel | Promise<LayersModel>;

/**
 * A model of the user's own: a module that exports a tf.LayersModel, which every peer gets a copy of, or a
 * {@link ModelFunction}. It ends in `context.outputs` logits or numbers, without an activation.
 *
 * @throws InvalidExperiment no model, or a function that makes different weights from the same seed
 */
export const module: ModelKind<typeof settings> = {
  settings,
  async create({ path, export: name, options }, context) {
    const exported = await importExport(path, name);
    if (typeof exported !== "function") return copyOf(requireModel(exported, path));

    const call = () => (exported as ModelFunction)(context, options);
    const make = async () => requireModel(await callExport(path, name, call), path);
    const [model, again] = [await make(), await make()];
    const isSeeded = haveEqualWeights(model, again);
    again.dispose();
    if (!isSeeded) {
      model.dispose();
      throw new InvalidExperiment(
        `model of ${path} has different weights each time it is created, so peers would not start equal: seed every initialiser from context.seed`,
        { code: "model-not-seeded", field: path },
      );
    }
    return model;
  },
};

/** Asked by what it can do, since the user's tfjs may be another copy than ours. */
function requireModel(value: unknown, path: string): LayersModel {
  const model = value as Partial<LayersModel> | null | undefined;
  if (
    typeof model?.apply !== "function" ||
    !Array.isArray(model.layers) ||
    !Array.isArray(model.trainableWeights)
  ) {
    throw new InvalidExperiment(
      `module ${path} does not export a tf.LayersModel: export one, or a function that returns one`,
      { code: "not-a-layers-model", field: path },
    );
  }
  return model as LayersModel;
}

function haveEqualWeights(a: LayersModel, b: LayersModel): boolean {
  const [ours, theirs] = [a, b].map((model) => model.getWeights().map((weight) => weight.dataSync()));
  return (
    ours!.length === theirs!.length &&
    ours!.every((values, i) => {
      const others = theirs![i]!;
      return values.length === others.length && values.every((value, k) => value === others[k]);
    })
  );
}

/** A model with the same layers and weights, for one peer to change. */
async function copyOf(model: LayersModel): Promise<LayersModel> {
  const { models } = await import("@tensorflow/tfjs-layers");
  const copy = await models.modelFromJSON(JSON.parse(model.toJSON() as string));
  copy.setWeights(model.getWeights());
  return copy;
}
