/** Labelled data. A data set is plain arrays that peers read and nobody writes. */
import type { z } from "zod";

export interface Examples {
  /** All features, one example after another: `count · Π inputShape` numbers. */
  readonly features: Float32Array;
  /**
   * One class per example, or equally many per example where a model answers at several positions (text).
   * A class is 0 … classes − 1. Numbers that are not classes (regression) need a loss of their own.
   */
  readonly labels: Int32Array | Float32Array;
}

/** What every channel, the last axis of an example, was brought to: (value − mean) · factor, in float64. */
export interface Scaling {
  readonly mean: readonly number[];
  readonly factor: readonly number[];
}

/** What a model is made for, apart from the examples themselves. */
export interface ExamplesDescription {
  /** Shape of one example, for example [8, 8, 1]: height, width, channels. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** What the classes are called, where that is known. */
  readonly classNames?: readonly string[];
  /** How the features differ from those of the files; left out where they do not. */
  readonly scaling?: Scaling;
}

export interface Dataset extends ExamplesDescription {
  readonly name: string;
  /** Features are numbers of classes, as labels are. */
  readonly featuresAreClasses?: true;
  /** What the numbers of an example are called, where the files say. */
  readonly featureNames?: readonly string[];
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
  /** Value of the setting `scale` at which features are those of the files; left out where they always are. */
  readonly unscaled?: string;
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
  const { inputShape, classes, classNames, scaling } = dataset;
  return { inputShape, classes, ...(classNames && { classNames }), ...(scaling && { scaling }) };
}
