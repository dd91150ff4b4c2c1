/** What the losses of numbers share. */
import type { Targets } from "../dataset.js";
import type { Metric } from "../evaluation.js";
import type { Loss, Tally, Tensors } from "../loss.js";

/** The loss of a difference d = output − target. */
export interface DifferenceLoss {
  readonly of: (difference: number) => number;
  /** Its derivative; 0 where it has none. */
  readonly slope: (difference: number) => number;
}

/** Judged by the mean of R² over the targets. */
export const R2: Metric = { name: "r2", better: "higher" };
/** Judged by the mean absolute error. */
export const MAE: Metric = { name: "mae", better: "lower" };

/** Sums a loss of differences over all targets. */
export function differenceScore({ of, slope }: DifferenceLoss): Loss["score"] {
  return (outputs, labels, gradient) => {
    const count = labels.length;
    let loss = 0;
    for (let i = 0; i < count; i++) {
      const difference = outputs[i]! - labels[i]!;
      loss += of(difference);
      if (gradient) gradient[i] = slope(difference) / count;
    }
    return loss;
  };
}

/** Targets and outputs as tensors of one axis. */
export function asTensors(
  tf: Tensors,
  outputs: Parameters<Loss["mean"]>[1],
  labels: Int32Array | Float32Array,
) {
  return [tf.tensor(labels, [labels.length], "float32"), tf.reshape(outputs, [labels.length])] as const;
}

/** Sums over one target's numbers. Labels are taken relative to the first, so that a large mean costs no digits. */
interface Sums {
  first: number;
  labels: number;
  squaredLabels: number;
  errors: number;
  squaredErrors: number;
}

/**
 * Mean squared error and mean absolute error in the units of the data's files, and R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)², each a
 * mean over the targets. R² of a constant target is 1 without an error and 0 with one.
 */
export function createRegressionTally({ count, scaling }: Targets, metric: Metric): Tally {
  const sums = Array.from(
    { length: count },
    (): Sums => ({ first: 0, labels: 0, squaredLabels: 0, errors: 0, squaredErrors: 0 }),
  );
  let examples = 0;
  const figuresOf = (sum: Sums, column: number) => {
    const factor = scaling?.factor[column] ?? 1;
    // Numbers that never change are predicted as their mean, without an error.
    const unit = factor === 0 ? 0 : 1 / factor;
    const spread = sum.squaredLabels - sum.labels ** 2 / examples;
    return {
      mse: (sum.squaredErrors / examples) * unit ** 2,
      mae: (sum.errors / examples) * unit,
      r2: spread > 0 ? 1 - sum.squaredErrors / spread : sum.squaredErrors === 0 ? 1 : 0,
    };
  };
  return {
    add(outputs, labels) {
      for (let at = 0; at < labels.length; at += count, examples++) {
        for (const [column, sum] of sums.entries()) {
          const label = labels[at + column]!;
          if (examples === 0) sum.first = label;
          const error = outputs[at + column]! - label;
          sum.labels += label - sum.first;
          sum.squaredLabels += (label - sum.first) ** 2;
          sum.errors += Math.abs(error);
          sum.squaredErrors += error ** 2;
        }
      }
    },
    figures() {
      const figures = sums.map(figuresOf);
      const mean = (name: "mse" | "mae" | "r2") =>
        figures.reduce((total, each) => total + each[name], 0) / count;
      return { metric, metrics: { mse: mean("mse"), mae: mean("mae"), r2: mean("r2") } };
    },
    byTarget: () => sums.map(figuresOf),
  };
}
