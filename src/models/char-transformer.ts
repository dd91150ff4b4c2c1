import type { SymbolicTensor } from "@tensorflow/tfjs-layers";
import { z } from "zod";
import { InvalidExperiment } from "../foundation/errors.js";
import type { ModelKind } from "../model.js";
import { initialSeeds } from "./initial.js";

/** Width of a block's inner layer, in widths of the block. */
const INNER_WIDTHS = 4;

const settings = z.strictObject({
  kind: z.literal("char-transformer"),
  width: z.int().min(1).default(64).describe("numbers per position"),
  heads: z.int().min(1).default(4).describe("attention heads; divides the width"),
  blocks: z.int().min(1).max(64).default(2).describe("blocks of attention and two dense layers"),
});

/**
 * A small transformer that predicts the next token at every position: token and position embeddings, blocks of
 * causal self-attention and a two-layer perceptron, each behind layer normalisation and around a shortcut, then
 * layer normalisation and one dense layer to the vocabulary.
 *
 * @see Vaswani et al. 2017, “Attention Is All You Need”, §3; Xiong et al. 2020, “On Layer Normalization in the
 *   Transformer Architecture”, §3 (normalisation before each part)
 */
export const charTransformer: ModelKind<typeof settings> = {
  settings,
  async create({ width, heads, blocks }, { inputShape, outputs, classes = outputs, seed }) {
    if (inputShape.length !== 1) {
      throw new InvalidExperiment(
        `model char-transformer takes a sequence of tokens, but an example has shape [${inputShape.join(", ")}]: use the data set text`,
        { code: "model-needs-tokens", field: "model.kind" },
      );
    }
    if (width % heads !== 0) {
      throw new InvalidExperiment(
        `model char-transformer: width ${width} is not divisible by ${heads} heads: change one`,
        { code: "heads-do-not-divide-width", field: "model.width" },
      );
    }
    const [
      { initializers, input, layers, model },
      { TokenEmbedding },
      { CausalAttention },
      { GroupNormalization },
    ] = await Promise.all([
      import("@tensorflow/tfjs-layers"),
      import("./layers/token-embedding.js"),
      import("./layers/causal-attention.js"),
      import("./layers/group-normalization.js"),
    ]);
    const next = initialSeeds(seed);
    const seeds = (): [number, number] => [next().seed, next().seed];
    // tfjs's own layer normalisation computes its gradient position by position.
    const normalized = (x: SymbolicTensor) =>
      new GroupNormalization({ groups: 1, perPosition: true }).apply(x) as SymbolicTensor;
    const plus = (x: SymbolicTensor, y: unknown) =>
      layers.add().apply([x, y as SymbolicTensor]) as SymbolicTensor;
    const dense = (x: SymbolicTensor, units: number, activation?: "relu") =>
      layers
        .dense({
          units,
          ...(activation && { activation }),
          kernelInitializer: initializers.glorotUniform(next()),
        })
        .apply(x) as SymbolicTensor;

    const inputs = input({ shape: [...inputShape] });
    let x = new TokenEmbedding({ vocabulary: classes, width, seeds: seeds() }).apply(
      inputs,
    ) as SymbolicTensor;
    for (let block = 0; block < blocks; block++) {
      x = plus(x, new CausalAttention({ heads, seeds: seeds() }).apply(normalized(x)));
      x = plus(x, dense(dense(normalized(x), INNER_WIDTHS * width, "relu"), width));
    }
    return model({ inputs, outputs: dense(normalized(x), outputs) });
  },
};
