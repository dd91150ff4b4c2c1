import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { useBackend } from "../src/backends/index.js";
import { MAX_COUNTED_CLASSES, type Targets } from "../src/dataset.js";
import { qualityOf } from "../src/evaluation.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import type { Loss } from "../src/loss.js";
import { areaUnderCurve } from "../src/losses/binary-cross-entropy.js";
import { createLoss, type LossSettings } from "../src/losses/index.js";
import { expectError } from "./support/errors.js";

interface Case {
  readonly loss: LossSettings;
  readonly outputs: number[];
  readonly labels: number[];
  readonly mean: number;
  readonly gradient: number[];
}
const { cases } = JSON.parse(readFileSync(new URL("support/losses-torch.json", import.meta.url), "utf8")) as {
  cases: Case[];
};

const kindOf: Readonly<Record<string, Targets["kind"]>> = {
  "cross-entropy": "classes",
  "binary-cross-entropy": "classes",
  "multi-label": "marks",
};

/** The loss of so many classes, marks or numbers. */
function lossOf(settings: LossSettings, count: number): Loss {
  const kind = kindOf[settings.kind] ?? "numbers";
  return createLoss(settings, { kind, count: settings.kind === "binary-cross-entropy" ? 2 : count }).loss;
}

const everyLoss: readonly LossSettings[] = [
  { kind: "cross-entropy" },
  { kind: "binary-cross-entropy" },
  { kind: "multi-label" },
  { kind: "mse" },
  { kind: "mae" },
  { kind: "huber", delta: 1 },
  { kind: "huber", delta: 0.3 },
];

const COUNT = 3;
const ROWS = 4;
const moderate = fc.double({ min: -6, max: 6, noNaN: true });

/** Outputs and labels of a batch. */
function batches({ kind }: LossSettings) {
  const perRow = kind === "binary-cross-entropy" ? 1 : COUNT;
  const perLabel = kind === "cross-entropy" ? COUNT : 1;
  const size = ROWS * perRow;
  const label = {
    classes: fc.integer({ min: 0, max: kind === "binary-cross-entropy" ? 1 : COUNT - 1 }),
    marks: fc.integer({ min: 0, max: 1 }),
    numbers: moderate,
  }[kindOf[kind] ?? "numbers"] as fc.Arbitrary<number>;
  return fc.record({
    outputs: fc.array(moderate, { minLength: size, maxLength: size }),
    labels: fc.array(label, { minLength: size / perLabel, maxLength: size / perLabel }),
  });
}

describe("a loss", () => {
  it.each(cases)("has the value and gradient that PyTorch computes: $loss", (known) => {
    const { outputs, labels, mean, gradient } = known;
    const found = new Float32Array(outputs.length);
    const own = lossOf(known.loss, COUNT).score(outputs, labels, found) / labels.length;
    expect(Math.abs(own / mean - 1)).toBeLessThan(1e-14);
    for (const [i, value] of gradient.entries()) {
      expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(2 ** -24 * Math.abs(value) + 1e-12);
    }
  });

  it.each(everyLoss)("has the gradient of its mean: %o", (settings) => {
    const loss = lossOf(settings, COUNT);
    const step = 1e-5;
    fc.assert(
      fc.property(batches(settings), ({ outputs, labels }) => {
        const gradient = new Float32Array(outputs.length).fill(7);
        const value = loss.score(outputs, labels, gradient);
        expect(loss.score(outputs, labels)).toBe(value);
        for (const i of outputs.keys()) {
          // The absolute value has no derivative at 0.
          if (settings.kind === "mae" && Math.abs(outputs[i]! - labels[i]!) < 2 * step) continue;
          const at = (shift: number) =>
            loss.score(outputs.with(i, outputs[i]! + shift), labels) / labels.length;
          expect(gradient[i]).toBeCloseTo((at(step) - at(-step)) / (2 * step), 5);
        }
      }),
      { numRuns: 50 },
    );
  });

  const formulas: Readonly<Record<string, (outputs: number[], label: number, delta: number) => number>> = {
    "cross-entropy": (z, label) =>
      -Math.log(Math.exp(z[label]!) / z.reduce((sum, each) => sum + Math.exp(each), 0)),
    "binary-cross-entropy": ([z], label) => -Math.log(1 / (1 + Math.exp(label === 1 ? -z! : z!))),
    "multi-label": ([z], label) => -Math.log(1 / (1 + Math.exp(label === 1 ? -z! : z!))),
    mse: ([z], label) => (z! - label) ** 2,
    mae: ([z], label) => Math.abs(z! - label),
    huber: ([z], label, delta) => {
      const d = Math.abs(z! - label);
      return d < delta ? d ** 2 / 2 : delta * d - delta ** 2 / 2;
    },
  };
  it.each(everyLoss)("is the sum of its formula over the labels: %o", (settings) => {
    const delta = "delta" in settings ? settings.delta : 0;
    fc.assert(
      fc.property(batches(settings), ({ outputs, labels }) => {
        const width = outputs.length / labels.length;
        const sum = labels.reduce((total, label, row) => {
          const own = outputs.slice(row * width, (row + 1) * width);
          return total + formulas[settings.kind]!(own, label, delta);
        }, 0);
        expect(lossOf(settings, COUNT).score(outputs, labels)).toBeCloseTo(sum, 9);
      }),
      { numRuns: 50 },
    );
  });

  it.each(everyLoss.slice(0, 3))("stays finite for logits of any size: %o", (settings) => {
    const loss = lossOf(settings, COUNT);
    const labels = settings.kind === "cross-entropy" ? [0, 2] : [0, 1, 0, 1, 0, 1];
    for (const size of [1e3, 1e30]) {
      const outputs = [size, -size, size, -size, size, -size];
      const gradient = new Float32Array(6);
      expect(loss.score(outputs, labels, gradient)).toBeLessThan(Number.POSITIVE_INFINITY);
      expect(gradient.every((value) => Math.abs(value) <= 1)).toBe(true);
    }
  });

  describe("as tensors", () => {
    beforeAll(() => useBackend("cpu"));
    it.each(everyLoss)("has the same mean and gradient: %o", (settings) => {
      const loss = lossOf(settings, COUNT);
      fc.assert(
        fc.property(batches(settings), ({ outputs, labels }) => {
          const numbers = Float32Array.from(outputs);
          const ofType = loss.targets.kind === "numbers" ? Float32Array : Int32Array;
          const own = ofType.from(labels);
          const gradient = new Float32Array(numbers.length);
          const mean = loss.score(numbers, own, gradient) / own.length;
          tf.tidy(() => {
            const { value, grad } = tf.valueAndGrad((z) => loss.mean(tf, z, own))(tf.tensor(numbers));
            expect(value.dataSync()[0]).toBeCloseTo(mean, 4);
            for (const [i, each] of grad.dataSync().entries()) {
              if (settings.kind === "mae" && numbers[i] === own[i]) continue;
              expect(each).toBeCloseTo(gradient[i]!, 4);
            }
          });
        }),
        { numRuns: 20 },
      );
    });
  });
});

/** Figures of batches. */
function figuresOf(loss: Loss, outputs: readonly number[], labels: readonly number[], cuts: number) {
  const tally = loss.createTally();
  const rows = cuts * Math.ceil(labels.length / cuts / cuts);
  const width = outputs.length / labels.length;
  for (let first = 0; first < labels.length; first += rows) {
    tally.add(outputs.slice(first * width, (first + rows) * width), labels.slice(first, first + rows));
  }
  return { ...tally.figures(), byTarget: tally.byTarget() };
}

describe("the figures of an evaluation", () => {
  it("are what models are judged by, with a direction", () => {
    for (const settings of everyLoss) {
      const loss = lossOf(settings, COUNT);
      const outputs = settings.kind === "binary-cross-entropy" ? [1] : [1, 2, 3];
      const labels = loss.targets.kind === "classes" ? [1] : [1, 0, 1];
      const figures = figuresOf(loss, outputs, labels, labels.length);
      expect(qualityOf(figures)!.metric).toEqual(loss.metric);
    }
  });

  it("of classes are the share of the largest logits, the first of equal ones", () => {
    const loss = lossOf({ kind: "cross-entropy" }, 2);
    expect(figuresOf(loss, [1, 1, 0, 2, 3, 1, 0, 0], [0, 1, 1, 1], 1)).toEqual({
      accuracy: 0.5,
      byClass: { correct: [1, 1], count: [1, 3] },
      byTarget: [],
    });
  });

  it("of classes count each class as the confusion does, in any number of batches, up to a number of classes", () => {
    const cases = fc.record({
      kind: fc.constantFrom("cross-entropy", "binary-cross-entropy"),
      classes: fc.constantFrom(2, 3, MAX_COUNTED_CLASSES, MAX_COUNTED_CLASSES + 1),
      labels: fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
      cuts: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(cases, ({ kind, classes: some, labels: numbers, cuts }) => {
        const isBinary = kind === "binary-cross-entropy";
        const classes = isBinary ? 2 : some;
        const labels = numbers.map((number) => number % classes);
        const predicted = numbers.map((number) => (number >>> 3) % classes);
        const outputs = predicted.flatMap((best) =>
          isBinary ? [best === 1 ? 2 : -2] : Array.from({ length: classes }, (_, k) => (k === best ? 3 : 1)),
        );
        const figures = figuresOf(lossOf({ kind }, classes), outputs, labels, cuts);
        const isRight = (k: number) => predicted[k] === labels[k];
        expect(figures.accuracy).toBe(labels.filter((_, k) => isRight(k)).length / labels.length);
        const ofClass = (label: number, isCounted: (k: number) => boolean) =>
          labels.filter((each, k) => each === label && isCounted(k)).length;
        const all = Array.from({ length: classes }, (_, label) => label);
        expect(figures.byClass).toEqual(
          classes > MAX_COUNTED_CLASSES
            ? undefined
            : {
                correct: all.map((label) => ofClass(label, isRight)),
                count: all.map((label) => ofClass(label, () => true)),
              },
        );
      }),
    );
  });

  it("of two classes have the share of pairs in the right order", () => {
    const loss = lossOf({ kind: "binary-cross-entropy" }, 2);
    const logit = fc.integer({ min: -3, max: 3 });
    const examples = fc.array(fc.tuple(logit, fc.integer({ min: 0, max: 1 })), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(examples, fc.integer({ min: 1, max: 5 }), (all, cuts) => {
        const pairs = all
          .filter(([, label]) => label === 1)
          .flatMap(([z]) => all.filter(([, label]) => label === 0).map(([other]) => Math.sign(z - other)));
        const right = all.filter(([z, label]) => (z > 0 ? 1 : 0) === label).length;
        const { accuracy, metrics } = figuresOf(
          loss,
          all.map(([z]) => z),
          all.map(([, label]) => label),
          cuts,
        );
        expect(accuracy).toBe(right / all.length);
        if (pairs.length === 0) expect(metrics).toBeUndefined();
        else {
          const auc = pairs.reduce((sum: number, sign) => sum + (sign + 1) / 2, 0) / pairs.length;
          expect(metrics!.auc).toBeCloseTo(auc, 12);
        }
      }),
    );
    expect(areaUnderCurve([], [1])).toBeUndefined();
  });

  it("of marks are micro-F1, exact matches and the share of correct marks", () => {
    const loss = lossOf({ kind: "multi-label" }, 2);
    // Predicted: 1 0, 1 1, 0 0, 0 1. There: 1 0, 1 0, 0 1, 1 1.
    const outputs = [2, -1, 1, 3, -1, -1, 0, 1];
    const labels = [1, 0, 1, 0, 0, 1, 1, 1];
    const { metrics, byTarget, accuracy } = figuresOf(loss, outputs, labels, 2);
    expect(accuracy).toBeUndefined();
    // 3 true positives, 1 false positive, 2 false negatives.
    expect(metrics).toEqual({ microF1: 6 / 9, exactMatch: 1 / 4, labelAccuracy: 5 / 8 });
    expect(byTarget[0]).toEqual({ support: 3, accuracy: 3 / 4, precision: 1, recall: 2 / 3, f1: 4 / 5 });
    expect(figuresOf(loss, [-1, -1], [0, 0], 2).metrics).toMatchObject({ microF1: 0, exactMatch: 1 });
  });

  it("of numbers are in the units of the files, whatever the batches", () => {
    const scaling = { mean: [100, 3], factor: [1 / 20, 4] };
    const targets: Targets = { kind: "numbers", count: 2, scaling };
    const { loss } = createLoss({ kind: "mse" }, targets);
    const row = fc.tuple(moderate, moderate, moderate, moderate);
    fc.assert(
      fc.property(fc.array(row, { minLength: 3, maxLength: 9 }), (rows) => {
        const { metrics, byTarget } = figuresOf(
          loss,
          rows.flatMap((row) => row.slice(0, 2)),
          rows.flatMap((row) => row.slice(2)),
          2,
        );
        const known = [0, 1].map((column) => {
          const unscaled = (value: number) => value / scaling.factor[column]! + scaling.mean[column]!;
          const predicted = rows.map((each) => unscaled(each[column]!));
          const labels = rows.map((each) => unscaled(each[2 + column]!));
          const errors = labels.map((label, i) => label - predicted[i]!);
          const mean = labels.reduce((sum, label) => sum + label, 0) / rows.length;
          const squares = (values: number[]) => values.reduce((sum, value) => sum + value ** 2, 0);
          const spread = squares(labels.map((label) => label - mean));
          fc.pre(spread > 1e-3);
          return {
            mse: squares(errors) / rows.length,
            mae: errors.reduce((sum, error) => sum + Math.abs(error), 0) / rows.length,
            r2: 1 - squares(errors) / spread,
          };
        });
        for (const name of ["mse", "mae", "r2"] as const) {
          const close = (found: number, wanted: number) =>
            expect(Math.abs(found - wanted)).toBeLessThan(1e-6 * (1 + Math.abs(wanted)));
          for (const [k, each] of known.entries()) close(byTarget[k]![name]!, each[name]);
          close(metrics![name]!, (known[0]![name] + known[1]![name]) / 2);
        }
      }),
    );
    const { metrics } = figuresOf(lossOf({ kind: "mse" }, 1), [1, 2], [5, 5], 1);
    expect(metrics!.r2).toBe(0);
    expect(figuresOf(lossOf({ kind: "mse" }, 1), [5, 5], [5, 5], 1).metrics!.r2).toBe(1);
  });
});

describe("choosing a loss", () => {
  it("follows the targets", () => {
    const auto = (kind: Targets["kind"]) => createLoss({ kind: "auto" }, { kind, count: 3 });
    expect(auto("classes")).toMatchObject({ loss: { name: "cross-entropy" }, outputs: 3 });
    expect(auto("marks")).toMatchObject({ loss: { name: "multi-label" }, outputs: 3 });
    expect(auto("numbers")).toMatchObject({ loss: { name: "mse" }, outputs: 3 });
    const binary = createLoss({ kind: "binary-cross-entropy" }, { kind: "classes", count: 2 });
    expect(binary.outputs).toBe(1);
  });

  it.each<[LossSettings["kind"], Targets["kind"], RegExp]>([
    ["cross-entropy", "numbers", /is for classes.*are numbers: use one of mse, mae, huber,/],
    ["binary-cross-entropy", "marks", /is for classes.*are marks: use one of multi-label,/],
    ["mse", "classes", /is for numbers.*are classes: use one of cross-entropy, binary-cross-entropy,/],
    ["huber", "marks", /is for numbers/],
    ["multi-label", "numbers", /is for marks/],
  ])("%s of %s is refused", (kind, targets, says) => {
    const create = () => createLoss({ kind, delta: 1 } as LossSettings, { kind: targets, count: 2 });
    const expected = { code: "loss-needs-other-targets", field: "loss.kind" };
    expect(expectError(create, InvalidExperiment, expected).message).toMatch(says);
  });

  it("binary-cross-entropy of three classes is refused", () => {
    const create = () => createLoss({ kind: "binary-cross-entropy" }, { kind: "classes", count: 3 });
    expectError(create, InvalidExperiment, { code: "loss-needs-two-classes", field: "loss.kind" });
  });
});
