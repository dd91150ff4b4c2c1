/** How good models are: the figures of an evaluation, and which of them models are judged by. */

/** A figure of an evaluation. */
export interface Metric {
  readonly name: string;
  readonly better: "higher" | "lower";
}

/** Labels by class, in the order of the classes. */
export interface ByClass {
  /** Labels that the model predicts. Their share of `count` is the class's recall. */
  readonly correct: readonly number[];
  readonly count: readonly number[];
}

/** How good a model is on held-out data. */
export interface Evaluation {
  /** Mean loss, of targets as they were scaled for training. */
  readonly loss: number;
  /** Share of correct answers in [0, 1]; absent where the task has none. */
  readonly accuracy?: number;
  /** What models of the task are judged by, one of `metrics`; accuracy where left out. */
  readonly metric?: Metric;
  /** Further figures by name, in the units of the data's files. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** Absent where the task has no classes, or more than `MAX_COUNTED_CLASSES`. */
  readonly byClass?: ByClass;
}

/** An evaluation apart from its loss. */
export type Figures = Omit<Evaluation, "loss">;

/** Where a task has classes. */
export const ACCURACY: Metric = { name: "accuracy", better: "higher" };

/** Labels of some test sets together. */
export function mergeByClass(parts: readonly ByClass[]): ByClass {
  const sum = (of: (part: ByClass) => readonly number[]) =>
    of(parts[0]!).map((_, label) => parts.reduce((total, part) => total + of(part)[label]!, 0));
  return { correct: sum(({ correct }) => correct), count: sum(({ count }) => count) };
}

/** Shares of correct labels in [0, 1] by class; null for a class without any. */
export function recallsOf({ correct, count }: ByClass): (number | null)[] {
  return count.map((labels, k) => (labels === 0 ? null : correct[k]! / labels));
}

/** What a model is judged by, and how good it is. */
export interface Quality {
  readonly metric: Metric;
  readonly value: number;
}

/** An evaluation as a log has it, with null for a number that is not finite. */
export interface LooseFigures {
  readonly accuracy?: number | undefined;
  readonly metric?: Metric | undefined;
  readonly metrics?: Readonly<Record<string, number | null>> | undefined;
}

/** Undefined where the task is judged by its loss alone, or the value is not finite. */
export function qualityOf({ accuracy, metric = ACCURACY, metrics }: LooseFigures): Quality | undefined {
  const value = metrics?.[metric.name] ?? (metric.name === ACCURACY.name ? accuracy : undefined);
  return Number.isFinite(value) ? { metric, value: value! } : undefined;
}

/** Whether the first value is strictly better. */
export function isBetter({ better }: Metric, a: number, b: number): boolean {
  return better === "higher" ? a > b : a < b;
}

/**
 * How good a value is as a share of how good another is, in [0, 1] where it is not better: a half where accuracy is half as high, or
 * an error twice as large. Undefined where the two are not positive.
 */
export function shareOf({ better }: Metric, value: number, other: number): number | undefined {
  if (!(value > 0 && other > 0)) return undefined;
  return better === "higher" ? value / other : other / value;
}

/** The worst and the best of some values, one or more. */
export function rangeOf({ better }: Metric, values: readonly number[]): { worst: number; best: number } {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return better === "higher" ? { worst: low, best: high } : { worst: high, best: low };
}
