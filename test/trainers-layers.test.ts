import * as tf from "@tensorflow/tfjs-core";
import {
  model as functional,
  initializers,
  input,
  layers,
  regularizers,
  sequential,
} from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../src/backends/index.js";
import { InvalidData, InvalidExperiment } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { createModel } from "../src/models/index.js";
import { optimizerSettings } from "../src/optimizers/index.js";
import { createLayersTrainer } from "../src/trainers/layers-trainer.js";
import { testBackend } from "./support/backend.js";
import { expectError, expectRejection } from "./support/errors.js";
import { someExamples, trainerOf } from "./support/layers-trainers.js";
import { softmaxRegression } from "./support/reference-models.js";

const INPUTS = 6;
const CLASSES = 4;
const context = { inputShape: [2, 3], outputs: CLASSES, seed: 7 };
const examples = someExamples(40, INPUTS, CLASSES);

const regression = () => createModel({ kind: "softmax" }, context);
const perceptron = () => createModel({ kind: "mlp", hidden: [5], activation: "tanh" }, context);

beforeAll(async () => {
  await useBackend(testBackend);
});

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const worst = Math.max(...Array.from(actual, (value, k) => Math.abs(value - expected[k]!)));
  expect(worst).toBeLessThan(tolerance);
}

describe("gradients", () => {
  test.each([0, 0.1])(
    "of softmax regression are those of the formula, with weight decay %d",
    async (decay) => {
      const { trainer, vector } = await trainerOf(await regression(), examples, {
        batchSize: 40,
        optimizer: { kind: "sgd", weightDecay: decay },
      });
      const { loss, gradient } = softmaxRegression(vector, examples, INPUTS, CLASSES, decay);
      const before = vector.slice();
      expect(await trainer.step(vector, { round: 0, learningRate: 0.5 })).toBeCloseTo(loss, 5);
      expectClose(
        vector,
        before.map((value, k) => value - 0.5 * gradient[k]!),
        1e-6,
      );
      const evaluation = await trainer.evaluate(before);
      expect(evaluation.loss).toBeCloseTo(loss, 5);
      trainer.dispose();
    },
  );

  test("of a perceptron are the slopes of its loss", async () => {
    const { trainer, vector } = await trainerOf(await perceptron(), examples, { batchSize: 40 });
    const gradient = new Float32Array(vector.length);
    await trainer.gradient(vector, gradient, 0);
    const lossAt = async (k: number, change: number) => {
      const point = vector.slice();
      point[k]! += change;
      return (await trainer.evaluate(point)).loss;
    };
    for (let k = 0; k < vector.length; k++) {
      const slope = ((await lossAt(k, 0.02)) - (await lossAt(k, -0.02))) / 0.04;
      expect(Math.abs(gradient[k]! - slope)).toBeLessThan(3e-4);
    }
    trainer.dispose();
  });

  test("include the penalties of the model's own regularisers", async () => {
    const kernelInitializer = () => initializers.glorotUniform({ seed: 3 });
    const dense = (penalised: boolean) =>
      sequential({
        layers: [
          layers.dense({
            units: CLASSES,
            inputShape: [INPUTS],
            kernelInitializer: kernelInitializer(),
            ...(penalised && { kernelRegularizer: regularizers.l2({ l2: 0.25 }) }),
          }),
        ],
      });
    const penalised = await trainerOf(dense(true), examples);
    const plain = await trainerOf(dense(false), examples);
    const start = plain.vector.slice();
    const penalisedLoss = await penalised.trainer.step(penalised.vector, { round: 0, learningRate: 1 });
    const plainLoss = await plain.trainer.step(plain.vector, { round: 0, learningRate: 1 });
    const kernel = start.subarray(0, INPUTS * CLASSES);
    expect(penalisedLoss - plainLoss).toBeCloseTo(
      0.25 * kernel.reduce((sum, value) => sum + value ** 2, 0),
      4,
    );
    expectClose(
      penalised.vector,
      plain.vector.map((value, k) => value - (k < kernel.length ? 0.5 * start[k]! : 0)),
      1e-5,
    );
  });

  test("follow a loss of the user's own", async () => {
    const train = {
      features: examples.features,
      labels: Float32Array.from({ length: 40 }, (_, i) => examples.features[i * INPUTS]! * 2),
    };
    const model = sequential({ layers: [layers.dense({ units: 1, inputShape: [INPUTS] })] });
    const { trainer, vector } = await trainerOf(model, train, {
      loss: (labels, predictions) => tf.mean(tf.squaredDifference(labels, tf.squeeze(predictions, [1]))),
    });
    for (let round = 0; round < 300; round++) await trainer.step(vector, { round, learningRate: 0.1 });
    expectClose(vector, [2, 0, 0, 0, 0, 0, 0], 1e-3);
    const evaluation = await trainer.evaluate(vector);
    expect(evaluation.loss).toBeLessThan(1e-5);
    expect(evaluation.accuracy).toBeUndefined();
  });
});

test("a model that answers at several positions learns from a label for each", async () => {
  const model = sequential({
    layers: [
      layers.dense({
        units: CLASSES,
        inputShape: [2, INPUTS],
        kernelInitializer: initializers.glorotUniform({ seed: 7 }),
      }),
    ],
  });
  const { trainer, vector } = await trainerOf(model, examples, { batchSize: 20 });
  const { loss, gradient } = softmaxRegression(vector, examples, INPUTS, CLASSES);
  const expected = vector.map((value, k) => value - gradient[k]!);
  expect((await trainer.evaluate(vector)).loss).toBeCloseTo(loss, 5);
  await trainer.step(vector, { round: 0, learningRate: 1 });
  expectClose(vector, expected, 1e-6);
});

describe("optimisers", () => {
  const every = optimizerSettings.options.map((option) => option.shape.kind.value);

  test.each(every)("%s lowers the loss, and obeys a rate of 0", async (kind) => {
    const { trainer, vector } = await trainerOf(await perceptron(), examples, { optimizer: { kind } });
    const before = await trainer.evaluate(vector);
    for (let round = 0; round < 30; round++) {
      await trainer.step(vector, { round, learningRate: kind === "adadelta" ? 5 : 0.03 });
    }
    const after = await trainer.evaluate(vector);
    expect(after.loss).toBeLessThan(before.loss * 0.95);
    const rest = vector.slice();
    await trainer.step(vector, { round: 30, learningRate: 0 });
    expect(vector).toEqual(rest);
    trainer.dispose();
  });

  /** Gradients in the order of rounds, each at the model given. */
  async function gradientAt(point: Float32Array<ArrayBuffer>, round: number): Promise<Float64Array> {
    const { trainer } = await trainerOf(await regression(), examples, { batchSize: 8 });
    const gradient = new Float32Array(point.length);
    await trainer.gradient(point, gradient, round);
    trainer.dispose();
    return Float64Array.from(gradient);
  }
  const rate = (round: number) => 0.2 / (1 + round);

  test("momentum lives on from round to round, also when the model is changed in between", async () => {
    const { trainer, vector } = await trainerOf(await regression(), examples, {
      batchSize: 8,
      optimizer: { kind: "momentum", momentum: 0.8 },
    });
    const velocity = new Float64Array(vector.length);
    for (let round = 0; round < 6; round++) {
      // What an exchange with neighbours does between two rounds.
      const draws = random(round, "mix");
      for (let k = 0; k < vector.length; k++) vector[k]! += 0.1 * normal(draws, k);

      const gradient = await gradientAt(vector, round);
      const expected = vector.map((value, k) => {
        velocity[k] = 0.8 * velocity[k]! + gradient[k]!;
        return value - rate(round) * velocity[k]!;
      });
      await trainer.step(vector, { round, learningRate: rate(round) });
      expectClose(vector, expected, 1e-5);
    }
    trainer.dispose();
  });
});

describe("what stays local", () => {
  const normalised = () =>
    sequential({
      layers: [
        layers.dense({
          units: 5,
          inputShape: [INPUTS],
          kernelInitializer: initializers.glorotUniform({ seed: 1 }),
        }),
        layers.batchNormalization(),
        layers.dense({ units: CLASSES, kernelInitializer: initializers.glorotUniform({ seed: 2 }) }),
      ],
    });

  test("running statistics of batch normalisation are learned but do not travel", async () => {
    const a = await trainerOf(normalised(), examples);
    const b = await trainerOf(normalised(), someExamples(40, INPUTS, CLASSES, 2));
    expect(a.trainer.layout.tensors.map(({ name }) => name)).toEqual([
      "dense1/kernel",
      "dense1/bias",
      "batchnormalization1/gamma",
      "batchnormalization1/beta",
      "dense2/kernel",
      "dense2/bias",
    ]);
    const before = await a.trainer.evaluate(a.vector);
    for (let round = 0; round < 60; round++) {
      await a.trainer.step(a.vector, { round, learningRate: 0.1 });
      await b.trainer.step(b.vector, { round, learningRate: 0.1 });
    }
    expect((await a.trainer.evaluate(a.vector)).loss).toBeLessThan(before.loss / 2);
    // The same vector, but with the statistics of other data.
    const fresh = await trainerOf(normalised(), examples);
    const losses = await Promise.all(
      [a, b, fresh].map(async ({ trainer }) => (await trainer.evaluate(a.vector)).loss),
    );
    expect(Math.abs(losses[0]! - losses[2]!)).toBeGreaterThan(1e-3);
    expect(new Set(losses).size).toBe(3);
  });

  test("a trainer that restores the state of another goes on as that one does", async () => {
    const [one, other] = [await trainerOf(normalised(), examples), await trainerOf(normalised(), examples)];
    for (let round = 0; round < 5; round++) await one.trainer.step(one.vector, { round, learningRate: 0.1 });
    const state = await one.trainer.state();
    expect(Object.keys(state)).toEqual([
      "batchnormalization1/moving_mean",
      "batchnormalization1/moving_variance",
    ]);
    const before = await one.trainer.evaluate(one.vector);
    expect(await other.trainer.evaluate(one.vector)).not.toEqual(before);
    await other.trainer.restore(state);
    other.vector.set(one.vector);
    for (const { trainer, vector } of [one, other]) {
      expect(await trainer.evaluate(vector)).toEqual(before);
      await trainer.step(vector, { round: 5, learningRate: 0.1 });
    }
    expect(other.vector).toEqual(one.vector);
    expect(await other.trainer.state()).toEqual(await one.trainer.state());
    // What `state` gave is a copy, which later steps leave alone.
    expect(state).not.toEqual(await one.trainer.state());

    const mean = state["batchnormalization1/moving_mean"]!;
    const wrong = [
      {},
      { ...state, more: mean },
      { ...state, "batchnormalization1/moving_mean": mean.slice(1) },
    ];
    for (const values of wrong) {
      await expectRejection(one.trainer.restore(values), InvalidData, { code: "state-of-another-model" });
    }
  });

  test("names of tensors do not depend on what else the process made", async () => {
    const names = async () => {
      const { trainer } = await trainerOf(await perceptron(), examples);
      const { tensors } = trainer.layout;
      trainer.dispose();
      return tensors;
    };
    expect(await names()).toEqual(await names());
  });
});

test("recurrent layers train", async () => {
  const seeded = { seed: 5 };
  const model = sequential({
    layers: [
      layers.lstm({
        units: 4,
        inputShape: [2, 3],
        kernelInitializer: initializers.glorotUniform(seeded),
        recurrentInitializer: initializers.orthogonal(seeded),
      }),
      layers.dense({ units: CLASSES, kernelInitializer: initializers.glorotUniform(seeded) }),
    ],
  });
  const { trainer, vector } = await trainerOf(model, examples, { optimizer: { kind: "adam" } });
  const before = await trainer.evaluate(vector);
  for (let round = 0; round < 40; round++) await trainer.step(vector, { round, learningRate: 0.05 });
  expect((await trainer.evaluate(vector)).loss).toBeLessThan(before.loss / 2);
  trainer.dispose();
});

describe("randomness", () => {
  const dropping = () =>
    sequential({
      layers: [
        layers.dropout({ rate: 0.5, inputShape: [INPUTS] }),
        layers.dense({ units: CLASSES, kernelInitializer: initializers.glorotUniform({ seed: 1 }) }),
      ],
    });

  test("dropout follows from the seed, and differs by round, step and peer", async () => {
    const lossOf = async (round: number, peer = 0, seed = 1) => {
      const { trainer, vector } = await trainerOf(dropping(), examples, { batchSize: 40, peer, seed });
      const loss = await trainer.step(vector, { round, learningRate: 0 });
      trainer.dispose();
      return loss;
    };
    expect(await lossOf(0)).toBe(await lossOf(0));
    const others = [await lossOf(0), await lossOf(1), await lossOf(0, 1), await lossOf(0, 0, 2)];
    expect(new Set(others).size).toBe(4);
  });

  test("initial weights follow from the seed, and layers differ", async () => {
    const weights = async (seed: number) => {
      const model = await createModel(
        { kind: "mlp", hidden: [INPUTS, INPUTS], activation: "relu" },
        { ...context, seed },
      );
      const { trainer, vector } = await trainerOf(model, examples);
      trainer.dispose();
      return vector;
    };
    const one = await weights(1);
    expect(await weights(1)).toEqual(one);
    expect(await weights(2)).not.toEqual(one);
    const kernel = INPUTS * INPUTS;
    expect(one.subarray(0, kernel)).not.toEqual(one.subarray(kernel + INPUTS, 2 * kernel + INPUTS));
  });
});

test("nothing leaks: 50 steps and evaluations keep the count of tensors, and dispose gives all back", async () => {
  const beforeAnything = tf.memory().numTensors;
  const { trainer, vector } = await trainerOf(await perceptron(), examples);
  await trainer.step(vector, { round: 0, learningRate: 0.1 });
  await trainer.evaluate(vector);
  const { numTensors, numDataBuffers } = tf.memory();
  for (let round = 1; round <= 50; round++) {
    await trainer.step(vector, { round, learningRate: 0.1 / round });
    await trainer.evaluate(vector);
    await trainer.restore(await trainer.state());
  }
  expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
  trainer.dispose();
  expect(tf.memory().numTensors).toBe(beforeAnything);
});

/**
 * The size of the wasm backend's memory, and where it would put a block too large for the holes between others: what
 * is not given back fills the holes and then pushes that block on. Undefined on other backends.
 */
function wasmHeap() {
  const { wasm } = tf.backend() as unknown as { wasm?: WasmMemory };
  if (!wasm) return undefined;
  const large = wasm._malloc(2 ** 20);
  wasm._free(large);
  return { bytes: wasm.HEAPU8.length, large };
}

interface WasmMemory {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
}

test.skipIf(testBackend !== "wasm")("a leak of 128 bytes a step for 1000 steps moves the wasm heap", () => {
  const { wasm } = tf.backend() as unknown as { wasm: WasmMemory };
  const before = wasmHeap();
  const leaked = Array.from({ length: 1000 }, () => wasm._malloc(128));
  expect(wasmHeap()).not.toEqual(before);
  for (const address of leaked) wasm._free(address);
});

test.each([
  ["mlp", () => perceptron(), examples],
  [
    "cnn",
    () =>
      createModel(
        { kind: "cnn", filters: [2, 3], kernelSize: 3, hidden: [] },
        { inputShape: [6, 6, 1], outputs: CLASSES, seed: 1 },
      ),
    someExamples(20, 36, CLASSES),
  ],
] as const)(
  "1000 steps of an %s leave as many tensors and as much free wasm memory as there were",
  async (_kind, model, data) => {
    const { trainer, vector } = await trainerOf(await model(), data, { optimizer: { kind: "momentum" } });
    const learnFrom = async (first: number, last: number) => {
      for (let round = first; round < last; round++)
        await trainer.step(vector, { round, learningRate: 0.001 });
    };
    await learnFrom(0, 2);
    const { numTensors, numDataBuffers } = tf.memory();
    const heap = wasmHeap();
    await learnFrom(2, 1002);
    expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
    expect(wasmHeap()).toEqual(heap);
    trainer.dispose();
  },
);

test("the backend multiplies transposed matrices correctly", () => {
  const a = tf.randomNormal([2, 3, 5], 0, 1, "float32", 1) as tf.Tensor3D;
  const b = tf.randomNormal([2, 5, 4], 0, 1, "float32", 2) as tf.Tensor3D;
  const flip = (x: tf.Tensor3D) => tf.transpose(x, [0, 2, 1]);
  const expected = Array.from({ length: 24 }, (_, position) => {
    const [batch, row, column] = [Math.floor(position / 12), Math.floor(position / 4) % 3, position % 4];
    const [x, y] = [a.dataSync(), b.dataSync()];
    let sum = 0;
    for (let k = 0; k < 5; k++) sum += x[batch * 15 + row * 5 + k]! * y[batch * 20 + k * 4 + column]!;
    return sum;
  });
  const before = tf.memory().numDataBuffers;
  tf.tidy(() => {
    expectClose(tf.matMul(a, b).dataSync(), expected, 1e-5);
    expectClose(tf.matMul(flip(a), b, true, false).dataSync(), expected, 1e-5);
    expectClose(tf.matMul(a, flip(b), false, true).dataSync(), expected, 1e-5);
    expectClose(tf.matMul(flip(a), flip(b), true, true).dataSync(), expected, 1e-5);
  });
  expect(tf.memory().numDataBuffers).toBe(before);
});

describe("refused", () => {
  const dense = (settings: object = {}) =>
    layers.dense({ units: CLASSES, inputShape: [INPUTS], ...settings });
  const trained = (model: ReturnType<typeof sequential>, changes: object = {}) =>
    createLayersTrainer({
      model,
      train: examples,
      test: examples,
      seed: 1,
      peer: 0,
      ...changes,
    });
  const of = (...list: layers.Layer[]) => sequential({ layers: list });

  test("models that the default loss, the seed or the vector cannot serve", () => {
    const cases: [ReturnType<typeof sequential>, string][] = [
      [of(dense({ activation: "softmax" })), "model-ends-in-softmax"],
      [of(dense(), layers.softmax()), "model-ends-in-softmax"],
      [of(dense(), layers.gaussianNoise({ stddev: 1 })), "layer-not-seedable"],
      [of(layers.flatten({ inputShape: [2, 3] })), "no-trainable-weights"],
      [
        of(
          layers.reshape({ targetShape: [INPUTS, 1], inputShape: [INPUTS] }),
          layers.lstm({ units: CLASSES, dropout: 0.5 }),
        ),
        "layer-not-seedable",
      ],
      [
        of(layers.conv1d({ filters: 2, kernelSize: 1, inputShape: [null, 3] as unknown as number[] })),
        "model-input-size",
      ],
    ];
    for (const [model, code] of cases) expectError(() => trained(model), InvalidExperiment, { code });
    const a = input({ shape: [INPUTS] });
    const b = input({ shape: [INPUTS] });
    const two = functional({ inputs: [a, b], outputs: layers.add().apply([a, b]) as typeof a });
    expectError(() => trained(two as ReturnType<typeof sequential>), InvalidExperiment, {
      code: "model-inputs-and-outputs",
    });
  });

  test("examples that do not fit the model", () => {
    const pairs = { features: new Float32Array(6), labels: Int32Array.of(0, 1) };
    const cases: [object, string][] = [
      [{ train: { features: new Float32Array(7), labels: new Int32Array(1) } }, "feature-count"],
      [{ train: { features: new Float32Array(0), labels: new Int32Array(0) } }, "feature-count"],
      [{ test: { features: new Float32Array(12), labels: new Int32Array(3) } }, "label-count"],
      [{ train: { features: new Float32Array(12), labels: Int32Array.of(0, 4) } }, "label-not-a-class"],
      [{ test: { features: new Float32Array(6), labels: Int32Array.of(0, 1) } }, "test-labels-per-example"],
      [{ train: pairs, test: pairs }, "labels-per-example"],
      [{ train: { features: new Float32Array(12), labels: Int32Array.of(-1, 0) } }, "label-not-a-class"],
      [{ train: { features: new Float32Array(12), labels: Float32Array.of(0, 0.5) } }, "label-not-a-class"],
    ];
    for (const [changes, code] of cases) {
      expectError(() => trained(of(dense()), changes), InvalidData, { code });
    }
  });

  test("counts that are no counts, and a second backend", () => {
    for (const batchSize of [0, 1.5]) {
      expectError(() => trained(of(dense()), { batchSize }), InvalidExperiment, {
        code: "count-not-positive",
        field: "batchSize",
      });
    }
    const { message } = expectError(() => useBackend("cpu"), InvalidExperiment, {
      code: "backend-already-chosen",
      field: "backend",
    });
    expect(message).toContain(testBackend);
  });
});
