/** The weights of a layers model: those that lie in the model vector, and those that stay with the peer. */
import type * as tf from "@tensorflow/tfjs-core";
import type { LayersModel, layers as layersModule } from "@tensorflow/tfjs-layers";
import { readInto, writeInto } from "../backends/memory.js";
import { InvalidData, InvalidExperiment } from "../foundation/errors.js";
import { createLayout, type Layout } from "../vectors/layout.js";
import type { NamedValues } from "../vectors/state.js";
import type { Vector } from "../vectors/vector.js";

type Layer = layersModule.Layer;
type Weight = Layer["weights"][number];

export interface ModelWeights {
  /** Of the trainable weights, in the order of `model.trainableWeights`. */
  readonly layout: Layout;
  /** The trainable weights, tensor by tensor of the layout. */
  readonly variables: readonly tf.Variable[];
  /** Shapes of the other weights, by name. */
  readonly localShapes: Readonly<Record<string, readonly number[]>>;
  /** Writes the trainable weights that the model had when this was made. */
  initialize(out: Vector): void;
  /** Sets the trainable weights. */
  upload(vector: Vector): void;
  /** Copies of the other weights, by name. */
  readLocal(): Promise<NamedValues>;
  /** Sets the other weights. @throws InvalidData names or lengths that are not theirs */
  writeLocal(values: NamedValues): void;
}

/**
 * @param layers all layers of the model, those inside nested models included
 * @throws InvalidExperiment no trainable weights, or weights that cannot be read at once
 */
export function weightsOf(model: LayersModel, layers: readonly Layer[]): ModelWeights {
  const names = namesOf(layers);
  const named = (weights: readonly Weight[]) =>
    weights
      .filter(({ shape }) => shape.every((side) => side !== 0))
      .map((weight, i) => ({
        name: names.get(weight.id) ?? `weight${i + 1}`,
        shape: weight.shape as number[],
        variable: weight.read() as tf.Variable,
      }));
  const trainable = named(model.trainableWeights);
  const local = named(model.nonTrainableWeights);
  if (trainable.length === 0) {
    throw new InvalidExperiment(`model ${model.name} has no trainable weights: add a trainable layer`, {
      code: "no-trainable-weights",
      field: "model",
    });
  }
  const layout = createLayout(trainable.map(({ name, shape }) => ({ name, shape })));
  const variables = trainable.map(({ variable }) => variable);
  const start = variables.map((variable) => startOf(variable, model));

  return {
    layout,
    variables,
    localShapes: Object.fromEntries(local.map(({ name, shape }) => [name, shape])),
    initialize(out) {
      layout.tensors.forEach(({ offset }, i) => {
        out.set(start[i]!, offset);
      });
    },
    upload(vector) {
      layout.tensors.forEach(({ offset, length }, i) => {
        writeInto(variables[i]!, vector.subarray(offset, offset + length));
      });
    },
    async readLocal() {
      const values: Record<string, Float32Array> = {};
      for (const { name, variable } of local) {
        values[name] = new Float32Array(variable.size);
        await readInto(variable, values[name]);
      }
      return values;
    },
    writeLocal(values) {
      const given = Object.keys(values);
      const fits = local.every(({ name, variable }) => values[name]?.length === variable.size);
      if (!fits || given.length !== local.length) {
        throw new InvalidData(
          `the state does not fit model ${model.name}: it has ${given.join(", ") || "nothing"}, and the model needs ${local.map(({ name, variable }) => `${name} of ${variable.size} numbers`).join(", ") || "nothing"}`,
          { code: "state-of-another-model" },
        );
      }
      for (const { name, variable } of local) writeInto(variable, values[name]!);
    },
  };
}

/** What a variable holds before anything was computed. */
function startOf(variable: tf.Variable, model: LayersModel): Float32Array {
  try {
    return Float32Array.from(variable.dataSync());
  } catch (cause) {
    throw new InvalidExperiment(
      `the weights of model ${model.name} were computed by a backend that cannot be read synchronously: load them from arrays, or use another backend`,
      { code: "weights-not-readable", field: "model", cause },
    );
  }
}

/**
 * Names of weights by their ids. They count layers of a class within the model, for example `dense2/kernel`, because
 * tfjs's own names count all layers of the process and would differ between peers.
 */
function namesOf(layers: readonly Layer[]): Map<number, string> {
  const counts = new Map<string, number>();
  const names = new Map<number, string>();
  for (const layer of layers) {
    const className = layer.getClassName().toLowerCase();
    const count = (counts.get(className) ?? 0) + 1;
    counts.set(className, count);
    for (const { id, originalName } of layer.weights) {
      names.set(id, `${className}${count}/${originalName.split("/").at(-1)}`);
    }
  }
  return names;
}

/** All layers, those inside nested models included, in order. */
export function flatten(layers: readonly Layer[]): Layer[] {
  return layers.flatMap((layer) => {
    const nested = (layer as { layers?: Layer[] }).layers;
    return nested ? flatten(nested) : [layer];
  });
}
