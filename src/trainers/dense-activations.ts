/** Activations of hidden layers and their slopes, each in place; as TensorFlow.js defines them. */

export interface DenseActivation {
  apply(values: Float32Array): void;
  /** Multiplies gradients by the slope, which is known from what the activation returned. */
  multiplyBySlope(gradients: Float32Array, outputs: Float32Array): void;
}

/** Klambauer et al. 2017, “Self-normalizing neural networks”, §2: fixed point at mean 0 and variance 1. */
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** From an activation of one number and its slope in terms of its output. */
function elementwise(value: (x: number) => number, slopeAt: (output: number) => number): DenseActivation {
  return {
    apply(values) {
      for (let k = 0; k < values.length; k++) values[k] = value(values[k]!);
    },
    multiplyBySlope(gradients, outputs) {
      for (let k = 0; k < gradients.length; k++) gradients[k]! *= slopeAt(outputs[k]!);
    },
  };
}

/** By the names that users write; relu is a kernel's. */
export const denseActivations = {
  tanh: elementwise(Math.tanh, (y) => 1 - y * y),
  sigmoid: elementwise(
    (x) => 1 / (1 + Math.exp(-x)),
    (y) => y * (1 - y),
  ),
  elu: elementwise(
    (x) => (x >= 0 ? x : Math.expm1(x)),
    (y) => (y >= 0 ? 1 : y + 1),
  ),
  selu: elementwise(
    (x) => (x >= 0 ? SELU_SCALE * x : SELU_SCALE * SELU_ALPHA * Math.expm1(x)),
    (y) => (y >= 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA),
  ),
  softplus: elementwise(
    // log(1 + eˣ) without overflow.
    (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    (y) => -Math.expm1(-y),
  ),
} satisfies Record<string, DenseActivation>;
