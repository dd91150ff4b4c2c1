import * as tf from "@tensorflow/tfjs-core";
import { initializers, layers } from "@tensorflow/tfjs-layers";

export interface TokenEmbeddingConfig {
  /** Count of different tokens. */
  readonly vocabulary: number;
  /** Numbers per token. */
  readonly width: number;
  /** Seeds of the two tables. */
  readonly seeds: readonly [number, number];
  readonly name?: string;
}

/** Standard deviation of the initial tables. */
const INITIAL_DEVIATION = 0.02;

/**
 * Learned vectors for tokens plus learned vectors for positions.
 *
 * Input [batch, positions] of token numbers 0 … vocabulary − 1, output [batch, positions, width].
 */
export class TokenEmbedding extends layers.Layer {
  static className = "TokenEmbedding";
  private readonly vocabulary: number;
  private readonly width: number;
  private readonly seeds: readonly [number, number];
  private tokens!: { read(): tf.Tensor };
  private positions!: { read(): tf.Tensor };

  constructor({ vocabulary, width, seeds, ...rest }: TokenEmbeddingConfig) {
    super(rest);
    this.vocabulary = vocabulary;
    this.width = width;
    this.seeds = seeds;
  }

  override build(inputShape: (number | null)[]): void {
    const [tokenSeed, positionSeed] = this.seeds;
    const normal = (seed: number) => initializers.randomNormal({ mean: 0, stddev: INITIAL_DEVIATION, seed });
    this.tokens = this.addWeight("tokens", [this.vocabulary, this.width], "float32", normal(tokenSeed));
    this.positions = this.addWeight(
      "positions",
      [inputShape[1]!, this.width],
      "float32",
      normal(positionSeed),
    );
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    return tf.tidy(() => tf.add(tf.gather(this.tokens.read(), tf.cast(x, "int32")), this.positions.read()));
  }

  override computeOutputShape(inputShape: (number | null)[]): (number | null)[] {
    return [...inputShape, this.width];
  }

  override getConfig() {
    return {
      ...super.getConfig(),
      vocabulary: this.vocabulary,
      width: this.width,
      seeds: [...this.seeds],
    };
  }
}
tf.serialization.registerClass(TokenEmbedding);
