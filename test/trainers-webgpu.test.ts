import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { useBackend } from "../src/backends/index.js";
import { createModel } from "../src/models/index.js";
import { someExamples, trainerOf } from "./support/layers-trainers.js";
import { softmaxRegression } from "./support/reference-models.js";

/** Why WebGPU does not start here; undefined where it does. A software adapter will do. */
const reason = await useBackend("webgpu").then(
  () => undefined,
  (error: Error) => error.message,
);

describe.skipIf(reason)(`training on WebGPU${reason ? ` (${reason})` : ""}`, () => {
  test("gives the gradients and the evaluation of a reference", async () => {
    const examples = someExamples(40, 6, 4);
    const model = await createModel({ kind: "softmax" }, { inputShape: [6], outputs: 4, seed: 7 });
    const { trainer, vector } = await trainerOf(model, examples, { batchSize: 40 });
    const { loss, gradient } = softmaxRegression(vector, examples, 6, 4);
    expect((await trainer.evaluate(vector)).loss).toBeCloseTo(loss, 5);
    const expected = vector.map((value, k) => value - gradient[k]!);
    expect(await trainer.step(vector, { round: 0, learningRate: 1 })).toBeCloseTo(loss, 5);
    vector.forEach((value, k) => {
      expect(Math.abs(value - expected[k]!)).toBeLessThan(1e-5);
    });
    trainer.dispose();
  });

  test("learns, step after step, and keeps no tensor of them", async () => {
    const examples = someExamples(64, 6, 4);
    const model = await createModel(
      { kind: "mlp", hidden: [16], activation: "relu" },
      { inputShape: [6], outputs: 4, seed: 7 },
    );
    const { trainer, vector } = await trainerOf(model, examples, { optimizer: { kind: "adam" } });
    const before = await trainer.evaluate(vector);
    await trainer.step(vector, { round: 0, learningRate: 0.05 });
    const { numTensors } = tf.memory();
    for (let round = 1; round < 20; round++) await trainer.step(vector, { round, learningRate: 0.05 });
    expect(tf.memory().numTensors).toBe(numTensors);
    const after = await trainer.evaluate(vector);
    expect(after.loss).toBeLessThan(0.7 * before.loss);
    expect(after.accuracy).toBeGreaterThan(before.accuracy!);
    trainer.dispose();
  });
});
