import { z } from "zod";
import type { Targets } from "../dataset.js";
import type { Metric } from "../evaluation.js";
import type { LossKind, Tally } from "../loss.js";
import { sigmoidCrossEntropy } from "./sigmoid.js";

const settings = z.strictObject({ kind: z.literal("multi-label") });

const metric: Metric = { name: "microF1", better: "higher" };

/** Sigmoid cross entropy of marks: one logit for each, positive where the example has the property; the mean is over all marks. */
export const multiLabel: LossKind<typeof settings> = {
  settings,
  targets: "marks",
  outputsFor: ({ count }) => count,
  create: ({ kind }, targets) => ({
    name: kind,
    ...{ targets, metric, outputs: "logits" as const },
    ...sigmoidCrossEntropy,
    createTally: () => createTally(targets),
  }),
};

/** How often a mark was predicted and was there; the shares below are 0 where they would be 0 / 0. */
interface Counts {
  truePositives: number;
  falsePositives: number;
  falseNegatives: number;
  trueNegatives: number;
}

function createTally({ count }: Targets): Tally {
  const marks = Array.from({ length: count }, noCounts);
  let exact = 0;
  let examples = 0;
  return {
    add(outputs, labels) {
      for (let first = 0; first < labels.length; first += count) {
        let isExact = true;
        for (const [k, mark] of marks.entries()) {
          const isPredicted = outputs[first + k]! > 0;
          const isThere = labels[first + k] === 1;
          if (isPredicted) mark[isThere ? "truePositives" : "falsePositives"]++;
          else mark[isThere ? "falseNegatives" : "trueNegatives"]++;
          isExact &&= isPredicted === isThere;
        }
        if (isExact) exact++;
        examples++;
      }
    },
    figures() {
      const all = noCounts();
      for (const mark of marks) {
        for (const name of Object.keys(all) as (keyof Counts)[]) all[name] += mark[name];
      }
      const correct = all.truePositives + all.trueNegatives;
      const labelAccuracy = correct / (count * examples);
      return { metric, metrics: { microF1: f1(all), exactMatch: exact / examples, labelAccuracy } };
    },
    byTarget: () =>
      marks.map((mark) => {
        const { truePositives, falsePositives, falseNegatives, trueNegatives } = mark;
        return {
          support: truePositives + falseNegatives,
          accuracy: (truePositives + trueNegatives) / examples,
          precision: share(truePositives, truePositives + falsePositives),
          recall: share(truePositives, truePositives + falseNegatives),
          f1: f1(mark),
        };
      }),
  };
}

const noCounts = (): Counts => ({ truePositives: 0, falsePositives: 0, falseNegatives: 0, trueNegatives: 0 });

const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

const f1 = ({ truePositives, falsePositives, falseNegatives }: Counts) =>
  share(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives);
