import { describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { createSimulation } from "../src/runs/simulate.js";
import { createLayout } from "../src/vectors/layout.js";
import { functionTrainer, plainDescent } from "./support/trainers.js";

/** A ring of four with w = 1/3, f_i(x) = ½‖x − (i, −i, 1)‖², γ = 0.1, η = 0.5, whole-vector sign. */
function goldenRing() {
  const peers = 4;
  const layout = createLayout([{ name: "x", shape: [3] }]);
  const trainers = Array.from({ length: peers }, (_, i) => {
    const target = [i, -i, 1];
    return functionTrainer(
      layout,
      (model) => model.fill(0),
      (point, k) => point[k]! - target[k]!,
    );
  });
  const neighbours = Array.from({ length: peers }, (_, i) =>
    [(i + 1) % peers, (i + peers - 1) % peers].sort().map((peer) => ({ peer, weight: 1 / 3 })),
  );
  return createSimulation({
    neighbours,
    trainers,
    plan: {
      seed: 0,
      algorithm: algorithms.deepsqueeze,
      compressor: { kind: "sign", scope: "whole", block: 64 },
      rounds: 3,
      learningRate: () => 0.1,
      ...plainDescent,
      consensusRate: () => 0.5,
      closingRates: [],
      evaluateEvery: 0,
    },
  });
}

describe("DeepSqueeze follows the worked example (field guide T1)", () => {
  it("gives the stated models, means and consensus distances for three rounds", async () => {
    const simulation = goldenRing();
    const rounds: { models: number[][]; mean: number[]; distance: number; residual: number }[] = [];
    for await (const { consensusDistance, reports } of simulation.run()) {
      const models = simulation.peers.map(({ model }) => [...model]);
      const mean = [0, 1, 2].map((k) => models.reduce((sum, model) => sum + model[k]!, 0) / 4);
      const residual = Math.hypot(...reports.map((report) => report.residual! * report.modelNorm));
      rounds.push({ models, mean, distance: consensusDistance, residual });
    }
    const close = (actual: readonly number[], expected: readonly number[]) => {
      expect(actual.length).toBe(expected.length);
      for (const [k, value] of expected.entries()) expect(actual[k]).toBeCloseTo(value, 6);
    };
    expect(rounds.length).toBe(3);
    const [one, two, three] = rounds as [(typeof rounds)[0], (typeof rounds)[0], (typeof rounds)[0]];

    close(one.models[0]!, [0.0444444444, -0.0666666667, 0.1444444444]);
    close(one.models[1]!, [0.1, -0.0888888889, 0.1]);
    close(one.models[2]!, [0.2, -0.2, 0.1]);
    close(one.models[3]!, [0.2555555556, -0.2444444444, 0.0555555556]);
    close(one.mean, [0.15, -0.15, 0.1]);
    expect(one.distance).toBeCloseTo(0.0133333333, 7);
    expect(one.residual).toBeCloseTo(0.2, 6);

    close(two.models[0]!, [0.0937037037, -0.1137037037, 0.2837037037]);
    close(two.models[3]!, [0.4714814815, -0.4614814815, 0.0914814815]);
    close(two.mean, [0.285, -0.285, 0.19]);
    expect(two.distance).toBeCloseTo(0.0452771605, 7);
    expect(two.residual).toBeCloseTo(0.5664967065, 6);

    close(three.mean, [0.4065, -0.4065, 0.271]);
    expect(three.distance).toBeCloseTo(0.0764953272, 7);
    expect(three.residual).toBeCloseTo(0.8322810739, 6);
  });
});
