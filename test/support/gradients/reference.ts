/**
 * What layers compute, in float64 and from their definitions: loops over every output and every number under its
 * window. Arrays are channels-last, [batch, …sides, channels].
 */

export interface Numbers {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** How a window moves, one entry a side. */
export interface Windows {
  readonly sides: readonly number[];
  readonly strides: readonly number[];
  readonly dilations?: readonly number[];
  readonly padding: "valid" | "same";
}

export const sizeOf = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);
export const zeros = (shape: readonly number[]): Numbers => ({
  shape,
  values: new Float64Array(sizeOf(shape)),
});

export function indexOf(shape: readonly number[], at: readonly number[]): number {
  return at.reduce((index, position, axis) => index * shape[axis]! + position, 0);
}

/** Every position of an array of this shape, in order. */
export function* positions(shape: readonly number[]): Generator<number[]> {
  const size = sizeOf(shape);
  for (let index = 0; index < size; index++) {
    const at = new Array<number>(shape.length);
    let rest = index;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    yield at;
  }
}

interface Geometry {
  readonly out: readonly number[];
  /** The places of a window at an output, with where each lies in the input; those outside are left out. */
  under(output: readonly number[]): Generator<{ readonly place: number[]; readonly from: number[] }>;
}

/** TensorFlow's definition of its paddings: “same” has ⌈side / stride⌉ outputs and the smaller half of padding first. */
export function geometryOf(input: readonly number[], windows: Windows): Geometry {
  const { sides, strides, padding, dilations = sides.map(() => 1) } = windows;
  const reach = sides.map((side, k) => (side - 1) * dilations[k]! + 1);
  const out = input.map((side, k) =>
    padding === "same" ? Math.ceil(side / strides[k]!) : Math.floor((side - reach[k]!) / strides[k]!) + 1,
  );
  const before = input.map((side, k) =>
    padding === "same" ? Math.floor(Math.max(0, (out[k]! - 1) * strides[k]! + reach[k]! - side) / 2) : 0,
  );
  return {
    out,
    *under(output) {
      for (const place of positions(sides)) {
        const from = place.map((p, k) => output[k]! * strides[k]! - before[k]! + p * dilations[k]!);
        if (from.every((position, k) => position >= 0 && position < input[k]!)) yield { place, from };
      }
    },
  };
}

const batchOf = ({ shape }: Numbers) => shape[0]!;
const channelsOf = ({ shape }: Numbers) => shape.at(-1)!;
const sidesOf = ({ shape }: Numbers) => shape.slice(1, -1);

/** @param kernel [...sides, in, out] */
export function convolve(x: Numbers, kernel: Numbers, windows: Omit<Windows, "sides">): Numbers {
  const [outputs, inputs] = [kernel.shape.at(-1)!, kernel.shape.at(-2)!];
  const { out, under } = geometryOf(sidesOf(x), { ...windows, sides: kernel.shape.slice(0, -2) });
  const y = zeros([batchOf(x), ...out, outputs]);
  for (const [b, ...rest] of positions([batchOf(x), ...out])) {
    for (const { place, from } of under(rest)) {
      for (let i = 0; i < inputs; i++) {
        const value = x.values[indexOf(x.shape, [b!, ...from, i])]!;
        for (let o = 0; o < outputs; o++) {
          y.values[indexOf(y.shape, [b!, ...rest, o])]! +=
            value * kernel.values[indexOf(kernel.shape, [...place, i, o])]!;
        }
      }
    }
  }
  return y;
}

/** The adjoint of a convolution. @param kernel [...sides, out, in] */
export function convolveTransposed(x: Numbers, kernel: Numbers, windows: Omit<Windows, "sides">): Numbers {
  const [inputs, outputs] = [kernel.shape.at(-1)!, kernel.shape.at(-2)!];
  const sides = kernel.shape.slice(0, -2);
  const large = sidesOf(x).map(
    (side, k) =>
      side * windows.strides[k]! +
      (windows.padding === "same" ? 0 : Math.max(0, sides[k]! - windows.strides[k]!)),
  );
  const { under } = geometryOf(large, { ...windows, sides });
  const y = zeros([batchOf(x), ...large, outputs]);
  for (const [b, ...rest] of positions(x.shape.slice(0, -1))) {
    for (const { place, from } of under(rest)) {
      for (let i = 0; i < inputs; i++) {
        const value = x.values[indexOf(x.shape, [b!, ...rest, i])]!;
        for (let o = 0; o < outputs; o++) {
          y.values[indexOf(y.shape, [b!, ...from, o])]! +=
            value * kernel.values[indexOf(kernel.shape, [...place, o, i])]!;
        }
      }
    }
  }
  return y;
}

/** @param kernel [...sides, channels, multiplier] */
export function convolveDepthwise(x: Numbers, kernel: Numbers, windows: Omit<Windows, "sides">): Numbers {
  const multiplier = kernel.shape.at(-1)!;
  const { out, under } = geometryOf(sidesOf(x), { ...windows, sides: kernel.shape.slice(0, -2) });
  const y = zeros([batchOf(x), ...out, channelsOf(x) * multiplier]);
  for (const [b, ...rest] of positions([batchOf(x), ...out])) {
    for (const { place, from } of under(rest)) {
      for (let c = 0; c < channelsOf(x); c++) {
        const value = x.values[indexOf(x.shape, [b!, ...from, c])]!;
        for (let m = 0; m < multiplier; m++) {
          y.values[indexOf(y.shape, [b!, ...rest, c * multiplier + m])]! +=
            value * kernel.values[indexOf(kernel.shape, [...place, c, m])]!;
        }
      }
    }
  }
  return y;
}

/** Largest or mean number under each window; padding counts for neither. */
export function pool(x: Numbers, kind: "max" | "average", windows: Windows): Numbers {
  const { out, under } = geometryOf(sidesOf(x), windows);
  const y = zeros([batchOf(x), ...out, channelsOf(x)]);
  for (const at of positions(y.shape)) {
    const [b, ...rest] = at;
    const channel = rest.pop()!;
    const values = [...under(rest)].map(({ from }) => x.values[indexOf(x.shape, [b!, ...from, channel])]!);
    y.values[indexOf(y.shape, at)] =
      kind === "max" ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / values.length;
  }
  return y;
}

/** Sides `factor` times as long. Bilinear: position p of the output is p / factor of the input, the last row repeats. */
export function upSample(
  x: Numbers,
  factors: readonly [number, number],
  kind: "nearest" | "bilinear",
): Numbers {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const y = zeros([batch, height * factors[0], width * factors[1], channels]);
  for (const at of positions(y.shape)) {
    const [b, row, column, c] = at as [number, number, number, number];
    const read = (r: number, k: number) =>
      x.values[indexOf(x.shape, [b, Math.min(r, height - 1), Math.min(k, width - 1), c])]!;
    const [top, left] = [Math.floor(row / factors[0]), Math.floor(column / factors[1])];
    const [v, u] = kind === "nearest" ? [0, 0] : [row / factors[0] - top, column / factors[1] - left];
    y.values[indexOf(y.shape, at)] =
      (1 - v) * ((1 - u) * read(top, left) + u * read(top, left + 1)) +
      v * ((1 - u) * read(top + 1, left) + u * read(top + 1, left + 1));
  }
  return y;
}

/** x · kernel over the last axis. */
export function multiply(x: Numbers, kernel: Numbers): Numbers {
  const [inputs, outputs] = kernel.shape as [number, number];
  const y = zeros([...x.shape.slice(0, -1), outputs]);
  for (let row = 0; row < x.values.length / inputs; row++) {
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        y.values[row * outputs + o]! += x.values[row * inputs + i]! * kernel.values[i * outputs + o]!;
      }
    }
  }
  return y;
}

/** The bias of each channel added. */
export function biased(x: Numbers, bias: Numbers | undefined): Numbers {
  if (!bias) return x;
  const channels = channelsOf(x);
  return mapped(x, (value, k) => value + bias.values[k % channels]!);
}

export function mapped(x: Numbers, change: (value: number, index: number) => number): Numbers {
  return { shape: x.shape, values: x.values.map(change) };
}

/** Mean 0 and variance 1 over the numbers with the same key, then scaled and shifted by channel. */
export function normalized(
  x: Numbers,
  keyOf: (at: readonly number[]) => number,
  { gamma, beta, epsilon }: { gamma: Numbers; beta: Numbers; epsilon: number },
): Numbers {
  const groups = new Map<number, number[]>();
  const keys: number[] = [];
  for (const at of positions(x.shape)) {
    const key = keyOf(at);
    groups.set(key, [...(groups.get(key) ?? []), x.values[keys.length]!]);
    keys.push(key);
  }
  const moments = new Map(
    [...groups].map(([key, values]) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      return [key, { mean, deviation: Math.sqrt(variance + epsilon) }];
    }),
  );
  return mapped(x, (value, k) => {
    const { mean, deviation } = moments.get(keys[k]!)!;
    const channel = k % channelsOf(x);
    return (gamma.values[channel]! * (value - mean)) / deviation + beta.values[channel]!;
  });
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** Activations of single numbers, by tfjs's names. */
export const activations: Readonly<Record<string, (x: number) => number>> = {
  linear: (x) => x,
  relu: (x) => Math.max(0, x),
  relu6: (x) => Math.min(6, Math.max(0, x)),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  selu: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
  sigmoid,
  hardSigmoid: (x) => Math.min(1, Math.max(0, 0.2 * x + 0.5)),
  tanh: Math.tanh,
  softplus: (x) => Math.log1p(Math.exp(x)),
  softsign: (x) => x / (1 + Math.abs(x)),
  swish: (x) => x * sigmoid(x),
  mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
};

/** Softmax over the last axis. */
export function softmax(x: Numbers): Numbers {
  const width = channelsOf(x);
  const sums = new Float64Array(x.values.length / width);
  x.values.forEach((value, k) => {
    sums[Math.floor(k / width)]! += Math.exp(value);
  });
  return mapped(x, (value, k) => Math.exp(value) / sums[Math.floor(k / width)]!);
}
