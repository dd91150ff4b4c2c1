/** Evaluations by a model's outputs, batch after batch of test examples. Who computes the outputs may do so at once or not. */
import type { Examples } from "../dataset.js";
import type { Evaluation } from "../evaluation.js";
import type { Loss, Tally } from "../loss.js";
import type { Vector } from "../vectors/vector.js";
import { EVALUATION_BATCH } from "./batches.js";

/** Views of some of the test examples. */
export interface TestBatch {
  readonly features: Vector;
  readonly labels: Examples["labels"];
}

/** All test examples in order. @param inputSize numbers in one example */
export function testBatchesOf({ features, labels }: Examples, inputSize: number): TestBatch[] {
  const count = features.length / inputSize;
  const perExample = labels.length / count;
  return Array.from({ length: Math.ceil(count / EVALUATION_BATCH) }, (_, k) => {
    const first = k * EVALUATION_BATCH;
    const last = Math.min(count, first + EVALUATION_BATCH);
    return {
      features: features.subarray(first * inputSize, last * inputSize),
      labels: labels.subarray(first * perExample, last * perExample),
    };
  });
}

/** What one evaluation comes to. Sums are in the order of the batches. */
export interface Scoring extends Pick<Tally, "add" | "byTarget"> {
  /** Of all batches that were added; at least one. */
  evaluation(): Evaluation;
}

export function createScoring(loss: Loss): Scoring {
  const tally = loss.createTally();
  let sum = 0;
  let count = 0;
  return {
    add(outputs, labels) {
      sum += loss.score(outputs, labels);
      count += labels.length;
      tally.add(outputs, labels);
    },
    evaluation: () => ({ loss: sum / count, ...tally.figures() }),
    byTarget: () => tally.byTarget(),
  };
}
