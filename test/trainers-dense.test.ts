/** Dense models train without TensorFlow.js, and as they train with it. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { useBackend } from "../src/backends/index.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { denseShapeOf } from "../src/trainers/dense-models.js";
import { createDenseNetwork } from "../src/trainers/dense-network.js";
import { createTrainer } from "../src/trainers/index.js";
import type { Trainer } from "../src/trainers/trainer.js";
import { expectRejection } from "./support/errors.js";
import { softmaxRegression } from "./support/reference-models.js";

/** Patterns that freeze nothing, and yet leave a model to the layers trainer. */
const WITH_TFJS = ["*/kernel", "*/bias"];
const STEPS = 4;

async function trainersOf(settings: object, peer = 1): Promise<{ dense: Trainer; layers: Trainer }> {
  const context = { peer, peers: 8, seed: 5 };
  const of = (trainable?: string[]) =>
    createTrainer(parseExperiment({ ...settings, ...(trainable && { trainable }) }), context);
  return { dense: await of(), layers: await of(WITH_TFJS) };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (value, k) => Math.abs(value - b[k]!)));
}

/** Losses, gradients and models of some steps of SGD, and what the last model comes to. */
async function course(trainer: Trainer) {
  const model = new Float32Array(trainer.layout.length);
  const gradient = new Float32Array(model.length);
  trainer.initialize(model);
  const losses: number[] = [];
  const gradients: Float32Array[] = [];
  for (let step = 0; step < STEPS; step++) {
    losses.push(await trainer.gradient(model, gradient, step));
    gradients.push(gradient.slice());
    for (let k = 0; k < model.length; k++) model[k]! -= 0.1 * gradient[k]!;
  }
  return { losses, gradients, model, evaluation: await trainer.evaluate(model) };
}

beforeAll(() => useBackend("wasm"));

describe("a dense model", () => {
  const shapes = [
    { kind: "softmax" },
    ...[[64], [33, 17], [1], [8, 8, 8]].map((hidden) => ({ kind: "mlp", hidden })),
  ];

  it.each(shapes.flatMap((model) => [1, 7, 32].map((batchSize) => ({ model, batchSize }))))(
    "has with relu the bits of TensorFlow.js on wasm: %j",
    async (settings) => {
      const { dense, layers } = await trainersOf(settings);
      expect(await course(dense)).toEqual(await course(layers));
      expect(dense.layout).toEqual(layers.layout);
      expect(await dense.fingerprint!()).toEqual(await layers.fingerprint!());
    },
  );

  it.each(["tanh", "sigmoid", "elu", "selu", "softplus"])("agrees to 1e-5 with %s", async (activation) => {
    const { dense, layers } = await trainersOf({ model: { kind: "mlp", hidden: [20, 12], activation } });
    const [ours, theirs] = [await course(dense), await course(layers)];
    ours.gradients.forEach((gradient, step) => {
      expect(largestDifference(gradient, theirs.gradients[step]!)).toBeLessThan(1e-5);
      expect(Math.abs(ours.losses[step]! - theirs.losses[step]!)).toBeLessThan(1e-5);
    });
    expect(ours.evaluation.loss).toBeCloseTo(theirs.evaluation.loss, 5);
  });

  it("takes augmented images as TensorFlow.js does", async () => {
    const { dense, layers } = await trainersOf({
      augmentation: { shift: 1, flip: true },
      model: { kind: "softmax" },
    });
    expect(await course(dense)).toEqual(await course(layers));
  });

  it("computes with nothing of other trainers' passes in between", async () => {
    const settings = { model: { kind: "mlp" }, batchSize: 8 };
    const expected = await course((await trainersOf(settings, 0)).dense);
    const { dense } = await trainersOf(settings, 0);
    const { dense: other } = await trainersOf(settings, 3);
    const model = new Float32Array(dense.layout.length);
    const gradient = new Float32Array(model.length);
    dense.initialize(model);
    for (let step = 0; step < STEPS; step++) {
      await Promise.all([other.gradient(model, new Float32Array(model.length), step), other.evaluate(model)]);
      // Begun at once, as peers of a simulation begin.
      const [loss] = await Promise.all([
        dense.gradient(model, gradient, step),
        other.gradient(model, new Float32Array(model.length), step),
      ]);
      expect(loss).toBe(expected.losses[step]);
      expect(gradient).toEqual(expected.gradients[step]);
      for (let k = 0; k < model.length; k++) model[k]! -= 0.1 * gradient[k]!;
    }
  });
});

describe("a dense network", () => {
  const sizes = fc.record({
    inputs: fc.integer({ min: 1, max: 40 }),
    outputs: fc.integer({ min: 1, max: 24 }),
    rows: fc.integer({ min: 1, max: 37 }),
    seed: fc.integer(),
  });

  it("has the gradient of softmax regression in double precision", () => {
    fc.assert(
      fc.property(sizes, ({ inputs, outputs, rows, seed }) => {
        let state = seed;
        const draw = () => {
          state = (Math.imul(state, 1664525) + 1013904223) | 0;
          return state / 2 ** 31;
        };
        const network = createDenseNetwork({ units: [inputs, outputs], activation: "relu" }, rows);
        network.parameters.forEach((_, k) => {
          network.parameters[k] = draw();
        });
        const features = network.features.subarray(0, rows * inputs);
        features.forEach((_, k) => {
          features[k] = draw();
        });
        const labels = Int32Array.from(
          { length: rows },
          () => Math.floor(((draw() + 1) / 2) * outputs) % outputs,
        );
        const { gradient } = softmaxRegression(network.parameters, { features, labels }, inputs, outputs);

        const logits = network.forward(rows, "learning");
        for (let row = 0; row < rows; row++) {
          const own = logits.subarray(row * outputs, (row + 1) * outputs);
          const total = own.reduce((sum, logit) => sum + Math.exp(logit), 0);
          own.forEach((logit, k) => {
            network.outputGradient[row * outputs + k] =
              (Math.exp(logit) / total - (k === labels[row] ? 1 : 0)) / rows;
          });
        }
        network.backward(rows);
        expect(largestDifference(gradient, network.gradient)).toBeLessThan(2e-6);
      }),
      { numRuns: 50 },
    );
  });

  it("that no memory holds is refused", () => {
    expect(() => createDenseNetwork({ units: [1 << 20, 1 << 11], activation: "relu" }, 1)).toThrow(
      /the model takes \d+ bytes while it learns/,
    );
  });

  it("is refused before a model is made that no memory holds", async () => {
    const task = parseExperiment({ model: { kind: "mlp", hidden: [60_000, 60_000] } });
    const made = createTrainer(task, { peer: 0, peers: 1, seed: 1 });
    await expectRejection(made, InvalidExperiment, { code: "dense-model-too-large" });
  });

  it("is not made for models with other layers, or where another backend is asked for", () => {
    const shapeOf = (model: object, backend: "wasm" | "cpu" | "webgpu" = "wasm") =>
      denseShapeOf(parseExperiment({ model }).model, { inputShape: [8, 8, 1] }, 10, backend);
    expect(shapeOf({ kind: "cnn" })).toBeUndefined();
    expect(shapeOf({ kind: "mlp", hidden: [5] })).toEqual({ units: [64, 5, 10], activation: "relu" });
    for (const backend of ["cpu", "webgpu"] as const)
      expect(shapeOf({ kind: "mlp" }, backend)).toBeUndefined();
  });
});
