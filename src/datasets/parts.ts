/** Which examples are held out, how many are used, and how features are scaled: the same for every file format. */
import { z } from "zod";
import { type Dataset, type Examples, type FileNumbers, type Scaling, sizeOf } from "../dataset.js";
import { permutation, random } from "../foundation/random.js";

/** The split belongs to the data set, not to a run, so that accuracies of different seeds compare. */
const SPLIT_SEED = 0;

/** Settings that several data sets share. */
export const partSettings = {
  trainExamples: z.int().min(1).optional().describe("use only this many training examples, the first"),
  testExamples: z.int().min(1).optional().describe("use only this many test examples, the first"),
};

/** Names of all classes, for files that need not have examples of each. */
export const classList = z
  .array(z.string().min(1))
  .min(1)
  .refine((names) => new Set(names).size === names.length, { error: "names a class twice" })
  .optional()
  .describe("names of all classes in order, where files lack some; those of the files where left out");

export const testShare = z
  .number()
  .gt(0)
  .lt(1)
  .default(0.2)
  .describe("share held out for testing where the data is in one piece");

/** The first examples of each part, where the settings ask for fewer than there are. */
export function limited<Numbers extends FileNumbers>(
  dataset: Dataset<Numbers>,
  limits: { trainExamples?: number | undefined; testExamples?: number | undefined },
): Dataset<Numbers> {
  const size = sizeOf(dataset.inputShape);
  return {
    ...dataset,
    train: slice(dataset.train, size, 0, limits.trainExamples),
    test: slice(dataset.test, size, 0, limits.testExamples),
  };
}

/** Examples from `first` to before `last`, as views. */
export function slice<Numbers extends FileNumbers>(
  { features, labels }: Examples<Numbers>,
  size: number,
  first: number,
  last?: number,
): Examples<Numbers> {
  const perExample = labels.length / (features.length / size);
  return {
    features: features.subarray(first * size, last === undefined ? undefined : last * size) as Numbers,
    labels: labels.subarray(
      first * perExample,
      last === undefined ? undefined : last * perExample,
    ) as Numbers,
  };
}

/** Copies of the examples, as many as marks, whose mark is `wanted`. */
export function select<Numbers extends FileNumbers>(
  { features, labels }: Examples<Numbers>,
  marks: Uint8Array,
  wanted: 0 | 1,
): Examples<Numbers> {
  const size = features.length / marks.length;
  const perExample = labels.length / marks.length;
  const chosen = Array.from(marks.keys()).filter((i) => marks[i] === wanted);
  const picked = {
    features: emptyLike(features, chosen.length * size),
    labels: emptyLike(labels, chosen.length * perExample),
  };
  chosen.forEach((from, i) => {
    picked.features.set(features.subarray(from * size, (from + 1) * size), i * size);
    picked.labels.set(labels.subarray(from * perExample, (from + 1) * perExample), i * perExample);
  });
  return picked;
}

/** Zeros of the type of `numbers`. */
export function emptyLike<Numbers extends Int32Array | FileNumbers>(
  numbers: Numbers,
  length: number,
): Numbers {
  return new (numbers.constructor as new (length: number) => Numbers)(length);
}

/**
 * Marks examples to hold out: of each class the same share, to within one example, drawn with a fixed seed. Where the share
 * of small classes is less than one example, as many of these classes have one as the share of all comes to.
 *
 * @returns 1 for held-out examples, 0 for the others
 */
export function holdOut(labels: ArrayLike<number>, share: number): Uint8Array {
  const order = permutation(labels.length, random(SPLIT_SEED, "hold-out"));
  const seen = new Map<number, number>();
  const held = new Set<number>();
  let missing = Math.round(labels.length * share);
  const marks = new Uint8Array(labels.length);
  for (const example of order) {
    const label = labels[example]!;
    const before = seen.get(label) ?? 0;
    seen.set(label, before + 1);
    // The k-th of a class is held out whenever k · share passes a whole number.
    if (Math.floor((before + 1) * share) > Math.floor(before * share)) {
      marks[example] = 1;
      held.add(label);
      missing--;
    }
  }
  for (const example of order) {
    const label = labels[example]!;
    if (missing < 1 || held.has(label) || seen.get(label)! < 2) continue;
    marks[example] = 1;
    held.add(label);
    missing--;
  }
  return marks;
}

/**
 * Brings every channel to mean 0 and variance 1 over the training examples, in place, and the test examples by the same
 * numbers, which are returned: features by the last axis of an example, targets each by itself. A channel that never changes
 * becomes 0.
 */
export function standardize(train: FileNumbers, test: FileNumbers, channels: number): Scaling {
  const scaling = scalingOf(momentsOf(train, channels));
  for (const part of [train, test]) scale(part, scaling, part);
  return scaling;
}

/**
 * Numbers per channel; then the mean of each channel; then the sum of its squared deviations from that.
 * Moments of several peers can be merged without their examples.
 */
export type Moments = Float64Array;

/** @param channels length of the last axis, or targets per example */
export function momentsOf(numbers: FileNumbers, channels: number): Moments {
  const moments = new Float64Array(1 + 2 * channels);
  const count = numbers.length / channels;
  moments[0] = count;
  for (let channel = 0; channel < channels; channel++) {
    // From the first number on, so that the mean of equal numbers is that number, and no digit of large ones is lost.
    const start = numbers[channel]!;
    let sum = 0;
    for (let i = channel; i < numbers.length; i += channels) sum += numbers[i]! - start;
    const mean = start + sum / count;
    let squares = 0;
    for (let i = channel; i < numbers.length; i += channels) squares += (numbers[i]! - mean) ** 2;
    moments[1 + channel] = mean;
    moments[1 + channels + channel] = squares;
  }
  return moments;
}

/**
 * Adds the moments of other examples to those of some. Differences of means are squared, not sums of squares subtracted,
 * so that numbers far from 0 lose no digits.
 *
 * @see Chan, Golub and LeVeque 1983, “Algorithms for Computing the Sample Variance”, eq. 2.1
 */
export function mergeMoments(into: Moments, other: Moments): void {
  const channels = channelsOf(into);
  const [a, b] = [into[0]!, other[0]!];
  const all = a + b;
  into[0] = all;
  for (let mean = 1; mean <= channels; mean++) {
    const squares = mean + channels;
    const difference = other[mean]! - into[mean]!;
    into[mean]! += (difference * b) / all;
    into[squares]! += other[squares]! + (difference ** 2 * a * b) / all;
  }
}

/** What is wrong with moments; undefined where they can be merged. */
export function problemWithMoments(moments: Moments): string | undefined {
  if (!(Number.isSafeInteger(moments[0]) && moments[0]! > 0)) return `a count of ${moments[0]}`;
  if (!moments.every(Number.isFinite)) return "a moment is not finite";
  return moments.subarray(1 + channelsOf(moments)).every((squares) => squares >= 0)
    ? undefined
    : "a variance is negative";
}

export function scalingOf(moments: Moments): Scaling {
  const channels = channelsOf(moments);
  return {
    mean: Array.from(moments.subarray(1, 1 + channels)),
    factor: Array.from(moments.subarray(1 + channels), (squares) =>
      squares > 0 ? 1 / Math.sqrt(squares / moments[0]!) : 0,
    ),
  };
}

const channelsOf = (moments: Moments): number => (moments.length - 1) / 2;

/** Writes scaled numbers to `out`, which may be the same array. Differences are taken in float64. */
export function scale(numbers: Int32Array | FileNumbers, { mean, factor }: Scaling, out: FileNumbers): void {
  const channels = mean.length;
  for (let channel = 0; channel < channels; channel++) {
    const [m, f] = [mean[channel]!, factor[channel]!];
    for (let i = channel; i < numbers.length; i += channels) out[i] = (numbers[i]! - m) * f;
  }
}

/** Undoes `scale`, in float64; numbers that never changed are their mean. */
export function unscale(numbers: ArrayLike<number>, { mean, factor }: Scaling): Float64Array {
  const channels = mean.length;
  return Float64Array.from(numbers, (value, i) => {
    const channel = i % channels;
    return mean[channel]! + (factor[channel] === 0 ? 0 : value / factor[channel]!);
  });
}
