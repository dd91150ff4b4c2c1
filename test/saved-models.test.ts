import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PNG } from "pngjs";
import { describe, expect, it } from "vitest";
import type { ExamplesDescription, Rows, Targets } from "../src/dataset.js";
import { fitFeatures, fitLabels } from "../src/datasets/fit.js";
import { loadDataset, loadRows } from "../src/datasets/index.js";
import { InvalidData, InvalidModel } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { originsOf } from "../src/runs/model-card.js";
import { openData, openModel } from "../src/runs/model-use.js";
import { evaluateModel, type PredictedTarget, predict } from "../src/runs/predictions.js";
import { preparePeers } from "../src/runs/prepare.js";
import {
  areEqual,
  decodeModel,
  EQUAL_WITHIN,
  encodeModel,
  fileOf,
  type ModelFile,
  numbersFor,
} from "../src/saved-model.js";
import { createTrainer } from "../src/trainers/index.js";
import { createLayout } from "../src/vectors/layout.js";
import { decodeSafetensors, encodeSafetensors } from "../src/vectors/safetensors.js";
import { expectError, expectRejection } from "./support/errors.js";
import { scratchFolder } from "./support/files.js";
import { joined } from "./support/mutate.js";

const { folder: scratch, file } = scratchFolder();

/** Rows of two columns around their class's centre, dealt to the classes in turn. */
const flowers = (names: readonly string[], count = 30) =>
  Array.from(
    { length: count },
    (_, k) => `${100 * (k % names.length) + (k % 7)},${k % 5},${names[k % names.length]}`,
  );
const table = file("flowers.csv", ["long,wide,species", ...flowers(["rose", "iris", "lily"])].join("\n"));

/** The trained model of peer 0, in a file, and its trainer. */
async function trained(settings: object, peers = 2) {
  const topology = parseTopology({ graph: { kind: "chain", peers } }, "test");
  const experiment = parseExperiment({ rounds: 2, evaluateEvery: 0, ...settings });
  const prepared = await preparePeers({ topology, experiment });
  const [peer, trainer] = [prepared.peers[0]!, prepared.trainers[0]!];
  const update = new Float32Array(peer.layout.length);
  for (let step = 0; step < 3; step++) {
    await trainer.gradient(peer.model, update, step);
    update.forEach((gradient, k) => {
      peer.model[k]! -= 0.1 * gradient;
    });
  }
  const saved = await peer.saved();
  return {
    experiment,
    saved,
    trainer,
    bytes: joined(...encodeModel(fileOf(saved))),
    dispose: prepared.dispose,
  };
}

describe("a saved model", () => {
  const bookText = "the cat sat on the mat. ".repeat(30);
  const cases: [string, object][] = [
    ["mlp on the digits", { model: "mlp" }],
    [
      "batch statistics that stay with the peer",
      { model: { kind: "resnet", blocks: 1, filters: 4, normalization: "batch" } },
    ],
    ["a table whose columns are scaled", { data: { kind: "csv", path: table }, split: "iid" }],
    [
      "text",
      {
        model: { kind: "char-transformer", width: 8, heads: 2, blocks: 1 },
        data: { kind: "text", path: file("book.txt", bookText), sequenceLength: 8 },
        split: "contiguous",
      },
    ],
  ];
  it.each(cases)("answers as it did in its run: %s", async (_what, settings) => {
    const { saved, trainer, bytes, dispose } = await trained(settings);
    const { byClass, ...expected } = await trainer.evaluate(saved.model);
    const used = await openModel(decodeModel(bytes, "it"));
    try {
      const data = await openData(used, undefined);
      const labels = fitLabels(data.rows, used.examples, data.source);
      const { loss, accuracy, confusion } = await evaluateModel(used.predictor, data.features, labels);
      expect({ loss, accuracy }).toEqual(expected);
      if (byClass) expect(confusion!.map((row, label) => row[label])).toEqual(byClass.correct);
      const counts = confusion!.map((row) => row.reduce((sum, count) => sum + count, 0));
      expect(counts).toEqual(confusion!.map((_, label) => labels.filter((each) => each === label).length));

      let right = 0;
      let answers = 0;
      for await (const { row, position, ...target } of predict(used.predictor, data.features)) {
        const { label, probabilities } = target as PredictedTarget & { kind: "classes" };
        expect(row * used.predictor.positions + position).toBe(answers);
        if (label === labels[answers++]) right++;
        expect(probabilities.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
        expect(probabilities.indexOf(Math.max(...probabilities))).toBe(label);
      }
      expect([right / answers, answers]).toEqual([accuracy, labels.length]);
    } finally {
      used.predictor.dispose();
      dispose();
    }
  });

  it("says which run it is of", async () => {
    const { experiment, bytes, dispose } = await trained({ seed: 9 });
    const { metadata } = decodeModel(bytes, "it");
    expect(Object.keys(metadata)).toEqual([
      "murmuration",
      "topology",
      "experiment",
      "examples",
      "outputs",
      "peer",
      "round",
      "vector",
      "digest",
    ]);
    expect(JSON.parse(metadata.experiment!)).toEqual(experiment);
    expect(JSON.parse(metadata.topology!)).toMatchObject({ name: "chain-2", peers: 2 });
    expect(metadata).toMatchObject({ peer: "0", round: "0" });
    dispose();
  });

  it("is the same whatever the order of its tensors", async () => {
    const { bytes, dispose } = await trained({});
    const { tensors, metadata } = decodeSafetensors(bytes, "it");
    expect(JSON.parse(metadata.vector!)).toEqual(tensors.map(({ name }) => name));
    const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(sorted[0]!.name).not.toBe(tensors[0]!.name);
    const again = decodeModel(joined(...encodeSafetensors({ tensors: sorted, metadata })), "it");
    expect(again.metadata.digest).toBe(metadata.digest);
    dispose();
  });

  it("does not predict from numbers whose products overflow", async () => {
    const { saved, dispose } = await trained({ model: "softmax" });
    saved.model.fill(3e38);
    dispose();
    const used = await openModel(decodeModel(joined(...encodeModel(fileOf(saved))), "m.safetensors"));
    const { rows, features } = await openData(used, undefined);
    const labels = fitLabels(rows, used.examples, "digits");
    const error = { code: "outputs-not-finite" };
    await expectRejection(evaluateModel(used.predictor, features, labels), InvalidModel, error);
    await expectRejection(predict(used.predictor, features).next(), InvalidModel, error);
    used.predictor.dispose();
  });

  it("is refused where its numbers are not those of its digest", async () => {
    const { bytes, dispose } = await trained({});
    bytes[bytes.length - 1]! ^= 1;
    expectError(() => decodeModel(bytes, "m"), InvalidModel, { code: "model-digest", field: "m" });
    dispose();
  });
});

describe("a run that starts from a model", () => {
  const settings = { model: { kind: "resnet", blocks: 1, filters: 4, normalization: "batch" }, seed: 3 };
  const context = { peer: 1, peers: 2, seed: 3 };
  const trainerFrom = (weights: string, others = {}) =>
    createTrainer(parseExperiment({ ...settings, ...others, weights }), context);

  it("has its numbers at every peer, also those that stay with the peer", async () => {
    const { saved, bytes, dispose } = await trained(settings);
    const trainer = await trainerFrom(file("resnet.safetensors", bytes));
    const start = new Float32Array(trainer.layout.length);
    trainer.initialize(start);
    expect(start).toEqual(Float32Array.from(saved.model));
    expect(await trainer.state()).toEqual(saved.local);
    trainer.dispose();
    dispose();
  });

  it("draws from the seed what the file leaves out of the peer's own", async () => {
    const { saved, bytes, dispose } = await trained(settings);
    const tensors = decodeSafetensors(bytes, "it").tensors.filter(({ name }) => !(name in saved.local));
    const trainer = await trainerFrom(
      file("common.safetensors", joined(...encodeSafetensors({ tensors, metadata: {} }))),
    );
    const [first] = Object.values(await trainer.state());
    expect(first!.every((value) => value === 0 || value === 1)).toBe(true);
    trainer.dispose();
    dispose();
  });

  it.each([
    ["is missing", () => join(scratch, "none"), {}, InvalidData, "data-file-unreadable"],
    ["is no such file", () => table, {}, InvalidModel, "safetensors-damaged"],
    [
      "is of another model",
      () => join(scratch, "resnet.safetensors"),
      { model: "mlp" },
      InvalidModel,
      "model-does-not-fit",
    ],
  ])("is refused where it %s", async (_what, path, others, Class, code) => {
    await expectRejection(trainerFrom(path(), others), Class as typeof InvalidModel, { code });
  });
});

const layout = createLayout([
  { name: "a", shape: [2, 1] },
  { name: "b", shape: [1] },
]);
const fileWith = (shapes: Record<string, number[]>, metadata = {}): ModelFile => {
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    return {
      name,
      shape,
      values: new Float32Array(shape.reduce((n, side) => n * side, 1)).fill(name.length),
    };
  });
  return decodeModel(joined(...encodeSafetensors({ tensors, metadata })), "m.safetensors");
};

describe("numbers of a file", () => {
  it("are taken by name, and what a peer kept for itself only where the file has it", () => {
    const read = fileWith({ b: [1], a: [2, 1], mean: [3] });
    expect(numbersFor(read, layout, { mean: [3], variance: [3] })).toEqual({
      model: Float32Array.from([1, 1, 1]),
      local: { mean: Float32Array.from([4, 4, 4]) },
      frozen: {},
    });
  });

  it.each([
    ["a tensor is missing", { a: [2, 1] }, "b"],
    ["a tensor has another shape", { a: [1, 2], b: [1] }, "a"],
    ["a tensor is of another model", { a: [2, 1], b: [1], c: [1] }, "c"],
  ])("are refused where %s", (_what, shapes, field) => {
    expectError(() => numbersFor(fileWith(shapes), layout), InvalidModel, {
      code: "model-does-not-fit",
      field,
    });
  });

  it.each([Number.NaN, Number.NEGATIVE_INFINITY])("are refused where one is %s", (number) => {
    const read = fileWith({ a: [2, 1], b: [1], mean: [3] });
    read.tensors.at(-1)!.values[2] = number;
    expectError(() => numbersFor(read, layout, { mean: [3] }), InvalidModel, {
      code: "model-not-finite",
      field: "mean",
    });
  });

  const modelOf = (values: number[], name = "a", metadata = {}): ModelFile => ({
    ...{ source: "it", metadata },
    tensors: tensor(values, name),
  });
  const tensor = (values: number[], name = "a") => [
    { name, shape: [values.length], values: Float32Array.from(values) },
  ];
  it.each([
    ["are equal", [1, 2], true],
    ["are apart by less than the limit", [1, 2 * (1 + 0.9 * EQUAL_WITHIN)], true],
    ["are apart by more", [1, 2 * (1 + 1.1 * EQUAL_WITHIN)], false],
    ["are not finite", [1, Number.NaN], false],
    ["are others in count", [1, 2, 0], false],
  ])("of two models that %s", (_what, values, isEqual) => {
    expect(areEqual(modelOf([1, 2]), modelOf(values))).toBe(isEqual);
  });

  it("are those of tensors with the same names", () => {
    expect(areEqual(modelOf([1]), modelOf([1], "b"))).toBe(false);
    expect(areEqual(modelOf([0]), modelOf([0]))).toBe(true);
  });

  it("are those of one run, at whichever peer", () => {
    const at = (metadata: object) => modelOf([1], "a", metadata);
    expect(areEqual(at({ peer: "0", digest: "x" }), at({ peer: "1", digest: "y" }))).toBe(true);
    expect(areEqual(at({ examples: "{}" }), at({ examples: '{"scaling":1}' }))).toBe(false);
  });
});

describe("metadata that cannot be used", () => {
  const experiment = JSON.stringify(parseExperiment({}));
  const targets = { kind: "classes", count: 10 };
  const examples = JSON.stringify({ inputShape: [8, 8, 1], targets });
  const scaling = { mean: [0], factor: [1] };
  it.each([
    ["none", {}, /does not say what model it is of/],
    ["no examples", { experiment }, /does not say what its model takes/],
    ["no JSON", { experiment: "{", examples }, /"experiment" that are not JSON/],
    ["settings of no model", { experiment: '{"rouns":3}', examples }, /rouns.*did you mean "rounds"/],
    ["no targets", { experiment, examples: '{"inputShape":[8]}' }, /examples: targets/],
    [
      "a scale of other channels",
      { experiment, examples: JSON.stringify({ inputShape: [2], targets, scaling }) },
      /scales 1 channels, of which there are 2/,
    ],
    [
      "a scale of other targets",
      {
        experiment,
        examples: JSON.stringify({ inputShape: [2], targets: { kind: "numbers", count: 3, scaling } }),
      },
      /scales 1 targets, of which there are 3/,
    ],
  ])("are refused in one line: %s", (_what, metadata, says) => {
    expect(() => originsOf(fileWith({}, metadata))).toThrow(says);
  });
});

describe("examples for a trained model", () => {
  const csv = (path: string) => ({ ...parseExperiment({ data: { kind: "csv", path } }).data });

  it("are those of its run, to the bit, once they are scaled as there", async () => {
    const dataset = await loadDataset(csv(table));
    const rows = await loadRows(csv(table), "test", dataset);
    expect(rows.features).not.toEqual(dataset.test.features);
    expect(fitFeatures(rows, dataset, "it")).toEqual(dataset.test.features);
    expect(fitLabels(rows, dataset, "it")).toEqual(dataset.test.labels);
  });

  it("come in the order of the file, with the classes that the model has by these names", async () => {
    const dataset = await loadDataset(csv(table));
    const other = file("other.csv", ["long,wide,species", ...flowers(["rose", "lily"], 4)].join("\n"));
    const rows = await loadRows(csv(other), "all", dataset);
    expect(Array.from(rows.features.filter((_, k) => k % 2 === 0))).toEqual([0, 101, 2, 103]);
    expect(dataset.targets.names).toEqual(["iris", "lily", "rose"]);
    expect(Array.from(fitLabels(rows, dataset, other))).toEqual([2, 1, 2, 1]);
  });

  it("need no column of classes, unless they are to be compared", async () => {
    const dataset = await loadDataset(csv(table));
    const bare = file("bare.csv", "long,wide\n3,4\n5,6\n");
    const rows = await loadRows(csv(bare), "all", dataset);
    expect(Array.from(rows.features)).toEqual([3, 4, 5, 6]);
    expectError(() => fitLabels(rows, dataset, bare), InvalidData, { code: "rows-without-labels" });
    const wide = csv(file("wide.csv", "a,b,c,d\n1,2,3,x\n"));
    await expectRejection(loadRows(wide, "all", { inputShape: [2] }), InvalidData, {
      code: "csv-columns-of-model",
    });
  });

  it("lack no column that the model was trained on", async () => {
    const inputs = { inputShape: [2], featureNames: ["long", "wide"] };
    const lacking = (content: string) =>
      expectRejection(loadRows(csv(file("lacking.csv", content)), "all", inputs), InvalidData, {
        code: "csv-columns-missing",
      });
    // As wide as the model's columns, and so without targets.
    expect((await lacking("long,species\n1,rose\n")).message).toContain("lacks column wide, which");
    expect((await lacking("a,b,c\n1,2,3\n")).message).toContain("lacks columns long, wide, which");
  });

  it("may have classes that the model does not know only where no one asks", async () => {
    const dataset = await loadDataset(csv(table));
    const path = file("tulip.csv", "long,wide,species\n1,2,rose\n3,4,tulip\n");
    const rows = await loadRows(csv(path), "all", dataset);
    expect(fitFeatures(rows, dataset, path)).toHaveLength(4);
    expectError(() => fitLabels(rows, dataset, path), InvalidData, {
      code: "class-unknown-to-model",
    });
  });

  const classes = (...names: string[]): Targets => ({ kind: "classes", count: names.length, names });
  const model: ExamplesDescription = {
    inputShape: [2],
    targets: { kind: "classes", count: 3, names: ["a", "b", "c"] },
  };
  it("keep the numbers of characters apart that another text gives them", async () => {
    const rows: Rows = {
      ...{ inputShape: [2], targets: classes("a", "c"), featuresAreClasses: true },
      features: Float32Array.from([1, 0]),
      labels: Int32Array.from([0, 1]),
    };
    expect(Array.from(fitFeatures(rows, model, "it"))).toEqual([2, 0]);
    expect(Array.from(fitLabels(rows, model, "it"))).toEqual([0, 2]);
    const stranger = { ...rows, targets: classes("a", "€") };
    expectError(() => fitFeatures(stranger, model, "it"), InvalidData, {
      code: "class-unknown-to-model",
    });
  });

  it("are a text from its first character on, however short", async () => {
    const load = (content: string) =>
      loadRows(
        parseExperiment({ data: { kind: "text", path: file("short.txt", content), sequenceLength: 2 } }).data,
        "all",
        { inputShape: [2] },
      );
    const rows = await load("cabbc");
    const letters = (numbers: ArrayLike<number>) =>
      Array.from(numbers, (k) => rows.targets.names![k]).join("");
    expect([letters(rows.features), letters(rows.labels!)]).toEqual(["cabb", "abbc"]);
    await expectRejection(load("ca"), InvalidData, { code: "text-shorter-than-example" });
  });

  it("of another shape are refused", async () => {
    const rows = { inputShape: [1, 2], targets: classes(), features: new Float32Array(2) };
    expectError(() => fitFeatures(rows, model, "it"), InvalidData, { code: "rows-of-another-shape" });
  });

  it("are images of a folder by their names, with folders for classes or without", async () => {
    const png = (grey: number) => {
      const picture = new PNG({ width: 2, height: 2 });
      picture.data.fill(grey);
      return PNG.sync.write(picture);
    };
    const folder = join(scratch, "pictures");
    for (const [name, grey] of Object.entries({ "cat/1.png": 51, "cat/2.png": 102, "dog/3.png": 255 })) {
      file(`pictures/${name}`, png(grey));
    }
    // Beside folders for classes it is none of the examples.
    file("pictures/stray.png", png(0));
    mkdirSync(join(folder, "empty"));
    const load = (path: string) =>
      loadRows(parseExperiment({ data: { kind: "images", path, channels: 1 } }).data, "all", {
        inputShape: [2, 2, 1],
      });
    const rows = await load(folder);
    expect(rows.rowNames).toEqual(["cat/1.png", "cat/2.png", "dog/3.png"].map((name) => `${folder}/${name}`));
    expect(rows).toMatchObject({ inputShape: [2, 2, 1], targets: { names: ["cat", "dog"] } });
    expect(Array.from(rows.labels!)).toEqual([0, 0, 1]);
    expect(rows.features[0]).toBeCloseTo(0.2, 6);
    const own = await load(join(folder, "cat"));
    expect(own.rowNames).toHaveLength(2);
    expect(own.labels).toBeUndefined();
    const single = await load(join(folder, "dog/3.png"));
    expect(single).toMatchObject({ rowNames: [`${folder}/dog/3.png`], inputShape: [2, 2, 1] });
    expect(single.labels).toBeUndefined();
    expect(single.features).toEqual(rows.features.slice(-4));
    const text = file("pictures.txt", "");
    await expectRejection(load(text), InvalidData, { code: "images-not-a-folder" });
    await expectRejection(load(join(folder, "empty")), InvalidData, { code: "images-empty" });
  });
});
