/** Windows as TensorFlow defines them, and volumes as stacks of images, for which tfjs's kernels are right. */
import * as tf from "@tensorflow/tfjs-core";

/** One number a side. */
export type Sides = readonly number[];

export interface Windows {
  readonly sides: Sides;
  readonly strides: Sides;
  readonly dilations: Sides;
  /** Padding before and after each side, from 0. */
  readonly padding: readonly (readonly [before: number, after: number])[];
  /** How many windows there are along each side. */
  readonly out: Sides;
}

export const sidesOf = (value: unknown, rank: number): Sides =>
  Array.isArray(value) ? value : new Array(rank).fill(value);

/**
 * @param input the sides of what windows move over
 * @param pad “same”, with the smaller half first, “valid” or as much everywhere
 * @see TensorFlow, `tf.nn.convolution`, on padding; tfjs takes differences below 0 for paddings in three dimensions
 */
export function windowsOf(
  input: Sides,
  sides: Sides,
  strides: Sides,
  pad: unknown,
  dilations: Sides = sides.map(() => 1),
): Windows {
  const reach = sides.map((side, k) => (side - 1) * dilations[k]! + 1);
  const padding = input.map((length, k): [number, number] => {
    if (typeof pad === "number") return [pad, pad];
    if (pad !== "same") return [0, 0];
    const [count, stride] = [Math.ceil(length / strides[k]!), strides[k]!];
    const total = Math.max(0, (count - 1) * stride + reach[k]! - length);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  });
  const out = input.map((length, k) => {
    const [before, after] = padding[k]!;
    return Math.floor((length + before + after - reach[k]!) / strides[k]!) + 1;
  });
  return { sides, strides, dilations, padding, out };
}

/**
 * Windows that move over volumes.
 * @param input shape, [batch, depth, height, width, channels]
 * @param sides of a window
 */
export function volumeWindowsOf(
  input: Sides,
  sides: unknown,
  { strides, pad, dilations = 1 }: tf.NamedAttrMap,
): Windows {
  return windowsOf(input.slice(1, -1), sidesOf(sides, 3), sidesOf(strides, 3), pad, sidesOf(dilations, 3));
}

/** Height and width of what has a depth, too. */
export const inPlane = ([, y, x]: Sides): [height: number, width: number] => [y!, x!];

/** Attributes of two-dimensional pooling for one plane of windows over a padded volume. */
export const poolingInPlane = ({ sides, strides }: Windows) => ({
  filterSize: inPlane(sides),
  strides: inPlane(strides),
  pad: "valid",
});

/** The shape of a padded input, [batch, …sides, channels]. */
export function paddedShape(shape: Sides, { padding }: Windows): number[] {
  return shape.map((length, axis) => {
    const [before, after] = padding[axis - 1] ?? [0, 0];
    return length + before + after;
  });
}

/** An input with its padding written out. @param value what padding holds */
export function padded<T extends tf.Tensor>(x: T, { padding }: Windows, value = 0): T {
  if (padding.every(([before, after]) => before === 0 && after === 0)) return x;
  return tf.pad(x, [[0, 0], ...padding.map(([a, b]): [number, number] => [a, b]), [0, 0]], value);
}

/** What {@link padded} was made of. */
export function unpadded(x: tf.Tensor, shape: Sides, { padding }: Windows): tf.Tensor {
  return tf.slice(x, [0, ...padding.map(([before]) => before), 0], [...shape]);
}

/** How many numbers of the input are under each window, shape [1, …out, 1]. */
export function countsOf(input: Sides, { sides, strides, padding, out }: Windows): tf.Tensor {
  const along = sides.map((side, k) =>
    Array.from({ length: out[k]! }, (_, at) => {
      const first = at * strides[k]! - padding[k]![0];
      return Math.min(first + side, input[k]!) - Math.max(first, 0);
    }),
  );
  return along.reduce<tf.Tensor>((counts, lengths, k) => {
    const shape = sides.map((_, axis) => (axis === k ? lengths.length : 1));
    return tf.mul(counts, tf.tensor(lengths, [1, ...shape, 1]));
  }, tf.scalar(1));
}

/** Volumes as images, plane after plane. */
export function imagesOf(volumes: tf.Tensor): tf.Tensor4D {
  const [, , height, width, channels] = volumes.shape as Five;
  return tf.reshape(volumes, [-1, height, width, channels]);
}

/** The images of a padded volume on which windows have their plane `plane`, [batch × depths, height, width, channels]. */
export function imagesUnder(x: tf.Tensor, plane: number, { strides, dilations, out }: Windows): tf.Tensor4D {
  const [, , height, width, channels] = x.shape as Five;
  const depths = Array.from({ length: out[0]! }, (_, at) => at * strides[0]! + plane * dilations[0]!);
  return tf.reshape(tf.gather(x, depths, 1), [-1, height, width, channels]);
}

/** The adjoint of {@link imagesUnder}: images at their depths in a padded volume of `depth`, and 0 elsewhere. */
export function volumeOf(images: tf.Tensor, plane: number, depth: number, windows: Windows): tf.Tensor {
  const [height, width, channels] = images.shape.slice(1) as [number, number, number];
  const { out, strides, dilations } = windows;
  const [count, stride] = [out[0]!, strides[0]!];
  const first = plane * dilations[0]!;
  const rows = tf.reshape(images, [-1, count, 1, height * width * channels]);
  const apart = tf.reshape(
    tf.pad(rows, [
      [0, 0],
      [0, 0],
      [0, stride - 1],
      [0, 0],
    ]),
    [-1, count * stride, height * width * channels],
  );
  const taken = Math.min(count * stride, depth - first);
  const placed = tf.pad(tf.slice(apart, [0, 0, 0], [-1, taken, -1]), [
    [0, 0],
    [first, depth - first - taken],
    [0, 0],
  ]);
  return tf.reshape(placed, [-1, depth, height, width, channels]);
}

/** Shape of a volume: [batch, depth, height, width, channels]. */
export type Five = [number, number, number, number, number];
