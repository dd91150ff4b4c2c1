import type { SymbolicTensor } from "@tensorflow/tfjs-layers";
import { z } from "zod";
import { InvalidExperiment } from "../foundation/errors.js";
import type { ModelKind } from "../model.js";
import { imageShape } from "./images.js";
import { initialSeeds } from "./initial.js";

/** Stages of the network; each but the first halves the sides and doubles the filters. */
const STAGES = 3;

const settings = z.strictObject({
  kind: z.literal("resnet"),
  blocks: z
    .int()
    .min(1)
    .max(18)
    .default(3)
    .describe("blocks per stage n; the network has 6n + 2 layers, 20 by default"),
  filters: z.int().min(1).default(16).describe("filters of the first stage"),
  normalization: z
    .enum(["group", "batch"])
    .default("group")
    .describe("batch keeps running statistics, which stay with each peer and are not mixed"),
  groups: z.int().min(1).default(8).describe("groups of channels in group normalisation"),
});

/**
 * The residual network for small images: a 3 × 3 convolution, three stages of `blocks` blocks of two 3 × 3
 * convolutions, global average pooling and one dense layer. Where the shape changes, the shortcut is a
 * 1 × 1 convolution with normalisation. Weights start from He's normal distribution.
 *
 * Normalisation is by groups unless asked for otherwise: batch statistics are of one peer's data, and a mixed
 * model would be evaluated with statistics that belong to none of its parts.
 *
 * @see He et al. 2015, “Deep Residual Learning for Image Recognition”, §4.2
 */
export const resnet: ModelKind<typeof settings> = {
  settings,
  async create({ blocks, filters, normalization, groups }, { inputShape, outputs, seed }) {
    const [{ initializers, input, layers, model }, { GroupNormalization }] = await Promise.all([
      import("@tensorflow/tfjs-layers"),
      import("./layers/group-normalization.js"),
    ]);
    if (normalization === "group" && filters % Math.min(groups, filters) !== 0) {
      throw new InvalidExperiment(
        `model resnet: ${filters} filters cannot be divided into ${groups} equal groups: change one`,
        { code: "groups-do-not-divide-filters", field: "model.filters" },
      );
    }
    const next = initialSeeds(seed);

    function convolution(x: SymbolicTensor, count: number, kernelSize: number, strides: number) {
      const layer = layers.conv2d({
        filters: count,
        kernelSize,
        strides,
        padding: "same",
        useBias: false,
        kernelInitializer: initializers.heNormal(next()),
      });
      return normalized(layer.apply(x) as SymbolicTensor, count);
    }

    function normalized(x: SymbolicTensor, count: number) {
      const layer =
        normalization === "group"
          ? new GroupNormalization({ groups: Math.min(groups, count) })
          : layers.batchNormalization({});
      return layer.apply(x) as SymbolicTensor;
    }

    const relu = (x: SymbolicTensor) => layers.reLU().apply(x) as SymbolicTensor;

    function block(x: SymbolicTensor, count: number, strides: number) {
      const inner = convolution(relu(convolution(x, count, 3, strides)), count, 3, 1);
      const isSameShape = strides === 1 && x.shape.at(-1) === count;
      const shortcut = isSameShape ? x : convolution(x, count, 1, strides);
      return relu(layers.add().apply([inner, shortcut]) as SymbolicTensor);
    }

    const inputs = input({ shape: imageShape("resnet", inputShape) });
    let x = relu(convolution(inputs, filters, 3, 1));
    for (let stage = 0; stage < STAGES; stage++) {
      for (let index = 0; index < blocks; index++) {
        x = block(x, filters * 2 ** stage, stage > 0 && index === 0 ? 2 : 1);
      }
    }
    const pooled = layers.globalAveragePooling2d({}).apply(x) as SymbolicTensor;
    const last = layers.dense({ units: outputs, kernelInitializer: initializers.glorotNormal(next()) });
    return model({ inputs, outputs: last.apply(pooled) as SymbolicTensor });
  },
};
