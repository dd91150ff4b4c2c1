import * as tf from "@tensorflow/tfjs-core";
import { initializers, layers } from "@tensorflow/tfjs-layers";

export interface CausalAttentionConfig {
  /** Attention heads; divides the width of the input. */
  readonly heads: number;
  /** Seeds of the two kernels. */
  readonly seeds: readonly [number, number];
  readonly name?: string;
}

/** Added to scores of later positions: softmax makes exactly 0 of it in float32. */
const MASKED = -1e9;

/**
 * Self-attention in which a position sees itself and those before it.
 *
 * Input and output [batch, positions, width]; the width is shared out among the heads.
 *
 * @see Vaswani et al. 2017, “Attention Is All You Need”, §3.2
 */
export class CausalAttention extends layers.Layer {
  static className = "CausalAttention";
  private readonly heads: number;
  private readonly seeds: readonly [number, number];
  private weightsOfLayer!: { read(): tf.Tensor }[];

  constructor({ heads, seeds, ...rest }: CausalAttentionConfig) {
    super(rest);
    this.heads = heads;
    this.seeds = seeds;
  }

  override build(inputShape: (number | null)[]): void {
    const width = inputShape.at(-1)!;
    if (width % this.heads !== 0) {
      throw new Error(`a width of ${width} cannot be shared out among ${this.heads} heads`);
    }
    const [inSeed, outSeed] = this.seeds;
    const uniform = (seed: number) => initializers.glorotUniform({ seed });
    this.weightsOfLayer = [
      this.addWeight("kernel", [width, 3 * width], "float32", uniform(inSeed)),
      this.addWeight("bias", [3 * width], "float32", initializers.zeros()),
      this.addWeight("output_kernel", [width, width], "float32", uniform(outSeed)),
      this.addWeight("output_bias", [width], "float32", initializers.zeros()),
    ];
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    return tf.tidy(() => {
      const [batch, positions, width] = x.shape as [number, number, number];
      const depth = width / this.heads;
      const [kernel, bias, outputKernel, outputBias] = this.weightsOfLayer.map((weight) => weight.read());

      const rows = tf.reshape(x, [batch * positions, width]);
      const joint = tf.add(tf.matMul(rows, kernel!), bias!);
      const parts = tf.split(joint, 3, 1);
      const [queries, keys, values] = parts.map((part) =>
        tf.transpose(tf.reshape(part, [batch, positions, this.heads, depth]), [0, 2, 1, 3]),
      );
      const scores = tf.matMul(tf.mul(queries!, 1 / Math.sqrt(depth)), keys!, false, true);
      const shares = tf.softmax(tf.add(scores, laterPositions(positions)));
      const mixed = tf.transpose(tf.matMul(shares, values!), [0, 2, 1, 3]);
      const out = tf.add(
        tf.matMul(tf.reshape(mixed, [batch * positions, width]), outputKernel!),
        outputBias!,
      );
      return tf.reshape(out, x.shape);
    });
  }

  override getConfig() {
    return { ...super.getConfig(), heads: this.heads, seeds: [...this.seeds] };
  }
}
tf.serialization.registerClass(CausalAttention);

/** 0 where a position (row) may look, {@link MASKED} where it may not: [positions, positions]. */
function laterPositions(positions: number): tf.Tensor {
  const mask = new Float32Array(positions * positions);
  for (let row = 0; row < positions; row++) {
    mask.fill(MASKED, row * positions + row + 1, (row + 1) * positions);
  }
  return tf.tensor2d(mask, [positions, positions]);
}
