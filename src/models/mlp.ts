import { z } from "zod";
import { sizeOf } from "../dataset.js";
import { random } from "../foundation/random.js";
import type { ModelKind } from "../model.js";

const settings = z.strictObject({
  kind: z.literal("mlp"),
  hidden: z.array(z.int().min(1)).max(64).default([64]).describe("units of each hidden layer"),
  activation: z
    .enum(["relu", "tanh", "sigmoid", "elu", "selu", "softplus"])
    .default("relu")
    .describe("activation of the hidden layers"),
});

/**
 * Multilayer perceptron: dense layers with an activation after each but the last. Weights start from the
 * uniform distribution of He (relu, elu, selu) or Glorot (the others), biases from zero.
 */
export const mlp: ModelKind<typeof settings> = {
  settings,
  async create({ hidden, activation }, { inputShape, outputs, seed }) {
    const { initializers, layers, sequential } = await import("@tensorflow/tfjs-layers");
    const rectifies = ["relu", "elu", "selu"].includes(activation);
    const model = sequential();
    [...hidden, outputs].forEach((units, index) => {
      const isOutput = index === hidden.length;
      const start = { seed: random(seed, "initialise", index).bits(0) };
      model.add(
        layers.dense({
          units,
          ...(index === 0 && { inputShape: [sizeOf(inputShape)] }),
          ...(!isOutput && { activation }),
          kernelInitializer:
            rectifies && !isOutput ? initializers.heUniform(start) : initializers.glorotUniform(start),
        }),
      );
    });
    return model;
  },
};
