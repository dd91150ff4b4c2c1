/** Minibatches in buffers that are used again. */
import type { Examples } from "../dataset.js";
import type { Augmentation } from "../datasets/augmentation.js";
import { random } from "../foundation/random.js";
import type { Vector } from "../vectors/vector.js";
import { createBatches } from "./batches.js";

export interface BatchReaderOptions {
  readonly train: Examples;
  readonly augment?: Augmentation | undefined;
  readonly batchSize: number;
  readonly seed: number;
  readonly peer: number;
  /** Room for the features of a batch; the reader's own where left out. */
  readonly features?: Vector;
  /** Whether batches lie in memory that threads share. */
  readonly isShared?: boolean;
}

export interface BatchReader {
  /** Examples in each batch. */
  readonly size: number;
  readonly features: Vector;
  /** As many for each example. */
  readonly labels: Int32Array | Float32Array;
  /** Fills features and labels with those of a step. */
  load(step: number): void;
}

/** @param inputSize numbers in an example */
export function createBatchReader(
  { train, augment, batchSize, seed, peer, isShared = false, ...given }: BatchReaderOptions,
  inputSize: number,
  labelsPerExample: number,
): BatchReader {
  const batches = createBatches(train.features.length / inputSize, batchSize, seed, peer);
  const length = batches.size * inputSize;
  // Both kinds of memory have numbers of 4 bytes.
  const memory = (numbers: number) =>
    (isShared ? new SharedArrayBuffer(4 * numbers) : new ArrayBuffer(4 * numbers)) as ArrayBuffer;
  const features = given.features?.subarray(0, length) ?? new Float32Array(memory(length));
  const Labels = train.labels instanceof Int32Array ? Int32Array : Float32Array;
  const labels = new Labels(memory(batches.size * labelsPerExample));
  return {
    size: batches.size,
    features,
    labels,
    load(step) {
      const examples = batches.at(step);
      for (let i = 0; i < examples.length; i++) {
        const from = examples[i]!;
        features.set(train.features.subarray(from * inputSize, (from + 1) * inputSize), i * inputSize);
        for (let k = 0; k < labelsPerExample; k++) {
          labels[i * labelsPerExample + k] = train.labels[from * labelsPerExample + k]!;
        }
      }
      augment?.(features, random(seed, "augment", peer, step));
    },
  };
}
