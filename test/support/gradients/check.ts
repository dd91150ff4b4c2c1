/**
 * One layer against its own central differences: the loss is a random linear functional of the output, and every
 * gradient (of each input and each weight) must agree with the loss's change along random directions.
 */
import * as tf from "@tensorflow/tfjs-core";
import { input, model, type SymbolicTensor } from "@tensorflow/tfjs-layers";
import { normal, random } from "../../../src/foundation/random.js";
import { refuseIgnoredSettings } from "../../../src/trainers/layers-checks.js";
import { type Numbers, sizeOf } from "./reference.js";

/** A layer, with what goes into it. */
export interface LayerCase {
  /** The row of the table. */
  readonly layer: string;
  /** What distinguishes the case from others of its layer. */
  readonly about: string;
  /** With the batch first. */
  readonly inputs: readonly (readonly number[])[];
  readonly build: (inputs: SymbolicTensor[]) => SymbolicTensor;
  /**
   * Where the inputs lie; `normal` where left out. `distinct`: no two alike, for maxima. `negative`: so, and all below 0.
   * `grid`: multiples of ½, weights too, and biases odd multiples of ⅛, so that no activation is at its kink.
   * `tokens`: whole numbers from 0 to 4, which have no gradient.
   */
  readonly numbers?: "normal" | "distinct" | "negative" | "grid" | "tokens";
  /** tfjs throws, or this package's trainer does: it has no gradient, or other settings than tfjs takes. */
  readonly refused?: true;
  /** The output in float64, computed independently. */
  readonly reference?: (inputs: readonly Numbers[], weights: readonly Numbers[]) => Numbers;
}

/** How far a case is from what it must be; each a fraction. */
export interface Errors {
  /** Of every gradient, by name: root mean square over directions, relative to the gradient's norm. */
  readonly gradients: Readonly<Record<string, number>>;
  /** Largest difference of the outputs from the reference's, relative to the largest output. */
  readonly output: number;
}

/** What float32 leaves of central differences, with margin; a gradient that is wrong is off by percents. */
export const GRADIENT_TOLERANCE = 3e-3;
export const OUTPUT_TOLERANCE = 1e-5;
const STEP = 2e-3;
const DIRECTIONS = 6;
/** Distance of neighbours among `distinct` numbers: more than two steps move them. */
const SPACING = 0.08;

/** What is computed, without the tensors that it took. */
export function scoped<Result>(compute: () => Result): Result {
  tf.engine().startScope();
  try {
    return compute();
  } finally {
    tf.engine().endScope();
  }
}

/** @throws what the layer throws, such as that it has no gradient */
export function checkLayer(subject: LayerCase, seed: number): Errors {
  const built = modelOf(subject);
  refuseIgnoredSettings(built.layers);
  const numbers = subject.numbers ?? "normal";
  const inputs = subject.inputs.map((shape, k) => ({
    name: subject.inputs.length > 1 ? `input ${k}` : "input",
    variable: tf.variable(tf.tensor(drawn(shape, numbers, random(seed, "input", k)), [...shape])),
  }));
  const weights = built.trainableWeights.map((weight, k) => {
    const variable = weight.read() as tf.Variable;
    const draws = random(seed, "weight", k);
    const isBias = weight.originalName.includes("bias");
    const values =
      numbers === "grid" ? gridded(variable.size, isBias, draws) : normals(variable.size, draws, 0.6);
    variable.assign(tf.tensor(values, variable.shape));
    return { name: weight.originalName.replace(/^.*\//, ""), variable };
  });
  const variables = [...(numbers === "tokens" ? [] : inputs), ...weights];
  const forward = () => {
    const tensors = inputs.map(({ variable }) => variable as tf.Tensor);
    return built.apply(tensors.length > 1 ? tensors : tensors[0]!, { training: true }) as tf.Tensor;
  };

  const output = scoped(() => numbersOf(forward()));
  const functional = normals(output.values.length, random(seed, "functional"), 1);
  const loss = () =>
    scoped(() => numbersOf(forward()).values.reduce((sum, value, k) => sum + value * functional[k]!, 0));
  const { taped, gradients } = gradientsOf(
    forward,
    functional,
    variables.map(({ variable }) => variable),
  );
  const errors: Record<string, number> = {};
  variables.forEach(({ name, variable }, k) => {
    const own = gradientError(variable, gradients[k]!, loss, (n) => random(seed, "direction", k, n));
    errors[name] = Math.max(errors[name] ?? 0, own);
  });
  const expected = subject.reference?.(
    inputs.map(({ variable }) => numbersOf(variable)),
    weights.map(({ variable }) => numbersOf(variable)),
  );
  // Training and evaluation may take other kernels for the same layer.
  const apart = Math.max(difference(taped, output), expected ? difference(output, expected) : 0);
  for (const { variable } of inputs) variable.dispose();
  built.dispose();
  return { gradients: errors, output: apart };
}

function modelOf({ inputs, build }: LayerCase) {
  const symbols = inputs.map((shape) => input({ batchShape: [...shape] }));
  return model({ inputs: symbols, outputs: build(symbols) });
}

type Draws = ReturnType<typeof random>;

function normals(length: number, draws: Draws, scale: number): Float32Array {
  return Float32Array.from({ length }, (_, k) => scale * normal(draws, k));
}

/** Multiples of ½ from -1 to 1; biases are odd multiples of ⅛. */
function gridded(length: number, isBias: boolean, draws: Draws): Float32Array {
  return Float32Array.from({ length }, (_, k) => {
    const whole = Math.floor(draws.uniform(k) * 5) - 2;
    return isBias ? whole / 4 + 1 / 8 : whole / 2;
  });
}

function drawn(
  shape: readonly number[],
  kind: NonNullable<LayerCase["numbers"]>,
  draws: Draws,
): Float32Array {
  const length = sizeOf(shape);
  if (kind === "normal") return normals(length, draws, 1);
  if (kind === "grid") return gridded(length, false, draws);
  if (kind === "tokens") return Float32Array.from({ length }, (_, k) => Math.floor(draws.uniform(k) * 5));
  const order = Array.from({ length }, (_, k) => k).sort((a, b) => draws.uniform(a) - draws.uniform(b));
  const first = kind === "negative" ? -SPACING * (length + 1) : -SPACING * (length / 2);
  return Float32Array.from(order, (place) => first + SPACING * (place + 0.25));
}

function numbersOf(tensor: tf.Tensor): Numbers {
  return { shape: tensor.shape, values: Float64Array.from(tensor.dataSync()) };
}

/** The output while gradients are recorded, and the gradient of each variable. */
function gradientsOf(forward: () => tf.Tensor, functional: Float32Array, variables: tf.Variable[]) {
  let taped: Numbers | undefined;
  const { value, grads } = tf.variableGrads(() => {
    const output = forward();
    taped = numbersOf(output);
    return tf.sum(tf.mul(output, tf.tensor(functional, output.shape))) as tf.Scalar;
  }, variables);
  const gradients = variables.map(({ name, size }) =>
    Float64Array.from(grads[name]?.dataSync() ?? new Float32Array(size)),
  );
  tf.dispose([value, grads]);
  return { taped: taped!, gradients };
}

/** Root mean square over directions of what the gradient and central differences say, relative to the gradient. */
function gradientError(
  variable: tf.Variable,
  gradient: Float64Array,
  loss: () => number,
  drawsOf: (direction: number) => Draws,
): number {
  const start = Float32Array.from(variable.dataSync());
  let squares = 0;
  let differences = 0;
  for (let n = 0; n < DIRECTIONS; n++) {
    const draws = drawsOf(n);
    const direction = Float64Array.from(start, (_, k) => Math.fround(normal(draws, k)));
    const moved = (steps: number) =>
      Float32Array.from(start, (value, k) => value + steps * STEP * direction[k]!);
    const lossAt = (at: Float32Array) => {
      tf.tidy(() => variable.assign(tf.tensor(at, variable.shape)));
      return loss();
    };
    // What was moved, as float32 has it.
    const [ahead, behind] = [moved(1), moved(-1)];
    const actual = gradient.reduce((sum, value, k) => sum + value * (ahead[k]! - behind[k]!), 0) / (2 * STEP);
    const near = (lossAt(ahead) - lossAt(behind)) / (2 * STEP);
    const far = (lossAt(moved(2)) - lossAt(moved(-2))) / (4 * STEP);
    // Of fourth order, so that curvature does not matter.
    const expected = (4 * near - far) / 3;
    squares += (actual - expected) ** 2;
    differences += expected ** 2;
  }
  tf.tidy(() => variable.assign(tf.tensor(start, variable.shape)));
  const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
  const size = Math.max(norm, Math.sqrt(differences / DIRECTIONS));
  const error = Math.sqrt(squares / DIRECTIONS);
  return size === 0 ? 0 : Number.isFinite(error) ? error / size : Number.POSITIVE_INFINITY;
}

function difference(actual: Numbers, expected: Numbers): number {
  if (actual.shape.join() !== expected.shape.join()) return Number.POSITIVE_INFINITY;
  const largest = expected.values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  let apart = 0;
  actual.values.forEach((value, k) => {
    const own = Math.abs(value - expected.values[k]!);
    apart = own <= apart ? apart : Number.isNaN(own) ? Number.POSITIVE_INFINITY : own;
  });
  return apart / largest;
}
