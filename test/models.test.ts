import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { models } from "@tensorflow/tfjs-layers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../src/backends/index.js";
import type { Examples } from "../src/dataset.js";
import { FileProblem, InvalidExperiment } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { createModel, type ModelSettings, modelSettings } from "../src/models/index.js";
import { normalizeGroups } from "../src/models/layers/group-normalization.js";
import { testBackend } from "./support/backend.js";
import { expectRejection } from "./support/errors.js";
import { someExamples, trainerOf } from "./support/layers-trainers.js";

beforeAll(async () => {
  await useBackend(testBackend);
});

const CLASSES = 4;
const USER_MODULE = new URL("./support/user-modules.mjs", import.meta.url).pathname;

/** Rows of tokens that count up modulo the vocabulary, each with the next as its label. */
function counting(count: number, length: number): Examples {
  const start = (i: number) => i % CLASSES;
  const at = (offset: number) => (_: unknown, k: number) =>
    (start(Math.floor(k / length)) + (k % length) + offset) % CLASSES;
  return {
    features: Float32Array.from({ length: count * length }, at(0)),
    labels: Int32Array.from({ length: count * length }, at(1)),
  };
}

interface Case {
  readonly settings: Record<string, unknown> & { kind: string };
  readonly inputShape: readonly number[];
  readonly examples: Examples;
}

const images = { inputShape: [6, 6, 2], examples: someExamples(12, 72, CLASSES) };
/** Every built-in model, small. */
const cases: Case[] = [
  { settings: { kind: "mlp", hidden: [5], activation: "tanh" }, ...images },
  { settings: { kind: "softmax" }, ...images },
  { settings: { kind: "cnn", filters: [3, 4], kernelSize: 3, hidden: [6] }, ...images },
  { settings: { kind: "resnet", blocks: 1, filters: 4, groups: 2 }, ...images },
  {
    settings: { kind: "char-transformer", width: 8, heads: 2, blocks: 1 },
    inputShape: [5],
    examples: counting(8, 5),
  },
];

const make = ({ settings, inputShape }: Pick<Case, "settings" | "inputShape">, seed = 7) =>
  createModel(modelSettings.parse(settings) as ModelSettings, { inputShape, outputs: CLASSES, seed });

test("a model with more numbers than an array holds is refused", async () => {
  const error = { code: "model-too-large", field: "model" };
  await expectRejection(
    make({ settings: { kind: "mlp", hidden: [1e9] }, inputShape: [64] }),
    InvalidExperiment,
    error,
  );
});

test("no built-in model is left out here", () => {
  const kinds = modelSettings.options.map((option) => option.shape.kind.value);
  expect([...cases.map(({ settings }) => settings.kind), "module"].sort()).toEqual([...kinds].sort());
});

describe.each(cases.map((one) => [one.settings.kind, one] as const))("%s", (_kind, one) => {
  const weightsOf = async (seed: number) => {
    const { trainer, vector } = await trainerOf(await make(one, seed), one.examples);
    trainer.dispose();
    return { vector, layout: trainer.layout };
  };

  test("its first weights follow from the seed, and no two tensors start alike at random", async () => {
    const { vector, layout } = await weightsOf(7);
    expect((await weightsOf(7)).vector).toEqual(vector);
    expect((await weightsOf(8)).vector).not.toEqual(vector);
    const drawn = layout.tensors
      .map(({ offset, length }) => vector.subarray(offset, offset + length))
      .filter((values) => new Set(values).size > 1)
      .map((values) => values.subarray(0, 4).join());
    expect(new Set(drawn).size).toBe(drawn.length);
  });

  test("every tensor's gradient is the slope of the loss", async () => {
    const count = one.examples.features.length / one.inputShape.reduce((a, b) => a * b, 1);
    const { trainer, vector } = await trainerOf(await make(one), one.examples, { batchSize: count });
    // Away from the start, where biases are 0 and kinks of ReLU lie dense.
    const draws = random(3, "away");
    for (let k = 0; k < vector.length; k++) vector[k]! += 0.05 * normal(draws, k);
    const gradient = new Float32Array(vector.length);
    await trainer.gradient(vector, gradient, 0);
    for (const { name, offset, length } of trainer.layout.tensors) {
      const part = gradient.subarray(offset, offset + length);
      const norm = Math.hypot(...part);
      // Short, because a longer way crosses kinks of ReLU.
      const distance = 0.002;
      const lossAt = async (sign: number) => {
        const point = vector.slice();
        part.forEach((slope, k) => {
          point[offset + k]! += (sign * distance * slope) / norm;
        });
        return (await trainer.evaluate(point)).loss;
      };
      const slope = ((await lossAt(1)) - (await lossAt(-1))) / (2 * distance);
      expect(Math.abs(slope - norm), `${name}: slope ${slope}, gradient ${norm}`).toBeLessThan(
        0.05 * norm + 5e-4,
      );
    }
    trainer.dispose();
  });

  test("it learns", async () => {
    const { trainer, vector } = await trainerOf(await make(one), one.examples, {
      optimizer: { kind: "adam" },
    });
    const before = await trainer.evaluate(vector);
    for (let round = 0; round < 60; round++) await trainer.step(vector, { round, learningRate: 0.02 });
    expect((await trainer.evaluate(vector)).loss).toBeLessThan(before.loss / 2);
    trainer.dispose();
  });

  test("it can be written down and read again, layers of our own included", async () => {
    const model = await make(one);
    const copy = await models.modelFromJSON(JSON.parse(model.toJSON() as string));
    copy.setWeights(model.getWeights());
    const input = tf.tensor(one.examples.features, [
      one.examples.features.length / model.inputs[0]!.shape.slice(1).reduce((a, b) => a! * b!, 1)!,
      ...(model.inputs[0]!.shape.slice(1) as number[]),
    ]);
    const [ours, theirs] = [model, copy].map((each) => (each.apply(input) as tf.Tensor).dataSync());
    expect(theirs).toEqual(ours);
    model.dispose();
    copy.dispose();
  });
});

test("resnet has 20 layers and 0.27 million parameters at its defaults", async () => {
  const model = await make({ settings: { kind: "resnet" }, inputShape: [32, 32, 3] });
  const kernels = model.trainableWeights.filter(({ originalName }) => originalName.endsWith("kernel"));
  // 19 convolutions and the dense layer, and two shortcuts that change the shape.
  expect(kernels).toHaveLength(20 + 2);
  expect(Math.round(model.countParams() / 1e4)).toBe(27);
  model.dispose();
});

test("resnet with batch normalisation keeps its statistics out of the vector", async () => {
  const settings = { kind: "resnet", blocks: 1, filters: 4, normalization: "batch" };
  const { trainer } = await trainerOf(await make({ settings, ...images }), images.examples);
  expect(trainer.layout.tensors.some(({ name }) => name.includes("moving"))).toBe(false);
  expect(trainer.layout.tensors.some(({ name }) => name.startsWith("batchnormalization"))).toBe(true);
  trainer.dispose();
});

test("a position of the char-transformer sees no later one, and sees all earlier ones", async () => {
  const length = 6;
  const model = await make({
    settings: { kind: "char-transformer", width: 8, heads: 2, blocks: 2 },
    inputShape: [length],
  });
  const answers = (tokens: number[]) =>
    tf.tidy(() => (model.apply(tf.tensor2d([tokens])) as tf.Tensor).dataSync());
  const tokens = [0, 1, 2, 3, 0, 1];
  const before = answers(tokens);
  for (let changed = 0; changed < length; changed++) {
    const after = answers(tokens.map((token, i) => (i === changed ? (token + 1) % CLASSES : token)));
    for (let position = 0; position < length; position++) {
      const at = (values: ArrayLike<number>) =>
        Array.from(values).slice(position * CLASSES, (position + 1) * CLASSES);
      if (position < changed) expect(at(after)).toEqual(at(before));
      else expect(at(after)).not.toEqual(at(before));
    }
  }
  model.dispose();
});

describe("group normalisation", () => {
  const shape: [number, number, number] = [2, 6, 4];
  const draw = (name: string, length: number) => {
    const draws = random(1, name);
    return Float32Array.from({ length }, (_, k) => normal(draws, k) * 2 + 3);
  };
  const x = draw("x", 48);
  const gamma = draw("gamma", 4);
  const beta = draw("beta", 4);
  const epsilon = 1e-3;

  test.each([1, 2, 4])("with %d groups is the formula, in double precision", (groups) => {
    const actual = tf.tidy(() =>
      normalizeGroups(
        tf.tensor3d(x, shape),
        tf.tensor1d(gamma),
        tf.tensor1d(beta),
        groups,
        epsilon,
      ).dataSync(),
    );
    const perGroup = 4 / groups;
    for (let example = 0; example < 2; example++) {
      for (let group = 0; group < groups; group++) {
        const members = Array.from({ length: 24 }, (_, k) => example * 24 + k).filter(
          (k) => Math.floor((k % 4) / perGroup) === group,
        );
        const mean = members.reduce((sum, k) => sum + x[k]!, 0) / members.length;
        const variance = members.reduce((sum, k) => sum + (x[k]! - mean) ** 2, 0) / members.length;
        for (const k of members) {
          const expected = (gamma[k % 4]! * (x[k]! - mean)) / Math.sqrt(variance + epsilon) + beta[k % 4]!;
          expect(Math.abs(actual[k]! - expected)).toBeLessThan(2e-5);
        }
      }
    }
  });

  test.each([1, 2, 4])("with %d groups has the gradient that tfjs derives from the formula", (groups) => {
    const weights = tf.tensor3d(draw("weights", 48), shape);
    const plain = (input: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) => {
      const grouped = tf.reshape(input, [2, 6, groups, 4 / groups]);
      const { mean, variance } = tf.moments(grouped, [1, 3], true);
      const unit = tf.div(tf.sub(grouped, mean), tf.sqrt(tf.add(variance, epsilon)));
      return tf.add(tf.mul(tf.reshape(unit, shape), scale), shift);
    };
    const gradientsOf = (normalize: typeof plain) =>
      tf.tidy(() =>
        tf
          .grads((a, b, c) => tf.sum(tf.mul(normalize(a!, b!, c!), weights)))([
            tf.tensor3d(x, shape),
            tf.tensor1d(gamma),
            tf.tensor1d(beta),
          ])
          .map((gradient) => gradient.dataSync()),
      );
    const ours = gradientsOf((a, b, c) => normalizeGroups(a as tf.Tensor3D, b, c, groups, epsilon));
    const theirs = gradientsOf(plain);
    ours.forEach((gradient, i) => {
      gradient.forEach((value, k) => {
        expect(Math.abs(value - theirs[i]![k]!)).toBeLessThan(5e-5 * (1 + Math.abs(value)));
      });
    });
    weights.dispose();
  });
});

describe("a model of the user's own", () => {
  const scratch = mkdtempSync(join(tmpdir(), "murmur-models-"));
  afterAll(() => rmSync(scratch, { recursive: true }));
  const brokenModule = join(scratch, "broken.mjs");
  writeFileSync(brokenModule, "export default (");

  const own = (changes: object = {}) =>
    make({ settings: { kind: "module", path: USER_MODULE, ...changes }, inputShape: [3] });
  const kernelOf = async (changes?: object) => {
    const model = await own(changes);
    const [kernel] = model.getWeights();
    return Array.from(kernel!.dataSync());
  };

  test("is made by a function of context and options", async () => {
    const kernel = await kernelOf();
    expect(kernel).toHaveLength(3 * CLASSES);
    expect(await kernelOf()).toEqual(kernel);
    const scaled = await kernelOf({ options: { scale: 2 } });
    scaled.forEach((value, k) => {
      expect(value).toBeCloseTo(2 * kernel[k]!, 6);
    });
  });

  test("that is exported ready-made is copied for every peer", async () => {
    const path = new URL("./support/user-model-instance.mjs", import.meta.url).pathname;
    const settings = { kind: "module", path };
    const [a, b] = [await make({ settings, inputShape: [3] }), await make({ settings, inputShape: [3] })];
    expect(a!.getWeights()[0]!.dataSync()).toEqual(b!.getWeights()[0]!.dataSync());
    expect(a).not.toBe(b);
    a!.dispose();
    expect(b!.getWeights()[0]!.isDisposed).toBe(false);
  });

  test.each([
    ["draws weights without the seed", { export: "unseeded" }, InvalidExperiment, "model-not-seeded"],
    ["is no model", { export: "nothing" }, InvalidExperiment, "not-a-layers-model"],
    ["is not exported", { export: "absent" }, FileProblem, "module-export-missing"],
    ["is not there", { path: "nowhere.mjs" }, FileProblem, "module-missing"],
    ["does not load", { path: brokenModule }, FileProblem, "module-does-not-load"],
  ] as const)("is refused when it %s", async (_what, changes, Failure, code) => {
    await expectRejection(own(changes), Failure, { code });
  });
});

test.each([
  [{ kind: "cnn" }, [9], { code: "model-needs-images", field: "model.kind" }],
  [{ kind: "resnet" }, [9], { code: "model-needs-images", field: "model.kind" }],
  [
    { kind: "resnet", filters: 10, groups: 4 },
    [8, 8, 1],
    { code: "groups-do-not-divide-filters", field: "model.filters" },
  ],
  [{ kind: "char-transformer" }, [8, 8], { code: "model-needs-tokens", field: "model.kind" }],
  [
    { kind: "char-transformer", width: 10, heads: 4 },
    [8],
    { code: "heads-do-not-divide-width", field: "model.width" },
  ],
] as const)("%o refuses examples or settings it cannot serve", async (settings, inputShape, expected) => {
  await expectRejection(make({ settings, inputShape }), InvalidExperiment, expected);
});
