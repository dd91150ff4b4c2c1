/** Data with targets. A data set is plain, read-only arrays. */
import type { z } from "zod";

/** Examples as flat arrays: features, and a target for each. */
export interface Examples {
  /** All features, one example after another: `count · Π inputShape` numbers. */
  readonly features: Float32Array;
  /**
   * The targets of all examples, as {@link Targets} says. Classes: one per example, or equally many per example where a model
   * answers at several positions (text). Marks and numbers: `count` per example.
   */
  readonly labels: Int32Array | Float32Array;
}

/**
 * What a model learns to predict.
 *
 * - `classes`: one of `count` classes, 0 … count − 1.
 * - `marks`: for each of `count` properties whether an example has it, 1 or 0; any number of them at a time (multi-label).
 * - `numbers`: `count` finite numbers (regression).
 */
export interface Targets {
  readonly kind: "classes" | "marks" | "numbers";
  readonly count: number;
  /** What the classes, properties or numbers are called, where that is known. */
  readonly names?: readonly string[];
  /** How numbers differ from those of the files; left out where they do not. */
  readonly scaling?: Scaling;
}

/**
 * What every channel was brought to: (value − mean) · factor, in float64. Channels are the last axis of an example, or the
 * numbers of a target.
 */
export interface Scaling {
  readonly mean: readonly number[];
  readonly factor: readonly number[];
}

/** What a model is made for, apart from the examples themselves. */
export interface ExamplesDescription {
  /** Shape of one example, for example [8, 8, 1]: height, width, channels. */
  readonly inputShape: readonly number[];
  readonly targets: Targets;
  /** What the numbers of an example are called, where the files say. */
  readonly featureNames?: readonly string[];
  /** How the features differ from those of the files; left out where they do not. */
  readonly scaling?: Scaling;
}

export interface Dataset extends ExamplesDescription {
  readonly name: string;
  /** Features are numbers of classes, as labels are. */
  readonly featuresAreClasses?: true;
  readonly train: Examples;
  /** Held-out examples. */
  readonly test: Examples;
}

/** Examples to use a model on. */
export interface Rows extends ExamplesDescription {
  readonly features: Float32Array;
  /** Left out where the files have none. */
  readonly labels?: Int32Array | Float32Array;
  /** What the examples are called, where they have names. */
  readonly rowNames?: readonly string[];
  readonly featuresAreClasses?: true;
}

/** One kind of data set; a new one is a file in `datasets/` and a line in `datasets/index.ts`. */
export interface DatasetKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings, every field with a default; its `kind` is the name users write. */
  readonly settings: Settings;
  /** Settings with which features and targets are those of the files; left out where they always are. */
  readonly unscaled?: Readonly<Record<string, string>>;
  /** @throws InvalidData missing, truncated or malformed files */
  load(settings: z.output<Settings>): Promise<Dataset>;
  /**
   * Every example of the files in their order, unscaled: nothing is held out, and labels may be missing. Where left out,
   * this is what `load` gives, the test examples last.
   *
   * @param inputShape of one example, as the model that is used takes it
   * @throws InvalidData missing, truncated or malformed files
   */
  readAll?(settings: z.output<Settings>, inputShape: readonly number[]): Promise<Rows>;
}

/** Count of numbers in one example of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** A data set without its examples. */
export function descriptionOf(dataset: Dataset): ExamplesDescription {
  const { inputShape, targets, featureNames, scaling } = dataset;
  return { inputShape, targets, ...(featureNames && { featureNames }), ...(scaling && { scaling }) };
}

/** Names of all targets; those without a name go by their number. */
export function targetNames({ count, names }: Targets): string[] {
  return Array.from({ length: count }, (_, k) => String(names?.[k] ?? k));
}
