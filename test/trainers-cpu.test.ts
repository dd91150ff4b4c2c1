import { expect, test } from "vitest";
import { useBackend } from "../src/backends/index.js";
import { createModel } from "../src/models/index.js";
import { someExamples, trainerOf } from "./support/layers-trainers.js";
import { softmaxRegression } from "./support/reference-models.js";

test("the cpu backend has the same gradients, and the vector it was lent is its own again afterwards", async () => {
  await useBackend("cpu");
  const examples = someExamples(40, 6, 4);
  const model = await createModel({ kind: "softmax" }, { inputShape: [6], outputs: 4, seed: 7 });
  const { trainer, vector } = await trainerOf(model, examples, { batchSize: 40 });
  const { loss, gradient } = softmaxRegression(vector, examples, 6, 4);
  const expected = vector.map((value, k) => value - gradient[k]!);
  expect(await trainer.step(vector, { round: 0, learningRate: 1 })).toBeCloseTo(loss, 5);
  vector.forEach((value, k) => {
    expect(Math.abs(value - expected[k]!)).toBeLessThan(1e-6);
  });

  const other = new Float32Array(vector.length).fill(1);
  await trainer.evaluate(other);
  const before = vector.slice();
  await trainer.step(other, { round: 1, learningRate: 0.1 });
  expect(vector).toEqual(before);
});
