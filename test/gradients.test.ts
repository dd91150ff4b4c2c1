import * as tf from "@tensorflow/tfjs-core";
import { layers, sequential } from "@tensorflow/tfjs-layers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { corrections, correctKernels } from "../src/backends/corrections/index.js";
import { cpu } from "../src/backends/cpu.js";
import { silenceAdvertisement, useBackend } from "../src/backends/index.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { createLayersTrainer } from "../src/trainers/layers-trainer.js";
import { expectError } from "./support/errors.js";
import type { LayerCase } from "./support/gradients/check.js";
import { layerCases, resultOf, sweep } from "./support/gradients/sweep.js";
import { someExamples } from "./support/layers-trainers.js";

type Name = keyof typeof corrections;
const names = Object.keys(corrections) as Name[];

beforeAll(async () => {
  await useBackend("wasm");
  await cpu.start(true);
  correctKernels("cpu");
  silenceAdvertisement(tf);
});

/** The first, a middle and the last case of every layer; `npm run check:gradients` has them all. */
function few(): LayerCase[] {
  const byLayer = new Map<string, LayerCase[]>();
  for (const subject of layerCases) {
    byLayer.set(subject.layer, [...(byLayer.get(subject.layer) ?? []), subject]);
  }
  return [...byLayer.values()].flatMap((cases) => {
    const places = new Set([0, cases.length >> 1, cases.length - 1]);
    return cases.filter((_, k) => places.has(k));
  });
}

describe.each(["wasm", "cpu"] as const)("on %s", (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });

  it("every gradient of every layer agrees with central differences, and outputs with float64", () => {
    const rows = sweep(few());
    expect(rows.flatMap(({ problems }) => problems)).toEqual([]);
    expect(rows.length).toBeGreaterThan(80);
  });
});

/** A layer of each correction that is wrong, or throws, without it. */
const needed: Readonly<Record<Name, { layer: string; backends: readonly ("wasm" | "cpu")[] }>> = {
  averagePooling: { layer: "averagePooling1d", backends: ["wasm", "cpu"] },
  averagePooling3d: { layer: "averagePooling3d", backends: ["wasm", "cpu"] },
  comparisons: { layer: "thresholdedReLU", backends: ["wasm", "cpu"] },
  convolution3d: { layer: "conv3d", backends: ["wasm", "cpu"] },
  depthwise: { layer: "depthwiseConv2d", backends: ["wasm"] },
  maxPooling3d: { layer: "maxPooling3d", backends: ["wasm", "cpu"] },
  resizing: { layer: "upSampling2d, nearest", backends: ["cpu"] },
};

describe("the correction", () => {
  afterAll(() => {
    for (const backend of ["wasm", "cpu"] as const) correctKernels(backend);
  });

  it.each(names.flatMap((name) => needed[name].backends.map((backend) => ({ name, backend }))))(
    "$name is needed on $backend: without it a layer is wrong",
    async ({ name, backend }) => {
      // Gradients hold for every backend, so both are put back.
      for (const each of ["wasm", "cpu"] as const) correctKernels(each)();
      const others = names.filter((other) => other !== name);
      const undo = correctKernels(backend, others);
      await tf.setBackend(backend);
      const cases = layerCases.filter(({ layer }) => layer === needed[name].layer);
      expect(cases.map(resultOf).filter(({ problem }) => problem).length).toBeGreaterThan(0);
      undo();
    },
  );
});

it.each(["depthwiseConv2d", "conv2dTranspose"] as const)(
  "a dilated %s, which tfjs does not dilate, is refused by name",
  (kind) => {
    const settings = { kernelSize: 2, filters: 2, dilationRate: 2, inputShape: [6, 6, 1], name: "wide" };
    const model = sequential({
      layers: [
        (layers[kind] as (given: object) => layers.Layer)(settings),
        layers.flatten(),
        layers.dense({ units: 3 }),
      ],
    });
    const { train, test } = { train: someExamples(4, 36, 3), test: someExamples(4, 36, 3) };
    const { message } = expectError(
      () => createLayersTrainer({ model, train, test, seed: 1, peer: 0 }),
      InvalidExperiment,
      { code: "layer-not-dilated", field: "model" },
    );
    expect(message).toContain("layer wide (");
    model.dispose();
  },
);
