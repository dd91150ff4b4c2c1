/** The weights of a layers model: those that lie in the model vector, those that stay with the peer, and those that stay as they are. */
import type * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { readInto, writeInto } from "../backends/memory.js";
import { InvalidData, InvalidExperiment } from "../foundation/errors.js";
import { createLayout, type Layout } from "../vectors/layout.js";
import type { TensorGroup } from "../vectors/state.js";
import type { Vector } from "../vectors/vector.js";
import { freeze, type Layer, leavesOf, tensorName } from "./layers-freezing.js";

type Weight = Layer["weights"][number];

export interface ModelWeights {
  /** All layers in order, those inside nested models included. */
  readonly layers: readonly Layer[];
  /** Of the trainable weights, in the order of `model.trainableWeights`. */
  readonly layout: Layout;
  /** The trainable weights, tensor by tensor of the layout. */
  readonly variables: readonly tf.Variable[];
  /** Weights that layers which learn update themselves, such as running statistics. */
  readonly local: TensorGroup;
  /** Weights that nothing changes. */
  readonly frozen: TensorGroup;
  /** Writes the trainable weights that the model had when this was made. */
  initialize(out: Vector): void;
  /** Sets the trainable weights. */
  upload(vector: Vector): void;
}

interface Named {
  readonly name: string;
  readonly shape: readonly number[];
  readonly variable: tf.Variable;
}

/**
 * @param trainable patterns of what learns, see `layers-freezing.ts`; what they leave out is frozen in the model
 * @throws InvalidExperiment no trainable weights, weights that cannot be read at once, or patterns that do not fit
 */
export function weightsOf(model: LayersModel, trainable: readonly string[] = ["*"]): ModelWeights {
  const leaves = freeze(leavesOf(model.layers), trainable);
  const names = new Map(
    leaves.flatMap((leaf) => leaf.layer.weights.map((weight) => [weight.id, tensorName(leaf, weight)])),
  );
  const named = (weights: readonly Weight[]): Named[] =>
    weights
      .filter(({ shape }) => shape.every((side) => side !== 0))
      .map((weight, i) => ({
        name: names.get(weight.id) ?? `weight${i + 1}`,
        shape: weight.shape as number[],
        variable: weight.read() as tf.Variable,
      }));
  const learning = named(model.trainableWeights);
  if (learning.length === 0) {
    throw new InvalidExperiment(`model ${model.name} has no trainable weights: add a trainable layer`, {
      code: "no-trainable-weights",
      field: "model",
    });
  }
  const layout = createLayout(learning.map(({ name, shape }) => ({ name, shape })));
  const variables = learning.map(({ variable }) => variable);
  const start = variables.map((variable) => startOf(variable, model));
  const statistics = new Set(leaves.flatMap((leaf) => leaf.statistics.map(({ id }) => id)));
  const others = model.nonTrainableWeights;

  return {
    layers: leaves.map(({ layer }) => layer),
    layout,
    variables,
    local: groupOf(model, named(others.filter(({ id }) => statistics.has(id)))),
    frozen: groupOf(model, named(others.filter(({ id }) => !statistics.has(id)))),
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
  };
}

function groupOf(model: LayersModel, tensors: readonly Named[]): TensorGroup {
  return {
    shapes: Object.fromEntries(tensors.map(({ name, shape }) => [name, shape])),
    async read() {
      const values: Record<string, Float32Array> = {};
      for (const { name, variable } of tensors) {
        values[name] = new Float32Array(variable.size);
        await readInto(variable, values[name]);
      }
      return values;
    },
    write(values) {
      const given = Object.keys(values);
      const fits = tensors.every(({ name, variable }) => values[name]?.length === variable.size);
      if (!fits || given.length !== tensors.length) {
        throw new InvalidData(
          `the state does not fit model ${model.name}: it has ${given.join(", ") || "nothing"}, and the model needs ${tensors.map(({ name, variable }) => `${name} of ${variable.size} numbers`).join(", ") || "nothing"}`,
          { code: "state-of-another-model" },
        );
      }
      for (const { name, variable } of tensors) writeInto(variable, values[name]!);
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
