import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layers, type Sequential, sequential } from "@tensorflow/tfjs-layers";
import { Matrix, solve } from "ml-matrix";
import { afterAll, describe, expect, it } from "vitest";
import { useBackend } from "../src/backends/index.js";
import type { Dataset, Targets } from "../src/dataset.js";
import { fitLabels } from "../src/datasets/fit.js";
import { type DatasetSettings, loadDataset, loadRows } from "../src/datasets/index.js";
import type { CommonSplit } from "../src/datasets/partition.js";
import { qualityOf } from "../src/evaluation.js";
import { InvalidData, InvalidExperiment } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { createLoss, type LossSettings } from "../src/losses/index.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { openData, openModel } from "../src/runs/model-use.js";
import { evaluateModel, predict } from "../src/runs/predictions.js";
import { type SimulationRound, simulate } from "../src/runs/simulate.js";
import { decodeModel, encodeModel, fileOf } from "../src/saved-model.js";
import { shapesOf } from "../src/trainers/layers-checks.js";
import { createLayersTrainer } from "../src/trainers/layers-trainer.js";
import { splitOf } from "../src/trainers/peer-data.js";
import { expectError, expectRejection } from "./support/errors.js";
import * as tables from "./support/task-data.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-tasks-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let files = 0;
const file = (content: string, name = `${files++}.csv`): string => {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
};

const csv = (content: string, settings: object = {}): DatasetSettings =>
  parseExperiment({ data: { kind: "csv", path: file(content), ...settings } }).data;
/** What a run does with a common data set. */
const splitUp = async (dataset: Promise<Dataset>) => splitOf(await dataset, { kind: "iid" }, 1, 1);
const numbersOf = (settings: object = {}) =>
  csv(tables.numbers, { targets: "numbers", label: ["price", "rate"], ...settings });
const marksOf = (settings: object = {}) =>
  csv(tables.marks, { targets: "marks", label: ["red", "big", "old"], ...settings });

describe("targets from a table", () => {
  it("are numbers of several columns, with mean 0 and variance 1 over the training examples", async () => {
    const [scaled, plain] = await Promise.all([{}, { targetScale: "none" }].map(numbersOf).map(loadDataset));
    expect(plain!.targets).toEqual({ kind: "numbers", count: 2, names: ["price", "rate"] });
    const { targets, train, test, inputShape } = scaled!;
    expect(inputShape).toEqual([3]);
    expect(train.labels).toHaveLength(2 * 160);
    for (const column of [0, 1]) {
      const own = Array.from(train.labels).filter((_, k) => k % 2 === column);
      const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
      const variance = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length;
      expect([mean, variance]).toEqual([expect.closeTo(0, 5), expect.closeTo(1, 5)]);
      const { mean: center, factor } = targets.scaling!;
      for (const part of ["train", "test"] as const) {
        const written = plain![part].labels[column]!;
        const undone = scaled![part].labels[column]! / factor[column]! + center[column]!;
        expect(Math.abs(undone / written - 1)).toBeLessThan(1e-5);
      }
    }
    expect(test.labels).toHaveLength(2 * 40);
  });

  it("are marks of 0 and 1, which are not scaled", async () => {
    const { targets, train, test } = await loadDataset(marksOf());
    expect(targets).toEqual({ kind: "marks", count: 3, names: ["red", "big", "old"] });
    expect(new Set([...train.labels, ...test.labels])).toEqual(new Set([0, 1]));
  });

  it("are one class for a whole number with a decimal point and without", async () => {
    const { targets, train, test } = await loadDataset(
      csv("a,y\n1,0\n2,0.0\n3,1.\n4,1\n5,0.00\n6,1.0\n7,1\n", { testShare: 0.5 }),
    );
    expect(targets.names).toEqual(["0", "1"]);
    expect([...train.labels, ...test.labels].filter((label) => label === 0)).toHaveLength(3);
  });

  it("are in the order in which the setting names their columns, by name or by number", async () => {
    const content = "y,a,z\n1,5,7\n2,6,9\n3,5,8\n4,6,6\n5,5,2\n";
    const settings = { targets: "numbers", targetScale: "none", testShare: 0.2 };
    for (const label of [
      ["z", "y"],
      [2, 0],
      [-1, "y"],
    ]) {
      const { targets, train } = await loadDataset(csv(content, { ...settings, label }));
      expect(targets.names).toEqual(["z", "y"]);
      expect(Array.from(train.labels)).toHaveLength(8);
      const lines = content.split("\n");
      for (let row = 0; row < 4; row++) {
        const [z, y] = train.labels.slice(2 * row);
        expect(lines.some((line) => line.startsWith(`${y},`) && line.endsWith(`,${z}`))).toBe(true);
      }
    }
  });

  it.each<[string, string, object, string]>([
    ["numbers as classes", tables.numbers, { label: "rate" }, "csv-numbers-as-classes"],
    ["several columns of classes", tables.numbers, { label: ["price", "rate"] }, "csv-one-class-column"],
    [
      "names of classes for numbers",
      tables.numbers,
      { targets: "numbers", label: ["price", "rate"], classes: ["a", "b"] },
      "csv-classes-of-no-targets",
    ],
    ["a column twice", tables.numbers, { targets: "numbers", label: ["rate", -1] }, "csv-label-repeated"],
    ["words as numbers", tables.binary, { targets: "numbers" }, "csv-target"],
    ["nothing as a number", "a,y\n1,2\n2,\n3,4\n", { targets: "numbers" }, "csv-target"],
    ["an infinite number", "a,y\n1,2\n2,inf\n3,4\n", { targets: "numbers" }, "csv-target"],
    ["a number too large for float32", "a,y\n1,2\n2,1e39\n3,4\n", { targets: "numbers" }, "csv-target"],
    ["numbers as marks", tables.numbers, { targets: "marks", label: "rate" }, "csv-target"],
    [
      "a number that never changes",
      "a,y\n1,2\n2,2\n3,2\n4,2\n5,2\n6,2\n",
      { targets: "numbers" },
      "target-constant",
    ],
    ["rows without a class", "a,y\n1,x\n2,\n3,z\n", {}, "csv-class-missing"],
    ["features too large for float32", "a,y\n1,x\n1e39,z\n3,z\n", {}, "csv-not-a-number"],
    ["one class", "a,y\n1,x\n2,x\n3,x\n4,x\n5,x\n6,x\n", {}, "one-class"],
    ["nothing but targets", "x,y\n1,2\n2,3\n", { targets: "numbers", label: ["x", "y"] }, "csv-one-column"],
  ])("are refused where there are %s", async (_what, content, settings, code) => {
    await expectRejection(splitUp(loadDataset(csv(content, settings))), InvalidData, { code });
  });

  it("come from other files as the model takes them, and are refused where they are others", async () => {
    const dataset = await loadDataset(numbersOf());
    const { scaling } = dataset.targets;
    const rows = await loadRows(numbersOf({ testShare: 0.5 }), "all", { inputShape: [3] });
    const labels = fitLabels(rows, dataset, "it");
    const [first] = tables.numbers.split("\n").slice(1);
    const price = Number(first!.split(",")[3]);
    expect(labels[0]).toBeCloseTo((price - scaling!.mean[0]!) * scaling!.factor[0]!, 5);
    expect(rows.labels![0]).toBe(Math.fround(price));

    const others = await loadRows(marksOf(), "all", { inputShape: [3] });
    const code = "rows-of-other-targets";
    expectError(() => fitLabels(others, dataset, "it"), InvalidData, { code, field: "data" });
    const turned = await loadRows(numbersOf({ label: ["rate", "price"] }), "all", { inputShape: [3] });
    expectError(() => fitLabels(turned, dataset, "it"), InvalidData, { code, field: "data" });
  });
});

describe("targets from a module", () => {
  const load = (source: string) => {
    const path = file(source, `data-${files++}.mjs`);
    return loadDataset(parseExperiment({ data: { kind: "module", path } }).data);
  };
  const part = (labels: string, count = 6) =>
    `{ features: Float32Array.from({ length: ${2 * count} }, (_, k) => k), labels: ${labels} }`;
  const dataset = (about: string, labels: string) =>
    `export default { inputShape: [2], ${about}, train: ${part(labels)}, test: ${part(labels)} };`;
  const numbers = "Float32Array.of(1.5, 2, -3, 4, 5, 6)";

  it("are numbers, as they are", async () => {
    const found = await load(dataset('targets: { kind: "numbers", count: 1, names: ["y"] }', numbers));
    expect(found.targets).toEqual({ kind: "numbers", count: 1, names: ["y"] });
    expect(Array.from(found.train.labels)).toEqual([1.5, 2, -3, 4, 5, 6]);
  });

  it("are classes where it gives their count alone", async () => {
    const found = await load(dataset("classes: 2", "Int32Array.of(0, 1, 0, 1, 0, 1)"));
    expect(found.targets).toEqual({ kind: "classes", count: 2 });
    expect(found).not.toHaveProperty("classes");
  });

  const ofNumbers = (more = "") => `targets: { kind: "numbers", count: 1${more} }`;
  it.each<[string, string, string, string]>([
    ["from 1", "classes: 2", "Int32Array.of(1, 2, 1, 2, 1, 2)", "label-not-a-class"],
    ["negative", "classes: 2", "Int32Array.of(0, 1, -1, 0, 1, 0)", "label-not-a-class"],
    ["fractions", "classes: 2", "Float32Array.of(0, 1, 0.5, 0, 1, 0)", "label-not-a-class"],
    ["of one class", "classes: 2", "Int32Array.of(1, 1, 1, 1, 1, 1)", "one-class"],
    ["not a number", ofNumbers(), "Float32Array.of(1, 2, NaN, 4, 5, 6)", "label-not-finite"],
    ["infinite", ofNumbers(), "Float32Array.of(1, 2, Infinity, 4, 5, 6)", "label-not-finite"],
    ["constant", ofNumbers(), "new Float32Array(6)", "target-constant"],
    ["more than their count", ofNumbers(), "new Float32Array(12)", "target-count"],
    [
      "no marks",
      'targets: { kind: "marks", count: 1 }',
      "Int32Array.of(0, 1, 2, 0, 1, 0)",
      "label-not-a-mark",
    ],
    ["of no kind", 'targets: { kind: "ranks", count: 1 }', numbers, "module-dataset"],
    ["of no count", 'targets: { kind: "numbers", count: 0 }', numbers, "module-dataset"],
    ["not all named", ofNumbers(', names: ["a", "b"]'), numbers, "module-dataset"],
    ["scaled by nothing", ofNumbers(", scaling: { mean: [0], factor: [0] }"), numbers, "module-dataset"],
  ])("are refused where they are %s", async (_what, about, labels, code) => {
    const error = await expectRejection(splitUp(load(dataset(about, labels))), InvalidData, { code });
    if (code === "label-not-a-class") expect(error.message).toMatch(/label \d \(of example \d\) is .*from 0/);
  });

  it("are refused beside features that are not finite", async () => {
    const train = "{ features: Float32Array.of(1, 2, NaN, 4), labels: Int32Array.of(0, 1) }";
    const source = `export default { inputShape: [2], classes: 2, train: ${train}, test: ${train} };`;
    await expectRejection(load(source), InvalidData, { code: "feature-not-finite" });
  });
});

describe("a split by class", () => {
  it.each(["shards", "dirichlet"] as const)("%s is refused where targets are no classes", async (kind) => {
    const split = parseExperiment({ split: kind }).split as CommonSplit;
    for (const data of [numbersOf(), marksOf()]) {
      const dataset = await loadDataset(data);
      const error = { code: "split-needs-classes", field: "split.kind" };
      await expectRejection(splitOf(dataset, split, 4, 1), InvalidExperiment, error);
    }
  });

  it.each(["iid", "contiguous"] as const)("is not needed: %s", async (kind) => {
    const split = parseExperiment({ split: kind }).split as CommonSplit;
    const parts = await splitOf(await loadDataset(numbersOf()), split, 4, 1);
    expect(parts.map(({ length }) => length)).toEqual([40, 40, 40, 40]);
  });
});

describe("a split", () => {
  const load = () => loadDataset(numbersOf());

  it("is made once for all peers of a process, and again for other settings", async () => {
    const dataset = await load();
    const of = (peers: number, seed: number, kind: "iid" | "contiguous" = "iid") =>
      splitOf(dataset, { kind }, peers, seed);
    const first = await of(4, 1);
    expect(await of(4, 1)).toBe(first);
    for (const other of [await of(4, 2), await of(5, 1), await of(4, 1, "contiguous")]) {
      expect(other).not.toEqual(first);
    }
    expect(await of(4, 1)).toEqual(first);
    // The same numbers in another data set.
    const again = await splitOf(await load(), { kind: "iid" }, 4, 1);
    expect(again).not.toBe(first);
    expect(again).toEqual(first);
  });

  it("is refused each time, and the next one is made", async () => {
    const dataset = await load();
    for (let k = 0; k < 2; k++) {
      await expectRejection(splitOf(dataset, { kind: "iid" }, 161, 1), InvalidExperiment, {
        code: "too-few-examples",
      });
    }
    expect(await splitOf(dataset, { kind: "iid" }, 160, 1)).toHaveLength(160);
  });

  it("is what its file says now", async () => {
    const dataset = await load();
    const examples = Array.from({ length: 160 }, (_, k) => k);
    for (const cut of [50, 60]) {
      const path = file(
        JSON.stringify({ peers: [examples.slice(0, cut), examples.slice(cut)] }),
        "parts.json",
      );
      const parts = await splitOf(dataset, { kind: "file", path }, 2, 1);
      expect(parts.map(({ length }) => length)).toEqual([cut, 160 - cut]);
    }
  });
});

/** A run on a ring of four, to its end. */
async function run(settings: object) {
  const topology = parseTopology({ graph: { kind: "ring", peers: 4 } }, "ring-4");
  const experiment = parseExperiment({
    ...{ split: "iid", evaluateEvery: 0, projectEvery: 0, rounds: 120 },
    ...settings,
  });
  const simulation = await simulate(topology, experiment);
  const rounds = [];
  for await (const round of simulation.run()) rounds.push(round);
  const [peer] = simulation.peers;
  const bytes = encodeModel(fileOf(await peer!.saved()));
  const models = simulation.peers.map(({ model }) => Float32Array.from(model));
  simulation.dispose();
  const { reports } = rounds.at(-1)!;
  const file = decodeModel(new Uint8Array(Buffer.concat(bytes)), "it");
  return { evaluations: reports.map(({ evaluation }) => evaluation!), models, file };
}

describe("a ring of four learns", () => {
  const linear = { model: "softmax", learningRate: { initial: 0.5, decay: "cosine" } };

  it("numbers from a table: R² above 0.95 at every peer, and predicts them in their units", async () => {
    const settings = {
      model: { kind: "mlp", hidden: [16], activation: "tanh" },
      learningRate: 0.2,
      rounds: 120,
    };
    const { evaluations, file } = await run({ ...settings, data: numbersOf() });
    for (const evaluation of evaluations) {
      expect(evaluation.accuracy).toBeUndefined();
      expect(evaluation.metric).toEqual({ name: "r2", better: "higher" });
      expect(qualityOf(evaluation)!.value).toBeGreaterThan(0.95);
    }
    const used = await openModel(file);
    const data = await openData(used, undefined);
    const labels = fitLabels(data.rows, used.examples, data.source);
    const { loss, metric, metrics, byTarget, confusion } = await evaluateModel(
      used.predictor,
      data.features,
      labels,
    );
    expect({ loss, metric, metrics }).toEqual(evaluations[0]);
    expect(confusion).toBeUndefined();
    let error = 0;
    for await (const each of predict(used.predictor, data.features)) {
      if (each.kind !== "numbers") throw new Error(each.kind);
      error += Math.abs(each.numbers[0]! - data.rows.labels![2 * each.row]!);
    }
    const [price] = byTarget!;
    // Prices are around 300,000.
    expect(price!.mae).toBeGreaterThan(100);
    expect(Math.abs(error / 40 / price!.mae! - 1)).toBeLessThan(1e-3);
    expect(file.metadata.outputs).toMatch(/output \/ factor \+ mean/);
    used.predictor.dispose();
  });

  it("two classes with one logit: accuracy above 0.85 and an area under the curve above 0.95", async () => {
    const binary = { data: csv(tables.binary), loss: "binary-cross-entropy" };
    const { evaluations, file, models } = await run({ ...linear, ...binary });
    expect(models[0]).toHaveLength(3 + 1);
    for (const { accuracy, metrics } of evaluations) {
      expect(accuracy).toBeGreaterThan(0.85);
      expect(metrics!.auc).toBeGreaterThan(0.95);
    }
    const used = await openModel(file);
    const data = await openData(used, undefined);
    const labels = fitLabels(data.rows, used.examples, data.source);
    const {
      confusion,
      labels: count,
      ...figures
    } = await evaluateModel(used.predictor, data.features, labels);
    expect(figures).toEqual(evaluations[0]);
    expect((confusion![0]![0]! + confusion![1]![1]!) / count).toBe(figures.accuracy);
    for await (const each of predict(used.predictor, data.features)) {
      if (each.kind !== "classes") throw new Error(each.kind);
      expect(each.probabilities[0]! + each.probabilities[1]!).toBeCloseTo(1, 12);
      expect(each.probabilities[each.label]).toBeGreaterThanOrEqual(0.5);
    }
    used.predictor.dispose();
  });

  it("marks: micro-F1 above 0.9", async () => {
    const { evaluations, file } = await run({ ...linear, data: marksOf() });
    for (const evaluation of evaluations) {
      expect(evaluation).toMatchObject({ metric: { name: "microF1", better: "higher" } });
      expect(qualityOf(evaluation)!.value).toBeGreaterThan(0.9);
    }
    const used = await openModel(file);
    const data = await openData(used, undefined);
    const labels = fitLabels(data.rows, used.examples, data.source);
    const { loss, metric, metrics, byTarget } = await evaluateModel(used.predictor, data.features, labels);
    expect({ loss, metric, metrics }).toEqual(evaluations[0]);
    expect(byTarget).toHaveLength(3);
    let right = 0;
    for await (const each of predict(used.predictor, data.features)) {
      if (each.kind !== "marks") throw new Error(each.kind);
      right += each.probabilities.filter((p, k) => (p > 0.5 ? 1 : 0) === labels[3 * each.row + k]).length;
    }
    expect(right / labels.length).toBe(metrics!.labelAccuracy);
    used.predictor.dispose();
  });

  it("the least squares of all data, to 1e-3: no peer has more than a quarter of it", async () => {
    const data = numbersOf();
    const dataset = await loadDataset(data);
    const { models } = await run({ ...linear, data, batchSize: 40, rounds: 400 });
    const best = leastSquares(dataset);
    for (const model of models) {
      expect(model).toHaveLength(8);
      for (const [k, value] of model.entries()) expect(Math.abs(value - best[k]!)).toBeLessThan(1e-3);
    }
    // A single peer's part has another optimum: what is tested is not met by learning alone.
    const alone = leastSquares({ train: firstOf(dataset, 40) });
    expect(Math.max(...alone.map((value, k) => Math.abs(value - best[k]!)))).toBeGreaterThan(1e-3);
  });

  it("numbers from files of their own, which are scaled as all of them together", async () => {
    const [head, ...lines] = tables.numbers.trim().split("\n");
    const cheap = lines.filter((line) => Number(line.split(",")[3]) < tables.PRICE.constant);
    const parts = [cheap, lines.filter((line) => !cheap.includes(line))].map((own) =>
      [head, ...own].join("\n"),
    );
    const topology = parseTopology(
      { graph: { kind: "chain", peers: 2 }, peers: parts.map((own, id) => ({ id, data: file(own) })) },
      "two files",
    );
    const data = { kind: "csv", targets: "numbers", label: ["price", "rate"] };
    const experiment = { ...linear, data, split: "own", rounds: 100, evaluateEvery: 0, projectEvery: 0 };
    const simulation = await simulate(topology, parseExperiment(experiment));
    let last: SimulationRound | undefined;
    for await (const round of simulation.run()) last = round;
    const [peer] = simulation.peers;
    const { card } = await peer!.saved();
    simulation.dispose();
    const own = await Promise.all(
      parts.map((part) => loadDataset(csv(part, { ...data, scale: "none", targetScale: "none" }))),
    );
    const prices = own.flatMap(({ train }) => Array.from(train.labels).filter((_, k) => k % 2 === 0));
    const mean = prices.reduce((sum, price) => sum + price, 0) / prices.length;
    const { targets } = JSON.parse(card.about.examples!);
    expect(targets.scaling.mean[0] / mean).toBeCloseTo(1, 12);
    // Of the mean of all models, on the held-out examples of each peer.
    expect(last!.meanEvaluation).toMatchObject({ metric: { name: "r2", better: "higher" } });
    expect(qualityOf(last!.meanEvaluation!)!.value).toBeGreaterThan(0.8);
  });

  it.each<LossSettings["kind"]>(["mae", "huber"])(
    "numbers with loss %s, judged by an error: lower is better",
    async (loss) => {
      const { evaluations } = await run({ ...linear, loss, data: numbersOf({ label: "price" }) });
      for (const evaluation of evaluations) {
        expect(evaluation.metric).toEqual({ name: "mae", better: "lower" });
        expect(qualityOf(evaluation)!.value).toBeLessThan(6000);
        expect(evaluation.metrics!.r2).toBeGreaterThan(0.95);
      }
    },
  );
});

const firstOf = ({ train }: Dataset, count: number) => ({
  features: train.features.subarray(0, 3 * count),
  labels: train.labels.subarray(0, 2 * count),
});

/** Kernel and bias by the normal equations of three columns and two targets. */
function leastSquares({ train }: Pick<Dataset, "train">): number[] {
  const rows = Array.from({ length: train.features.length / 3 }, (_, row) => [
    ...train.features.subarray(3 * row, 3 * row + 3),
    1,
  ]);
  const x = new Matrix(rows);
  const y = Matrix.from1DArray(rows.length, 2, Array.from(train.labels));
  return solve(x.transpose().mmul(x), x.transpose().mmul(y)).to1DArray();
}

describe("a model for a loss", () => {
  const logits = { name: "cross-entropy", outputs: "logits" } as const;
  const dense = (activation?: "softmax" | "sigmoid" | "hardSigmoid") =>
    layers.dense({ units: 3, inputShape: [4], ...(activation && { activation }) });
  const inside = (model: Sequential) => sequential({ layers: [model] });

  it.each<[string, () => Sequential, string]>([
    ["softmax", () => sequential({ layers: [dense("softmax")] }), "model-ends-in-softmax"],
    ["softmax layer", () => sequential({ layers: [dense(), layers.softmax()] }), "model-ends-in-softmax"],
    ["sigmoid", () => sequential({ layers: [dense("sigmoid")] }), "model-ends-in-sigmoid"],
    ["hard sigmoid", () => sequential({ layers: [dense("hardSigmoid")] }), "model-ends-in-sigmoid"],
    [
      "softmax in a model within",
      () => inside(inside(sequential({ layers: [dense("softmax")] }))),
      "model-ends-in-softmax",
    ],
    [
      "softmax before a reshaping",
      () =>
        sequential({
          layers: [dense("softmax"), layers.reshape({ targetShape: [3, 1] }), layers.flatten()],
        }),
      "model-ends-in-softmax",
    ],
    [
      "sigmoid activation before dropout",
      () =>
        sequential({
          layers: [dense(), layers.activation({ activation: "sigmoid" }), layers.dropout({ rate: 0.1 })],
        }),
      "model-ends-in-sigmoid",
    ],
  ])("of logits may not end in a %s", async (_what, create, code) => {
    await useBackend();
    const model = create();
    expectError(() => shapesOf(model, logits), InvalidExperiment, { code, field: "model" });
    expect(shapesOf(model, { name: "mse", outputs: "numbers" }).outputs).toBeGreaterThan(0);
    expect(shapesOf(model, undefined).answers * shapesOf(model, undefined).outputs).toBe(3);
  });

  it("of logits may have such an activation further in", async () => {
    await useBackend();
    const gated = sequential({ layers: [dense("sigmoid"), layers.dense({ units: 2 })] });
    expect(shapesOf(gated, logits)).toMatchObject({ outputs: 2, answers: 1 });
  });

  const part = (labels: Int32Array | Float32Array, count: number) => ({
    features: new Float32Array(4 * count),
    labels,
  });
  const trainer = (loss: LossSettings, targets: Targets, labels: Int32Array | Float32Array) => {
    const examples = part(labels, 4);
    const model = sequential({ layers: [dense()] });
    const { loss: made, outputs } = createLoss(loss, targets);
    return createLayersTrainer({
      model,
      train: examples,
      test: examples,
      loss: made,
      outputs,
      seed: 1,
      peer: 0,
    });
  };

  it("must have as many outputs as the loss takes", async () => {
    await useBackend();
    const labels = Int32Array.of(0, 1, 0, 1);
    for (const [loss, targets] of [
      [{ kind: "cross-entropy" }, { kind: "classes", count: 2 }],
      [{ kind: "binary-cross-entropy" }, { kind: "classes", count: 2 }],
      [{ kind: "mse" }, { kind: "numbers", count: 1 }],
    ] satisfies [LossSettings, Targets][]) {
      const error = { code: "model-output-count", field: "model" };
      expectError(() => trainer(loss, targets, labels), InvalidExperiment, error);
    }
    expect(trainer({ kind: "cross-entropy" }, { kind: "classes", count: 3 }, labels).layout.length).toBe(15);
  });

  it("is not trained on other counts of labels, or on labels of another kind", async () => {
    await useBackend();
    const three = { kind: "numbers", count: 3 } as const;
    expectError(() => trainer({ kind: "mse" }, three, new Float32Array(8)), InvalidData, {
      code: "labels-per-example",
    });
    const infinite = new Float32Array(12).fill(Number.NEGATIVE_INFINITY, 5, 6);
    expectError(() => trainer({ kind: "mse" }, three, infinite), InvalidData, { code: "label-not-finite" });
    const halves = new Float32Array(12).fill(0.5);
    const marks = { kind: "marks", count: 3 } as const;
    expectError(() => trainer({ kind: "multi-label" }, marks, halves), InvalidData, {
      code: "label-not-a-mark",
    });
  });
});
