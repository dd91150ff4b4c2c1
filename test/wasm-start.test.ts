import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { useBackend } from "../src/backends/index.js";

// In a file of its own, because nothing here may load tfjs-layers before the backend starts.
test("the wasm backend starts with our gradient of relu, whoever loads tfjs-layers later", async () => {
  await useBackend("wasm");
  await import("@tensorflow/tfjs-layers");
  const { kernelNames } = await tf.profile(() => tf.grad((x) => tf.sum(tf.relu(x)))(tf.tensor1d([-1, 0, 2])));
  expect(kernelNames).toContain("ReluGrad");
  expect(kernelNames).not.toContain("Step");
});
