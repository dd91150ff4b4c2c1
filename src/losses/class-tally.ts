/** Correct predictions, of all labels and of each class. */
import { MAX_COUNTED_CLASSES, type Targets } from "../dataset.js";
import type { ByClass } from "../evaluation.js";

export interface ClassTally {
  /** One label more. */
  add(label: number, isCorrect: boolean): void;
  figures(): { readonly accuracy: number; readonly byClass?: ByClass };
}

export function createClassTally({ count: classes }: Targets): ClassTally {
  const correct = new Array<number>(classes).fill(0);
  const count = new Array<number>(classes).fill(0);
  return {
    add(label, isCorrect) {
      count[label]!++;
      if (isCorrect) correct[label]!++;
    },
    figures() {
      const accuracy = sum(correct) / sum(count);
      return { accuracy, ...(classes <= MAX_COUNTED_CLASSES && { byClass: { correct, count } }) };
    },
  };
}

const sum = (counts: readonly number[]) => counts.reduce((total, each) => total + each, 0);
