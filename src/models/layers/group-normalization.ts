import * as tf from "@tensorflow/tfjs-core";
import { initializers, layers } from "@tensorflow/tfjs-layers";

export interface GroupNormalizationConfig {
  /** Groups that the channels (the last axis) fall into; divides their count. */
  readonly groups: number;
  /** Whether every position is normalised separately; with one group this is layer normalisation. False where left out. */
  readonly perPosition?: boolean;
  /** Added to variances. 1e-5 where left out. */
  readonly epsilon?: number;
  readonly name?: string;
}

/**
 * Group normalisation: within each example and each group of channels, numbers are brought to mean 0 and
 * variance 1, then scaled by γ and moved by β per channel. Unlike batch normalisation it has no running
 * statistics, so nothing of it stays behind when models are mixed.
 *
 * Input [batch, …, channels], output of the same shape; the positions between are normalised together unless
 * `perPosition` says otherwise.
 *
 * @see Wu and He 2018, “Group Normalization”, §3.1; Ba et al. 2016, “Layer Normalization”, §3
 */
export class GroupNormalization extends layers.Layer {
  static className = "GroupNormalization";
  private readonly groups: number;
  private readonly perPosition: boolean;
  private readonly epsilon: number;
  private gamma!: { read(): tf.Tensor };
  private beta!: { read(): tf.Tensor };

  constructor({ groups, perPosition = false, epsilon = 1e-5, ...rest }: GroupNormalizationConfig) {
    super(rest);
    this.groups = groups;
    this.perPosition = perPosition;
    this.epsilon = epsilon;
  }

  override build(inputShape: (number | null)[]): void {
    const channels = inputShape.at(-1)!;
    if (channels % this.groups !== 0) {
      throw new Error(`${channels} channels do not fall into ${this.groups} groups of equal size`);
    }
    this.gamma = this.addWeight("gamma", [channels], "float32", initializers.ones());
    this.beta = this.addWeight("beta", [channels], "float32", initializers.zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    return tf.tidy(() => {
      const channels = x.shape.at(-1)!;
      const batch = this.perPosition ? x.size / channels : x.shape[0]!;
      const flat = tf.reshape(x, [batch, x.size / (batch * channels), channels]) as tf.Tensor3D;
      const [gamma, beta] = [this.gamma.read(), this.beta.read()];
      const normalized = normalizeGroups(flat, gamma, beta, this.groups, this.epsilon);
      return tf.reshape(normalized, x.shape);
    });
  }

  override getConfig() {
    return {
      ...super.getConfig(),
      groups: this.groups,
      perPosition: this.perPosition,
      epsilon: this.epsilon,
    };
  }
}
tf.serialization.registerClass(GroupNormalization);

/** What a gradient needs of the forward pass. */
type Save = (tensors: tf.Tensor[]) => void;
type Triple = [tf.Tensor, tf.Tensor, tf.Tensor];

/**
 * y = γ · (x − μ_g) / √(σ²_g + ε) + β, with μ and σ² of each example's group of channels.
 *
 * With s = 1/√(σ² + ε), x̂ = (x − μ)·s and averages ⟨·⟩ over a group, dx = s · (γ·dy − ⟨γ·dy⟩ − x̂·⟨γ·dy·x̂⟩).
 * Either way it is one node of the tape: a kernel of our own where the backend has it, else tfjs's operations.
 *
 * @param x [batch, positions, channels]
 * @param gamma, beta [channels]
 */
export function normalizeGroups(
  x: tf.Tensor3D,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  groups: number,
  epsilon: number,
): tf.Tensor {
  const hasKernel = tf.getKernel("GroupNormalization", tf.getBackend()) !== undefined;
  return (hasKernel ? normalizeByKernel : normalizeByOperations)(x, gamma, beta, groups, epsilon);
}

function normalizeByKernel(
  x: tf.Tensor3D,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  groups: number,
  epsilon: number,
): tf.Tensor {
  const run = (name: string, inputs: tf.NamedTensorMap, attributes = {}) =>
    tf.engine().runKernel(name, inputs, attributes) as unknown as Triple;
  const normalize = tf.customGrad((...given) => {
    const [input, scale, shift, save] = given as unknown as [...Triple, Save];
    const attributes = { groups, epsilon };
    const [value, mean, inverse] = run(
      "GroupNormalization",
      { x: input, gamma: scale, beta: shift },
      attributes,
    );
    save([input, scale, mean, inverse]);
    return {
      value,
      gradFunc(dy: tf.Tensor, saved: tf.Tensor[]) {
        const [x, gamma, mean, inverse] = saved as [...Triple, tf.Tensor];
        return run("GroupNormalizationGrad", { dy, x, gamma, mean, inverse });
      },
    };
  });
  return normalize(x, gamma, beta);
}

/** Sums over positions are taken for every channel separately, so groups only appear in tensors of [batch, channels]. */
function normalizeByOperations(
  x: tf.Tensor3D,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  groups: number,
  epsilon: number,
): tf.Tensor {
  const [batch, positions, channels] = x.shape;
  const perGroup = channels / groups;
  // The numbers of one group are the same for all of its channels, so one group needs one number.
  const columns = groups === 1 ? 1 : channels;

  /** Mean over the group of what was summed over positions: [batch, channels] → [batch, 1, columns]. */
  function groupMean(sums: tf.Tensor): tf.Tensor {
    const totals = tf.sum(tf.reshape(sums, [batch, groups, perGroup]), 2, true);
    const means = tf.mul(totals, 1 / (positions * perGroup));
    const spread = groups === 1 ? means : tf.tile(means, [1, 1, perGroup]);
    return tf.reshape(spread, [batch, 1, columns]);
  }

  const normalize = tf.customGrad((...given) => {
    const [input, scale, shift, save] = given as unknown as [...Triple, Save];
    const mean = groupMean(tf.sum(input, 1));
    const centred = tf.sub(input, mean);
    const variance = groupMean(tf.sum(tf.square(centred), 1));
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const value = tf.add(tf.mul(centred, tf.mul(inverse, scale)), shift);
    save([centred, inverse, scale]);
    return {
      value,
      gradFunc(dy: tf.Tensor, saved: tf.Tensor[]) {
        const [xc, s, g] = saved as Triple;
        const sumDy = tf.sum(dy, 1);
        const sumDyX = tf.mul(tf.sum(tf.mul(dy, xc), 1), tf.reshape(s, [batch, columns]));
        const meanDy = groupMean(tf.mul(sumDy, g));
        const meanDyX = groupMean(tf.mul(sumDyX, g));
        // dx = dy·(γ·s) − xc·(s²·⟨γ·dy·x̂⟩) − s·⟨γ·dy⟩
        const dx = tf.sub(
          tf.sub(tf.mul(dy, tf.mul(g, s)), tf.mul(xc, tf.mul(tf.square(s), meanDyX))),
          tf.mul(s, meanDy),
        );
        return [dx, tf.sum(sumDyX, 0), tf.sum(sumDy, 0)];
      },
    };
  });
  return normalize(x, gamma, beta);
}
