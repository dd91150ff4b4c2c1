/** Data with targets. A data set is plain, read-only arrays. */
import type { z } from "zod";

/** Numbers as files have them: float64 where float32 cannot hold what they differ by, such as time stamps. */
export type FileNumbers = Float32Array | Float64Array;

/** Examples as flat arrays: features, and a target for each. */
export interface Examples<Numbers extends FileNumbers = Float32Array> {
  /** All features, one example after another: `count · Π inputShape` numbers. */
  readonly features: Numbers;
  /**
   * The targets of all examples, as {@link Targets} says. Classes: one per example, or equally many per example where a model
   * answers at several positions (text). Marks and numbers: `count` per example.
   */
  readonly labels: Int32Array | Numbers;
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

export interface Dataset<Numbers extends FileNumbers = Float32Array> extends ExamplesDescription {
  readonly name: string;
  /** Features are numbers of classes, as labels are. */
  readonly featuresAreClasses?: true;
  readonly train: Examples<Numbers>;
  /** Held-out examples. */
  readonly test: Examples<Numbers>;
}

/** Examples to use a model on. */
export interface Rows extends ExamplesDescription {
  readonly features: FileNumbers;
  /** Left out where the files have none. */
  readonly labels?: Int32Array | FileNumbers;
  /** What the examples are called, where they have names. */
  readonly rowNames?: readonly string[];
  readonly featuresAreClasses?: true;
}

/** What a model takes: the shape of one example, and the names of its columns where they have some. */
export type ModelInputs = Pick<ExamplesDescription, "inputShape" | "featureNames">;

/** One kind of data set; a new one is a file in `datasets/` and a line in `datasets/index.ts`. */
export interface DatasetKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings, every field with a default; its `kind` is the name users write. */
  readonly settings: Settings;
  /** Settings with which features and targets are those of the files; left out where they always are. */
  readonly unscaled?: Readonly<Record<string, string>>;
  /** @throws InvalidData missing, truncated or malformed files */
  load(settings: z.output<Settings>): Promise<Dataset<FileNumbers>>;
  /**
   * Every example of the files in their order, unscaled: nothing is held out, and labels may be missing. Where left out,
   * this is what `load` gives, the test examples last.
   *
   * @param inputs of the model that is used
   * @throws InvalidData missing, truncated or malformed files
   */
  readAll?(settings: z.output<Settings>, inputs: ModelInputs): Promise<Rows>;
}

/** Most classes of which examples and correct predictions are counted one by one: logs have these counts in their lines. */
export const MAX_COUNTED_CLASSES = 100;

/** How many examples a peer has. */
export interface ExampleCounts {
  readonly train: number;
  readonly test: number;
  /** Labels of each class; absent where targets are no classes, or more than `MAX_COUNTED_CLASSES`. */
  readonly classes?:
    | {
        /** What the classes are called, where that is known. */
        readonly names?: readonly string[] | undefined;
        readonly train: readonly number[];
        readonly test: readonly number[];
      }
    | undefined;
}

/** @param size numbers of one example */
export function countExamples(
  train: Examples,
  test: Examples,
  size: number,
  targets?: Targets,
): ExampleCounts {
  const examples = { train: train.features.length / size, test: test.features.length / size };
  if (targets?.kind !== "classes" || targets.count > MAX_COUNTED_CLASSES) return examples;
  const { count, names } = targets;
  const ofEach = ({ labels }: Examples) => {
    const counts = new Array<number>(count).fill(0);
    for (const label of labels) counts[label]!++;
    return counts;
  };
  return {
    train: examples.train,
    test: examples.test,
    classes: { ...(names && { names }), train: ofEach(train), test: ofEach(test) },
  };
}

/** Count of numbers in one example of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** A data set without its examples. */
export function descriptionOf(dataset: ExamplesDescription): ExamplesDescription {
  const { inputShape, targets, featureNames, scaling } = dataset;
  return { inputShape, targets, ...(featureNames && { featureNames }), ...(scaling && { scaling }) };
}

/** Names of all targets; those without a name go by their number. */
export function targetNames({ count, names }: Targets): string[] {
  return Array.from({ length: count }, (_, k) => String(names?.[k] ?? k));
}
