/**
 * Losses: what is minimised, what targets it takes, and what evaluations are judged by. A loss runs in JavaScript on the
 * numbers of outputs and labels: outputs are few beside activations, one pass with double sums takes the place of many
 * tensor operations, and it gives the same bits on every backend.
 */
import type { Scalar, Tensor } from "@tensorflow/tfjs-core";
import type { z } from "zod";
import type { Targets } from "./dataset.js";
import type { Figures, Metric } from "./evaluation.js";

/** The library of tensors, for losses on backends whose tensors cannot be read at once. */
export type Tensors = typeof import("@tensorflow/tfjs-core");

/** What training minimises, and what models are judged by. */
export interface Loss {
  /** The kind, as users write it. */
  readonly name: string;
  readonly targets: Targets;
  /** What models are judged by. */
  readonly metric: Metric;
  /** Logits have an activation in the loss, and a model must not end in one of its own. */
  readonly outputs: "logits" | "numbers";
  /**
   * @param outputs of a batch; as many for each label: one per class, or one
   * @param gradient where the gradient of the mean over labels goes, over all that was there; may be left out
   * @returns the sum of the labels' losses
   */
  score(outputs: ArrayLike<number>, labels: ArrayLike<number>, gradient?: Float32Array): number;
  /**
   * The mean of the labels' losses as an expression of tensors, for WebGPU, whose tensors cannot be read within a step.
   *
   * @param outputs of any shape, in the order of `score`
   */
  mean(tf: Tensors, outputs: Tensor, labels: Int32Array | Float32Array): Scalar;
  /** Adds up the figures of one evaluation. */
  createTally(): Tally;
}

/** Sums figures over the batches of an evaluation. */
export interface Tally {
  /** Adds a batch: its outputs, and its labels in the same order. */
  add(outputs: ArrayLike<number>, labels: ArrayLike<number>): void;
  /** Figures of all batches that were added; at least one. */
  figures(): Figures;
  /** Figures of each mark or number, in the order of the targets; empty for classes. */
  byTarget(): readonly Readonly<Record<string, number>>[];
}

/** One kind of loss; a new one is a file in `losses/` and a line in `losses/index.ts`. */
export interface LossKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings, every field with a default; its `kind` is the name users write. */
  readonly settings: Settings;
  readonly targets: Targets["kind"];
  /**
   * Outputs that a model needs at each of its positions.
   * @throws InvalidExperiment targets of this kind that the loss is not for
   */
  outputsFor(targets: Targets): number;
  /** The loss for targets of this kind. */
  create(settings: z.output<Settings>, targets: Targets): Loss;
}
