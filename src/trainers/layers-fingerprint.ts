/** What a layers model computes, apart from its trainable weights: what peers of a run compare. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { digestOfNumbers } from "../datasets/digest-of-numbers.js";
import { digest, type Fingerprint, listed } from "../exchange/fingerprint.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { RUNNING } from "./layers-freezing.js";
import type { ModelWeights } from "./layers-weights.js";

/** Hexadecimal digits of a layer's digest. */
const LAYER_DIGITS = 12;

/** One layer in a model's configuration, as tfjs writes it for Keras. */
interface LayerSettings {
  readonly class_name: string;
  readonly name?: string;
  readonly config: Readonly<Record<string, unknown>> & { readonly name?: string };
}

/**
 * - `modelLayers`: class, activation and a digest of the settings and inputs of each layer, by which models of equal
 *   layout are distinguished. It is made of the model that was built, so the modules that build it may differ. What a
 *   custom layer leaves out of its `getConfig` is not seen.
 * - `frozenWeights`: digest of the weights that neither gradients nor layers change, by name; absent where there are none.
 *
 * @throws InvalidExperiment a layer whose `getConfig` fails
 */
export async function modelFingerprint(
  model: LayersModel,
  { local, frozen: unchanged }: Pick<ModelWeights, "local" | "frozen">,
): Promise<Fingerprint> {
  const frozen: [name: string, digest: string][] = [];
  const add = async (name: string, values: Float32Array) => {
    frozen.push([name, await digestOfNumbers(values)]);
  };
  for (const [name, values] of Object.entries(await unchanged.read())) await add(name, values);
  for (const [name, values] of Object.entries(await local.read())) {
    // Running statistics differ once peers have learned.
    if (!RUNNING.test(name)) await add(name, values);
  }
  return {
    modelLayers: listed(layersOf(model)),
    ...(frozen.length > 0 && { frozenWeights: digest(frozen) }),
  };
}

function layersOf(model: LayersModel): string[] {
  const { class_name, config } = settingsOf(model);
  const layers = config.layers as readonly LayerSettings[] | undefined;
  if (!Array.isArray(layers)) return [describe({ class_name, config }, new Map())];
  const numbers = new Map(layers.map((layer, k) => [layer.name ?? layer.config.name ?? "", k]));
  const { input_layers, output_layers } = config;
  const ends = input_layers
    ? [`inputs and outputs ${short(plain({ input_layers, output_layers }, numbers))}`]
    : [];
  return [...layers.map((layer) => describe(layer, numbers)), ...ends];
}

function settingsOf(model: LayersModel): LayerSettings {
  try {
    return JSON.parse(model.toJSON() as string);
  } catch (cause) {
    const [reason] = String(cause).split("\n");
    throw new InvalidExperiment(
      `model ${model.name} cannot be compared with those of other peers: ${reason}; correct getConfig of its layers`,
      { code: "model-not-described", field: "model", cause },
    );
  }
}

/** `Dense relu 0123456789ab` */
function describe(layer: LayerSettings, numbers: ReadonlyMap<string, number>): string {
  const { activation } = layer.config;
  const named = typeof activation === "string" && activation !== "linear" ? ` ${activation}` : "";
  return `${layer.class_name}${named} ${short(plain(layer, numbers))}`;
}

function short(settings: unknown): string {
  return digest(settings).slice(0, LAYER_DIGITS);
}

/**
 * Settings without names, which count all layers that a process has made, and without initialisers, of whose work the
 * initial model is proof. Where a layer names the layers before it, their numbers take the place of their names.
 */
function plain(settings: unknown, numbers: ReadonlyMap<string, number>, isReference = false): unknown {
  if (typeof settings === "string") return isReference ? (numbers.get(settings) ?? settings) : settings;
  if (Array.isArray(settings)) return settings.map((each) => plain(each, numbers, isReference));
  if (typeof settings !== "object" || settings === null) return settings;
  const { layers } = settings as { layers?: readonly LayerSettings[] };
  const known = Array.isArray(layers)
    ? new Map(layers.map((layer, k) => [layer.name ?? layer.config?.name ?? "", k]))
    : numbers;
  return Object.fromEntries(
    Object.entries(settings)
      .filter(([key]) => key !== "name" && !key.endsWith("_initializer"))
      .map(([key, value]) => {
        if (key === "inbound_nodes") return [key, plain(value, numbers, true)];
        const isEnd = key === "input_layers" || key === "output_layers";
        return [key, plain(value, known, isEnd || isReference)];
      }),
  );
}
