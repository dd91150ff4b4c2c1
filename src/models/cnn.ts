import { z } from "zod";
import type { ModelKind } from "../model.js";
import { imageShape } from "./images.js";
import { initialSeeds } from "./initial.js";

const settings = z.strictObject({
  kind: z.literal("cnn"),
  filters: z
    .array(z.int().min(1))
    .min(1)
    .max(8)
    .default([16, 32])
    .describe("filters of each convolution; every one is followed by a pooling that halves the sides"),
  kernelSize: z.int().min(1).max(15).default(5).describe("side of the convolutions' windows"),
  hidden: z.array(z.int().min(1)).max(8).default([]).describe("units of dense layers before the last"),
});

/**
 * A small convolutional network: for each of `filters` a convolution with ReLU and a 2 × 2 max pooling, then
 * dense layers. Weights start from He's normal distribution (the last layer from Glorot's), biases from zero.
 */
export const cnn: ModelKind<typeof settings> = {
  settings,
  async create({ filters, kernelSize, hidden }, { inputShape, outputs, seed }) {
    const { initializers, layers, sequential } = await import("@tensorflow/tfjs-layers");
    const next = initialSeeds(seed);
    const shape = imageShape("cnn", inputShape);
    const model = sequential();
    filters.forEach((count, index) => {
      model.add(
        layers.conv2d({
          filters: count,
          kernelSize,
          padding: "same",
          activation: "relu",
          kernelInitializer: initializers.heNormal(next()),
          ...(index === 0 && { inputShape: shape }),
        }),
      );
      model.add(layers.maxPooling2d({ poolSize: 2, padding: "same" }));
    });
    model.add(layers.flatten());
    for (const units of hidden) {
      model.add(
        layers.dense({ units, activation: "relu", kernelInitializer: initializers.heNormal(next()) }),
      );
    }
    model.add(layers.dense({ units: outputs, kernelInitializer: initializers.glorotNormal(next()) }));
    return model;
  },
};
