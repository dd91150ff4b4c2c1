import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { useBackend } from "../src/backends/index.js";
import { normal, random } from "../src/foundation/random.js";
import { createOptimizer, optimizerSettings, optimizerVectors } from "../src/optimizers/index.js";
import { createVectorSpace, spaceBytes } from "../src/vectors/vector.js";
import { testBackend } from "./support/backend.js";

const LENGTH = 50;
const RATE = 0.05;

beforeAll(async () => {
  await useBackend(testBackend);
});

/** What tfjs has, by the settings that mean the same here. */
const cases: readonly (readonly [{ kind: string } & Record<string, unknown>, () => tf.Optimizer])[] = [
  [{ kind: "sgd" }, () => tf.train.sgd(RATE)],
  [{ kind: "momentum", momentum: 0.8 }, () => tf.train.momentum(RATE, 0.8)],
  [{ kind: "momentum", momentum: 0.8, nesterov: true }, () => tf.train.momentum(RATE, 0.8, true)],
  [{ kind: "adam" }, () => tf.train.adam(RATE, 0.9, 0.999, 1e-7)],
  [{ kind: "adamax" }, () => tf.train.adamax(RATE, 0.9, 0.999, 1e-7)],
  [{ kind: "rmsprop" }, () => tf.train.rmsprop(RATE, 0.9, 0, 1e-7)],
  [{ kind: "rmsprop", momentum: 0.7 }, () => tf.train.rmsprop(RATE, 0.9, 0.7, 1e-7)],
  [{ kind: "adagrad" }, () => tf.train.adagrad(RATE, 0.1)],
  [{ kind: "adadelta" }, () => tf.train.adadelta(RATE, 0.95, 1e-7)],
];

test.each(cases)("%j moves a model as tfjs does, for 20 steps", (written, create) => {
  const settings = optimizerSettings.parse(written);
  const space = createVectorSpace(spaceBytes(2 + optimizerVectors(settings), LENGTH));
  const [point, update] = [space.vector(LENGTH), space.vector(LENGTH)];
  const ours = createOptimizer(settings, { length: LENGTH, space });
  for (let k = 0; k < LENGTH; k++) point[k] = normal(random(1, "start"), k);
  const variable = tf.variable(tf.tensor1d(point.slice()));
  const theirs = create();
  for (let t = 0; t < 20; t++) {
    const draws = random(2, "gradient", t);
    for (let k = 0; k < LENGTH; k++) update[k] = normal(draws, k);
    const tensor = tf.tensor1d(update.slice());
    theirs.applyGradients([{ name: variable.name, tensor }]);
    tensor.dispose();
    ours.step(update, point, RATE);
    space.kernels.add(point.byteOffset, update.byteOffset, LENGTH);
    const expected = variable.dataSync();
    for (let k = 0; k < LENGTH; k++) expect(Math.abs(point[k]! - expected[k]!)).toBeLessThan(1e-5);
  }
  theirs.dispose();
  variable.dispose();
});
