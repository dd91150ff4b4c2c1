import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { initializers, layers, sequential } from "@tensorflow/tfjs-layers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { useBackend } from "../src/backends/index.js";
import { loadDataset } from "../src/datasets/index.js";
import { InvalidCheckpoint, InvalidExperiment, InvalidModel } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { openModel } from "../src/runs/model-use.js";
import { exportModel } from "../src/runs/node/export.js";
import { readModel } from "../src/runs/node/models.js";
import { recordSimulation } from "../src/runs/node/record-simulation.js";
import { evaluateModel } from "../src/runs/predictions.js";
import { preparePeers } from "../src/runs/prepare.js";
import { simulate } from "../src/runs/simulate.js";
import { fileOf, type ModelFile } from "../src/saved-model.js";
import { SHOWN_NAMES, upTo } from "../src/settings/check.js";
import { createTrainer } from "../src/trainers/index.js";
import { matches } from "../src/trainers/layers-freezing.js";
import { createLayersTrainer } from "../src/trainers/layers-trainer.js";
import { MAX_PATTERN_LENGTH, MAX_PATTERNS } from "../src/trainers/task.js";
import { testBackend } from "./support/backend.js";
import { expectError, expectRejection } from "./support/errors.js";
import { someExamples, trainerOf } from "./support/layers-trainers.js";

beforeAll(async () => {
  await useBackend(testBackend);
});
const scratch = mkdtempSync(join(tmpdir(), "murmur-trainable-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const ring = parseTopology({ graph: { kind: "ring", peers: 4 } }, "ring");
const short = { rounds: 6, evaluateEvery: 0, projectEvery: 0, consensusRate: 0.5, split: "iid", seed: 5 };
const valuesOf = ({ tensors }: ModelFile) =>
  Object.fromEntries(tensors.map(({ name, values }) => [name, Float32Array.from(values)]));

/** A run of four peers: their models before and after, what they sent, and how the mean model fares. */
async function run(settings: object) {
  const simulation = await simulate(ring, parseExperiment({ ...short, ...settings }));
  const models = () =>
    Promise.all(simulation.peers.map(async (peer) => valuesOf(fileOf(await peer.saved()))));
  const before = await models();
  let [sent, loss] = [0, 0];
  for await (const { reports, meanEvaluation } of simulation.run()) {
    sent = reports.reduce(
      (sum, { traffic }) => sum + traffic.reduce((n, { bytesSent }) => n + bytesSent, 0),
      0,
    );
    loss = meanEvaluation?.loss ?? loss;
  }
  const after = await models();
  const lengths = simulation.peers.map(({ layout }) => layout.length);
  simulation.dispose();
  return { before, after, sent, loss, lengths };
}

describe("a run in which some tensors learn", () => {
  it("leaves the others as they were, at every peer, to the bit, and moves those", async () => {
    const { before, after, lengths } = await run({ trainable: ["dense2", "*/bias"] });
    expect(lengths).toEqual([64 + 650, 64 + 650, 64 + 650, 64 + 650]);
    for (const [k, model] of after.entries()) {
      expect(Object.keys(model).sort()).toEqual([
        "dense1/bias",
        "dense1/kernel",
        "dense2/bias",
        "dense2/kernel",
      ]);
      expect(model["dense1/kernel"]).toEqual(before[0]!["dense1/kernel"]);
      for (const name of ["dense1/bias", "dense2/bias", "dense2/kernel"])
        expect(model[name]).not.toEqual(before[k]![name]);
    }
  });

  it.each([
    ["edge-choco", { compressor: "sign" }],
    ["deepsqueeze", { compressor: { kind: "minmax", bits: 4 } }],
    ["dpsgd", {}],
  ])("sends the bytes of a model with their parameters alone: %s", async (algorithm, others) => {
    // 64 inputs and 10 outputs, as softmax on the digits has.
    const part = await run({ algorithm, ...others, trainable: ["dense2"] });
    const whole = await run({ algorithm, ...others, model: "softmax" });
    expect(part.sent).toBeGreaterThan(0);
    expect(part.sent).toBe(whole.sent);
  });

  it("lowers the loss", async () => {
    const settings = { trainable: ["dense2"], learningRate: 0.3 };
    const [few, many] = [await run({ ...settings, rounds: 1 }), await run({ ...settings, rounds: 60 })];
    expect(many.loss).toBeLessThan(0.5 * few.loss);
  });

  it("has the bits of a run without patterns where they match everything", async () => {
    const model = { kind: "resnet", blocks: 1, filters: 4, normalization: "batch" };
    const all = await run({ model, rounds: 3 });
    const named = await run({ model, rounds: 3, trainable: ["conv2d*", "batch*ion*", "dense1/*"] });
    expect(named).toEqual(all);
  });
});

describe("a model whose lower layers are frozen", () => {
  const settings = { model: { kind: "mlp", hidden: [12, 8] }, seed: 3 };
  let weights = "";
  beforeAll(async () => {
    const save = join(scratch, "first");
    await record({ ...settings, rounds: 30 }, { save });
    weights = join(save, "model.safetensors");
  });
  const record = (own: object, options: object) =>
    recordSimulation({
      ...{ topology: ring, experiment: parseExperiment({ ...short, ...own }), warn: () => {} },
      ...options,
    });
  const tuned = () => ({ ...settings, trainable: ["dense3"], weights, rounds: 8 });

  it("is saved as a whole, and answers as it did in its run", async () => {
    const save = join(scratch, "tuned");
    const summary = await record(tuned(), { save });
    const file = await readModel(join(save, "model.safetensors"));
    const [start, end] = [valuesOf(await readModel(weights)), valuesOf(file)];
    expect(Object.keys(end).sort()).toEqual(Object.keys(start).sort());
    for (const name of Object.keys(end)) {
      if (name.startsWith("dense3")) expect(end[name]).not.toEqual(start[name]);
      else expect(end[name]).toEqual(start[name]);
    }
    expect(JSON.parse(file.metadata.vector!)).toEqual(["dense3/kernel", "dense3/bias"]);

    const { predictor } = await openModel(file);
    const { test } = await loadDataset(parseExperiment({}).data);
    const { loss, accuracy } = await evaluateModel(predictor, test.features, test.labels);
    predictor.dispose();
    expect(accuracy).toBe(summary.final.meanModel);
    expect(loss).toBeCloseTo(summary.final.meanModelLoss, 6);
    // The run in which everything learns starts from it too.
    const next = await createTrainer(
      parseExperiment({ ...settings, weights: join(save, "model.safetensors") }),
      { peer: 0, peers: 4, seed: 3 },
    );
    expect(next.frozen).toBeUndefined();
    next.dispose();
  });

  it("goes on from a checkpoint to the bit, and is exported from one as a whole", async () => {
    const [straight, resumed] = [join(scratch, "straight"), join(scratch, "resumed")];
    const folder = join(scratch, "checkpoints");
    const saved = (resume: boolean) => ({ folder, every: 2, resume });
    await record(tuned(), { save: straight });
    const stop = new AbortController();
    const stopped = record(tuned(), {
      checkpoints: saved(false),
      signal: stop.signal,
      onRound: ({ round }: { round: number }) => round === 3 && stop.abort("stopped"),
    });
    await expect(stopped).rejects.toThrow(/stopped/);
    await record(tuned(), { checkpoints: saved(true), save: resumed });
    const [one, other] = await Promise.all(
      [straight, resumed].map((name) => readModel(join(name, "model.safetensors"))),
    );
    expect(valuesOf(other!)).toEqual(valuesOf(one!));

    // What is frozen lies there once, and the checkpoints are as small as what learns.
    const own = join(folder, "peer-2");
    const names = readdirSync(own);
    expect(names.filter((name) => !name.startsWith("round-"))).toEqual(["frozen.safetensors"]);
    const checkpoint = names.find((name) => name.endsWith(".checkpoint"))!;
    expect(statSync(join(own, checkpoint)).size).toBeLessThan(10_000);

    const to = join(scratch, "exported.safetensors");
    await exportModel({ source: own, to, warn: () => {} });
    const exported = valuesOf(await readModel(to));
    const start = valuesOf(await readModel(weights));
    expect(exported["dense1/kernel"]).toEqual(start["dense1/kernel"]);
    expect(Object.keys(exported).sort()).toEqual(Object.keys(start).sort());
    await exportModel({ source: folder, of: "mean", to: join(scratch, "mean.safetensors"), warn: () => {} });
    expect(valuesOf(await readModel(join(scratch, "mean.safetensors")))["dense2/kernel"]).toEqual(
      start["dense2/kernel"],
    );

    rmSync(join(own, "frozen.safetensors"));
    await expectRejection(
      exportModel({ source: own, to: join(scratch, "never.safetensors"), warn: () => {} }),
      InvalidCheckpoint,
      { code: "frozen-missing", field: join(own, "frozen.safetensors") },
    );
    expect(existsSync(join(scratch, "never.safetensors"))).toBe(false);
  });

  it("does not go on from a checkpoint of other frozen tensors", async () => {
    const folder = join(scratch, "of-others");
    await record({ ...tuned(), rounds: 4 }, { checkpoints: { folder, every: 2, resume: false } });
    await expectRejection(
      record({ ...tuned(), rounds: 4, weights: "seed" }, { checkpoints: { folder, every: 2, resume: true } }),
      InvalidCheckpoint,
      { code: "checkpoint-of-another-run" },
    );
  });

  it("does not start from a file that lacks a frozen tensor", async () => {
    const experiment = parseExperiment({
      ...tuned(),
      model: { kind: "mlp", hidden: [12, 8, 8] },
      trainable: ["dense1"],
    });
    await expectRejection(createTrainer(experiment, { peer: 0, peers: 4, seed: 3 }), InvalidModel, {
      code: "model-does-not-fit",
      field: "dense4/kernel",
    });
  });
});

const [INPUTS, CLASSES] = [6, 4];
const examples = someExamples(40, INPUTS, CLASSES);
const dense = (units: number, settings: object = {}) =>
  layers.dense({ units, kernelInitializer: initializers.glorotUniform({ seed: units }), ...settings });

describe("a trainer of some layers", () => {
  const normalised = () =>
    sequential({
      layers: [
        dense(5, { inputShape: [INPUTS] }),
        layers.batchNormalization(),
        dense(7, { activation: "relu" }),
        layers.batchNormalization(),
        dense(CLASSES),
      ],
    });
  const statistics = (values: Readonly<Record<string, Float32Array>>) =>
    Object.fromEntries(Object.entries(values).filter(([name]) => name.includes("moving")));

  it("computes with the running statistics of frozen batch normalisation, and leaves them as they are", async () => {
    const { trainer, vector } = await trainerOf(normalised(), examples, {
      trainable: ["dense3"],
      batchSize: 40,
    });
    const shifted = Object.entries((await trainer.frozen!.read()) ?? {}).map(([name, values]) => [
      name,
      name.includes("moving") ? values.map((value, k) => value + 0.3 + 0.1 * k) : values,
    ]);
    trainer.frozen!.write(Object.fromEntries(shifted));
    const before = await trainer.frozen!.read();
    expect(Object.keys(statistics(before))).toHaveLength(4);
    // A batch of all examples: what a step learns from is then what an evaluation is of.
    const { loss } = await trainer.evaluate(vector);
    expect(await trainer.gradient(vector, new Float32Array(vector.length), 0)).toBeCloseTo(loss, 5);
    for (let round = 0; round < 30; round++) await trainer.step(vector, { round, learningRate: 0.3 });
    expect(await trainer.frozen!.read()).toEqual(before);
    expect(await trainer.state()).toEqual({});
    expect((await trainer.evaluate(vector)).loss).toBeLessThan(0.9 * loss);
    trainer.dispose();
  });

  it("keeps the statistics of a layer that learns apart from those of one that is frozen", async () => {
    const { trainer, vector } = await trainerOf(normalised(), examples, {
      trainable: ["batchnormalization2", "dense3"],
    });
    const [state, frozen] = [await trainer.state(), await trainer.frozen!.read()];
    expect(Object.keys(statistics(frozen)).every((name) => name.startsWith("batchnormalization1/"))).toBe(
      true,
    );
    await trainer.step(vector, { round: 0, learningRate: 0.1 });
    expect(Object.keys(state)).toEqual([
      "batchnormalization2/moving_mean",
      "batchnormalization2/moving_variance",
    ]);
    expect(await trainer.state()).not.toEqual(state);
    expect(await trainer.frozen!.read()).toEqual(frozen);
    trainer.dispose();
  });

  it.each([
    ["a layer's own flag", () => layers.batchNormalization({ trainable: false })],
    [
      "that of a model around it",
      () => {
        const inner = sequential({ layers: [layers.batchNormalization({ inputShape: [INPUTS] })] });
        inner.trainable = false;
        return inner;
      },
    ],
  ])("freezes batch normalisation by %s too", async (_what, normalisation) => {
    const model = sequential({
      layers: [layers.inputLayer({ inputShape: [INPUTS] }), normalisation(), dense(CLASSES)],
    });
    const { trainer, vector } = await trainerOf(model, examples);
    const frozen = await trainer.frozen!.read();
    expect(Object.keys(frozen)).toHaveLength(4);
    await trainer.step(vector, { round: 0, learningRate: 0.1 });
    expect(await trainer.frozen!.read()).toEqual(frozen);
    expect(trainer.layout.tensors.map(({ name }) => name)).toEqual(["dense1/kernel", "dense1/bias"]);
    trainer.dispose();
  });

  /** Kernels of one gradient, by name. */
  async function kernels(trainable: readonly string[]): Promise<Map<string, number>> {
    const model = sequential({
      layers: [
        layers.conv2d({
          filters: 3,
          kernelSize: 2,
          inputShape: [4, 4, 1],
          kernelInitializer: initializers.heNormal({ seed: 1 }),
        }),
        layers.flatten(),
        dense(8, { activation: "relu" }),
        dense(CLASSES),
      ],
    });
    const { trainer, vector } = await trainerOf(model, someExamples(20, 16, CLASSES), { trainable });
    const out = new Float32Array(vector.length);
    await trainer.gradient(vector, out, 0);
    const counts = new Map<string, number>();
    const { kernels: calls } = await tf.profile(async () => {
      await trainer.gradient(vector, out, 1);
      return tf.scalar(0);
    });
    for (const { name } of calls) counts.set(name, (counts.get(name) ?? 0) + 1);
    trainer.dispose();
    return counts;
  }

  it("is refused beside one whose frozen tensors differ", async () => {
    const trainers = await Promise.all(
      [0, 0.5].map(async (more) => {
        const { trainer } = await trainerOf(normalised(), examples, { trainable: ["dense3"] });
        const values = Object.entries(await trainer.frozen!.read());
        trainer.frozen!.write(
          Object.fromEntries(values.map(([name, own]) => [name, own.map((x) => x + more)])),
        );
        return trainer;
      }),
    );
    const topology = parseTopology({ graph: { kind: "chain", peers: 2 } }, "pair");
    const prepared = preparePeers({ topology, experiment: parseExperiment(short), trainers });
    const error = { code: "different-start", peer: 0, neighbour: 1 };
    await expectRejection(prepared, InvalidExperiment, error);
    for (const trainer of trainers) trainer.dispose();
  });

  it("computes no gradient below the first layer that learns", async () => {
    const [all, top, last] = [await kernels(["*"]), await kernels(["dense*"]), await kernels(["dense2"])];
    const counts = (kernel: string) => [all, top, last].map((kernels) => kernels.get(kernel) ?? 0);
    expect(counts("Conv2DBackpropFilter")).toEqual([1, 0, 0]);
    expect(counts("ReluGrad")).toEqual([1, 1, 0]);
    // One forward; backward both of the last layer, whose product tfjs fuses, and of the other what is asked for.
    expect(counts("BatchMatMul")).toEqual([1 + 2 + 2, 1 + 2 + 1, 1 + 2]);
  });

  it("has the slopes of the loss where frozen batch normalisation lies above what learns", async () => {
    const { trainer, vector } = await trainerOf(normalised(), examples, {
      trainable: ["dense1"],
      batchSize: 40,
    });
    const gradient = new Float32Array(vector.length);
    await trainer.gradient(vector, gradient, 0);
    for (let k = 0; k < vector.length; k++) {
      const lossAt = async (change: number) => {
        const point = vector.slice();
        point[k]! += change;
        return (await trainer.evaluate(point)).loss;
      };
      const slope = ((await lossAt(0.01)) - (await lossAt(-0.01))) / 0.02;
      expect(Math.abs(gradient[k]! - slope)).toBeLessThan(2e-3);
    }
    trainer.dispose();
  });

  it.each([
    [
      ["dens3"],
      "trainable-matches-nothing",
      /^no layer or tensor of the model matches "dens3" of trainable; correct it: did you mean "dense3"\?$/,
    ],
    [["dense3/kernl"], "trainable-matches-nothing", /did you mean "dense3\/kernel"\?$/],
    [
      ["*", "conv*"],
      "trainable-matches-nothing",
      /matches "conv\*" of .*: it is one of dense1, batchnormalization1, /,
    ],
    [["*/moving_mean"], "trainable-freezes-all", /leaves nothing to train: name .* dense1, dense1\/kernel, /],
  ])("refuses patterns %j in one line", (trainable, code, says) => {
    const model = normalised();
    const train = { model, train: examples, test: examples, seed: 1, peer: 0 };
    const error = expectError(() => createLayersTrainer({ ...train, trainable }), InvalidExperiment, {
      code,
      field: "trainable",
    });
    expect(error.message).toMatch(says);
    model.dispose();
  });
});

describe("the setting", () => {
  it("is answered with the first of many names", () => {
    const many = Array.from({ length: SHOWN_NAMES + 2 }, (_, k) => `layer${k}`);
    expect(upTo(many)).toMatch(new RegExp(`layer${SHOWN_NAMES - 1} and 2 more$`));
    expect(upTo(many.slice(2))).toMatch(new RegExp(`, layer${SHOWN_NAMES + 1}$`));
  });

  it.each([
    [{ kind: "process", command: ["none"] }, /^trainer process .*requires_grad/],
    [{ kind: "quadratic" }, /^trainer quadratic has no use for "trainable": remove it$/],
  ])("is refused by a trainer that cannot freeze: %j", async (trainer, says) => {
    const experiment = parseExperiment({ trainer, trainable: ["dense1"] });
    const made = createTrainer(experiment, { peer: 0, peers: 2, seed: 1 });
    const error = await expectRejection(made, InvalidExperiment, {
      code: "trainable-not-used",
      field: "trainable",
    });
    expect(error.message).toMatch(says);
  });

  it.each([
    ["no patterns", []],
    ["no list", "dense1"],
    ["an empty pattern", [""]],
    ["too many patterns", Array.from({ length: MAX_PATTERNS + 1 }, () => "*")],
    ["too long a pattern", ["x".repeat(MAX_PATTERN_LENGTH + 1)]],
  ])("is refused with %s", (_what, trainable) => {
    expectError(() => parseExperiment({ trainable }), InvalidExperiment, { code: "invalid-setting" });
  });

  it("matches as a regular expression does, whose stars are any characters", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "/", "*", "."), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (pattern, name) => {
        const parts = pattern.split("*").map((part) => part.replace(/[./]/g, "\\$&"));
        expect(matches(pattern, name)).toBe(new RegExp(`^${parts.join(".*")}$`).test(name));
      }),
      { numRuns: 2000 },
    );
  });
});
