import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Algorithm, AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { compressorSettings, createCompressor } from "../src/compressors/index.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import { createLayout } from "../src/layout.js";
import { metropolisMixing } from "../src/mixing.js";
import { normal, random } from "../src/random.js";
import { createVectorSpace, spaceBytes } from "../src/vector.js";
import { createGossip, everyCompressor, largestDifference } from "./support/gossip.js";

const mixingOf = (settings: unknown) => metropolisMixing(createGraph(graphSettings.parse(settings)));
const ring8 = mixingOf({ kind: "ring", peers: 8 });
const compressor = (settings: unknown) => compressorSettings.parse(settings);

/** One graph of every shape, small; sizes that are prime, odd and a power of two. */
const graphs = [
  { kind: "ring", peers: 7 },
  { kind: "torus", rows: 2, columns: 4 },
  { kind: "expander", peers: 10, degree: 3, seed: 1 },
  { kind: "hypercube", dimension: 3 },
  { kind: "exponential", peers: 6 },
  { kind: "complete", peers: 4 },
  { kind: "star", peers: 5 },
  { kind: "chain", peers: 3 },
  {
    kind: "edges",
    edges: [
      [0, 1],
      [1, 2],
      [2, 0],
      [2, 3],
    ],
  },
].map((settings) => ({ name: settings.kind, mixing: mixingOf(settings) }));

const layout = createLayout([
  { name: "kernel", shape: [7, 9] },
  { name: "bias", shape: [5] },
  { name: "scalar", shape: [] },
]);

const everyAlgorithm = Object.values(algorithms) as AlgorithmKind[];

/**
 * float32 rounding of a sum of a few hundred numbers, per unit of the largest number that travels. What travels
 * is at most the model and its residual.
 */
const ROUNDING = 2e-6;

describe("the mean moves only by local learning", () => {
  for (const algorithm of everyAlgorithm) {
    it(`with ${algorithm.name}, on every graph, with every compressor, also when edges fail at both ends`, () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...graphs),
          fc.constantFrom(...everyCompressor),
          fc.double({ min: 0, max: 0.5, noNaN: true }),
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.integer(),
          ({ mixing }, settings, consensusRate, failing, seed) => {
            const gossip = createGossip({ mixing, layout, algorithm, compressor: settings, seed });
            const updates = random(seed, "updates");
            const failures = random(seed, "failures");
            const expected = gossip.mean();
            let largest = 1;
            for (let round = 0; round < 6; round++) {
              const update = (peer: number, k: number) =>
                Math.fround(0.1 * normal(updates, (round * mixing.peers + peer) * layout.length + k));
              for (let k = 0; k < layout.length; k++) {
                for (let peer = 0; peer < mixing.peers; peer++)
                  expected[k]! += update(peer, k) / mixing.peers;
              }
              gossip.round(consensusRate, {
                update,
                hears: (a, b) =>
                  failures.uniform((round * 64 + Math.min(a, b)) * 64 + Math.max(a, b)) >= failing,
              });
              for (const { model, algorithm } of gossip.nodes) {
                for (const vector of [model, ...Object.values((algorithm as Algorithm).state)]) {
                  largest = vector.reduce((most, x) => Math.max(most, Math.abs(x)), largest);
                }
              }
            }
            expect(largestDifference(gossip.mean(), expected)).toBeLessThanOrEqual(ROUNDING * largest);
          },
        ),
        { numRuns: 120 },
      );
    });
  }
});

describe("DeepSqueeze", () => {
  it("sends all there is: Σ_t C(v_t) + δ_T = Σ_t h_t at every peer, with every compressor", () => {
    for (const settings of everyCompressor) {
      const gossip = createGossip({
        mixing: ring8,
        layout,
        algorithm: algorithms.deepsqueeze,
        compressor: settings,
      });
      const sums = gossip.nodes.map(({ space }) => ({
        sent: space.vector(layout.length),
        learned: new Float64Array(layout.length),
      }));
      const draws = random(3, "updates");
      for (let round = 0; round < 10; round++) {
        const before = gossip.models.map((model) => Float32Array.from(model));
        const update = (peer: number, k: number) =>
          Math.fround(0.1 * normal(draws, (round * 8 + peer) * 100 + k));
        const sent = gossip.round(0.1, { update });
        for (const [peer, { codec }] of gossip.nodes.entries()) {
          // The residual is v − C(v), so C(v) is what the payload decodes to.
          codec.addTo(sums[peer]!.sent, sent[peer]!, 1);
          for (let k = 0; k < layout.length; k++) {
            sums[peer]!.learned[k]! += Math.fround(before[peer]![k]! + update(peer, k));
          }
        }
      }
      for (const [peer, { algorithm }] of gossip.nodes.entries()) {
        const residual = algorithm.state.residual!;
        const total = sums[peer]!.sent.map((sum, k) => sum + residual[k]!);
        const largest = residual.reduce((most, x) => Math.max(most, Math.abs(x)), 30);
        expect(largestDifference(total, sums[peer]!.learned)).toBeLessThanOrEqual(1e-6 * largest);
      }
    }
  });

  it("with identity is D-PSGD with W_eff = (1 − η)I + ηW, and owes nothing", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...graphs),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer(),
        ({ mixing }, rate, seed) => {
          const make = (algorithm: AlgorithmKind) =>
            createGossip({ mixing, layout, algorithm, compressor: compressor({ kind: "identity" }), seed });
          const squeezed = make(algorithms.deepsqueeze);
          const exact = make(algorithms.dpsgd);
          const n = mixing.peers;
          let matrix = squeezed.models.map((model) => Float64Array.from(model));
          const draws = random(seed, "updates");
          for (let round = 0; round < 5; round++) {
            const update = (peer: number, k: number) =>
              Math.fround(0.1 * normal(draws, (round * n + peer) * 100 + k));
            squeezed.round(rate, { update });
            exact.round(rate, { update });
            const learned = matrix.map((row, i) => row.map((x, k) => x + update(i, k)));
            matrix = learned.map((row, i) =>
              row.map((x, k) =>
                mixing.neighbours[i]!.reduce(
                  (sum, { peer, weight }) => sum + rate * weight * (learned[peer]![k]! - x),
                  x,
                ),
              ),
            );
          }
          expect(squeezed.squaredResiduals()).toBe(0);
          for (let i = 0; i < n; i++) {
            expect(largestDifference(squeezed.models[i]!, matrix[i]!)).toBeLessThanOrEqual(1e-5);
            expect(largestDifference(exact.models[i]!, matrix[i]!)).toBeLessThanOrEqual(1e-5);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("with η = 0 leaves every peer to itself, bit for bit", () => {
    for (const settings of everyCompressor) {
      const gossip = createGossip({
        mixing: ring8,
        layout,
        algorithm: algorithms.deepsqueeze,
        compressor: settings,
      });
      const before = gossip.models.map((model) => Float32Array.from(model));
      for (let round = 0; round < 3; round++) gossip.round(0);
      expect(gossip.models.map((model) => [...model])).toEqual(before.map((model) => [...model]));
    }
  });
});

describe("pure consensus on ring-8, d = 1000 (field guide T5, T6, T11)", () => {
  const wide = createLayout([{ name: "x", shape: [1000] }]);
  const run = (
    algorithm: AlgorithmKind,
    settings: unknown,
    rate: number,
    rounds: number,
    hears?: (to: number, from: number, round: number) => boolean,
  ) => {
    const gossip = createGossip({
      mixing: ring8,
      layout: wide,
      algorithm,
      compressor: compressor(settings),
      seed: 5,
    });
    const initial = gossip.consensusDistance();
    const initialMean = gossip.mean();
    const tail: number[] = [];
    for (let round = 0; round < rounds; round++) {
      gossip.round(rate, hears && { hears: (to, from) => hears(to, from, round) });
      if (round >= rounds - 100) tail.push(gossip.consensusDistance());
    }
    const mean = gossip.mean();
    const norm = Math.hypot(...initialMean);
    const drift = Math.hypot(...mean.map((x, k) => x - initialMean[k]!)) / norm;
    return { ratio: tail.reduce((sum, c) => sum + c, 0) / tail.length / initial, drift };
  };
  const minmax4 = { kind: "minmax", bits: 4, rounding: "stochastic", scope: "whole" };

  it("DeepSqueeze stays at a floor that grows with η², however long it runs", () => {
    const half = run(algorithms.deepsqueeze, minmax4, 0.05, 1500);
    const full = run(algorithms.deepsqueeze, minmax4, 0.1, 1500);
    const longer = run(algorithms.deepsqueeze, minmax4, 0.1, 3000);
    expect(full.ratio / half.ratio).toBeGreaterThan(3.5);
    expect(full.ratio / half.ratio).toBeLessThan(5);
    expect(longer.ratio / full.ratio).toBeGreaterThan(0.8);
  });

  it("CHOCO has no floor: it falls to float32 rounding", () => {
    // float64 would reach 1e-20; the models here are float32, whose rounding alone is (6e-8)².
    expect(run(algorithms.choco, minmax4, 0.5, 1500).ratio).toBeLessThan(1e-12);
  });

  it("error feedback diverges with an unscaled QSGD and not with the scaled one", () => {
    const qsgd = { kind: "qsgd", levels: 4, scope: "whole" };
    expect(run(algorithms.deepsqueeze, { ...qsgd, unscaled: true }, 0.1, 200).ratio).toBeGreaterThan(1e12);
    expect(run(algorithms.deepsqueeze, qsgd, 0.1, 1500).ratio).toBeLessThan(0.1);
  });

  it("losing an exchange at both ends costs DeepSqueeze nothing, at one end it moves the mean", () => {
    const draws = random(9, "loss");
    const kept = run(algorithms.deepsqueeze, minmax4, 0.1, 1500);
    const both = run(
      algorithms.deepsqueeze,
      minmax4,
      0.1,
      1500,
      (a, b, round) => draws.uniform(round * 64 + Math.min(a, b) * 8 + Math.max(a, b)) >= 0.05,
    );
    const oneEnd = run(
      algorithms.deepsqueeze,
      minmax4,
      0.1,
      1500,
      (a, b, round) => draws.uniform(round * 64 + a * 8 + b) >= 0.05,
    );
    expect(both.drift).toBeLessThan(1e-5);
    expect(both.ratio / kept.ratio).toBeLessThan(1.5);
    expect(oneEnd.drift).toBeGreaterThan(0.01);
  });

  it("an outage of 20 rounds leaves DeepSqueeze intact; CHOCO keeps the mean but not the consensus", () => {
    const outage = (_to: number, _from: number, round: number) => round < 10 || round >= 30;
    const squeezed = run(algorithms.deepsqueeze, minmax4, 0.1, 1500, outage);
    expect(squeezed.ratio / run(algorithms.deepsqueeze, minmax4, 0.1, 1500).ratio).toBeLessThan(1.5);
    expect(squeezed.drift).toBeLessThan(1e-5);
    const choco = run(algorithms.choco, minmax4, 0.5, 1500, outage);
    // What is left is float32 rounding of 1500 rounds, the same as without an outage.
    expect(choco.drift).toBeLessThan(2 * run(algorithms.choco, minmax4, 0.5, 1500).drift);
    expect(choco.drift).toBeLessThan(1e-4);
    expect(choco.ratio).toBeGreaterThan(1e-6);
  });
});

describe("error feedback mends sign descent (field guide T7)", () => {
  /** x ← x − C(γg + e), e ← γg + e − C(γg + e), with C the L1-scaled sign; without feedback e stays 0. */
  function signDescent(
    start: readonly number[],
    gradient: (x: Float32Array, t: number) => readonly number[],
    rate: (t: number) => number,
    rounds: number,
    feedback: boolean,
  ): Float32Array {
    const space = createVectorSpace(spaceBytes(4, start.length, 4096));
    const oneTensor = createLayout([{ name: "x", shape: [start.length] }]);
    const sign = createCompressor(compressor({ kind: "sign", scope: "whole" }), { layout: oneTensor, space });
    const x = space.vector(start.length);
    const error = space.vector(start.length);
    x.set(start);
    for (let t = 0; t < rounds; t++) {
      if (!feedback) error.fill(0);
      for (const [k, g] of gradient(x, t).entries()) error[k]! += rate(t) * g;
      sign.addTo(x, sign.squeeze(error, random(0, t)), -1);
    }
    return x;
  }
  const coin = random(11, "samples");

  it("a skewed gradient on [−1, 1]: bare signs drift to the worst point, feedback to the best", () => {
    // f(x) = x / 4 and γ = 0.01; the gradient is 4 with probability ¼ and −1 otherwise.
    const descend = (feedback: boolean) => {
      const space = createVectorSpace(spaceBytes(3, 1, 4096));
      const scalar = createLayout([{ name: "x", shape: [] }]);
      const sign = createCompressor(compressor({ kind: "sign" }), { layout: scalar, space });
      const [x, error, step] = [space.vector(1), space.vector(1), space.vector(1)];
      let late = 0;
      for (let t = 0; t < 20_000; t++) {
        if (!feedback) error.fill(0);
        error[0]! += 0.01 * (coin.uniform(t) < 0.25 ? 4 : -1);
        sign.addTo(step.fill(0), sign.squeeze(error, random(0, t)), 1);
        // Bare signSGD keeps the sign of what was decoded and forgets its size.
        x[0] = Math.max(-1, Math.min(1, x[0]! - (feedback ? step[0]! : 0.01 * Math.sign(step[0]!))));
        if (t >= 10_000) late += x[0] / 10_000;
      }
      return late;
    };
    expect(descend(false)).toBeGreaterThan(0.9);
    expect(descend(true)).toBeLessThan(-0.8);
  });

  it("a non-smooth valley: sign(0) = +1 keeps x₁ + x₂ = 2 for ever, feedback reaches the bottom", () => {
    const sign = (z: number) => (z >= 0 ? 1 : -1);
    const epsilon = 0.5;
    const gradient = ([a, b]: Float32Array) => [
      epsilon * sign(a! + b!) + sign(a! - b!),
      epsilon * sign(a! + b!) - sign(a! - b!),
    ];
    const value = ([a, b]: Float32Array) => epsilon * Math.abs(a! + b!) + Math.abs(a! - b!);
    const rate = (t: number) => 0.05 / Math.sqrt(t + 1);
    expect(value(signDescent([1, 1], gradient, rate, 20_000, false))).toBeGreaterThan(0.99);
    expect(value(signDescent([1, 1], gradient, rate, 20_000, true))).toBeLessThan(0.01);
  });

  it("least squares from single samples: sign alone never gets below the start, feedback solves it", () => {
    const epsilon = 0.5;
    const a = [
      [1 + epsilon, -1 + epsilon],
      [-1 + epsilon, 1 + epsilon],
    ];
    const gradient = (x: Float32Array, t: number) => {
      const row = a[coin.bits(t) & 1]!;
      const inner = row[0]! * x[0]! + row[1]! * x[1]!;
      return [2 * inner * row[0]!, 2 * inner * row[1]!];
    };
    const value = (x: Float32Array) =>
      a.reduce((sum, row) => sum + (row[0]! * x[0]! + row[1]! * x[1]!) ** 2, 0);
    expect(value(signDescent([1, 1], gradient, () => 0.05, 20_000, false))).toBeGreaterThan(1.99);
    expect(value(signDescent([1, 1], gradient, () => 0.05, 20_000, true))).toBeLessThan(1e-10);
  });
});
