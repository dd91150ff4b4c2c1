import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { type CompressorSettings, compressorSettings } from "../src/compressors/index.js";
import { createGraph } from "../src/graphs/index.js";
import {
  driftInRounds,
  maximumConsensusRate,
  optimalConsensusRate,
  spectrum,
} from "../src/graphs/spectrum.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { createRateFinder, END_FLOOR, findRate, START_FLOOR } from "../src/runs/consensus-rate.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createPlan } from "../src/runs/plan.js";
import { isSlow, planRate } from "../src/runs/planned-rate.js";
import { exactTrial, runTrial } from "../src/runs/trial-gossip.js";
import { trialGraph, trialModel } from "../src/runs/trial-setting.js";
import { createLayout } from "../src/vectors/layout.js";
import { createGossip } from "./support/gossip.js";
import { initialModel } from "./support/trainers.js";

const graphOf = (settings: Parameters<typeof createGraph>[0]) => metropolisMixing(createGraph(settings));
const ring8 = graphOf({ kind: "ring", peers: 8 });
const ring4 = graphOf({ kind: "ring", peers: 4 });
const layout = createLayout([
  { name: "kernel", shape: [20, 10] },
  { name: "bias", shape: [10] },
]);
const start = initialModel(layout);
const compressorOf = (settings: unknown) => compressorSettings.parse(settings);
const sign = compressorOf({ kind: "sign" });
/** One compressor of each sort, with which a short gossip shows whether it agrees. */
const severalCompressors = [
  "minmax",
  "sign",
  "qsgd",
  { kind: "topk", ratio: 0.1 },
  { kind: "randomk", ratio: 0.1 },
].map((settings) => compressorOf(typeof settings === "string" ? { kind: settings } : settings));
const kinds: AlgorithmKind[] = Object.values(algorithms);
/** Without error feedback of a contraction, noise may outgrow what a trial shows. */
const compressing = kinds.filter(
  ({ compresses, usesRate, needs }) => compresses && usesRate && needs.contraction,
);
const finderOf = (
  algorithm: AlgorithmKind,
  compressor: CompressorSettings,
  mixing = ring8,
  trainer = start,
) => createRateFinder({ algorithm, compressor, mixing, trainer });
const found = (algorithm: AlgorithmKind, compressor: CompressorSettings, mixing = ring8) =>
  findRate({ mixing }, finderOf(algorithm, compressor, mixing));

describe("a consensus rate that nobody chose", () => {
  for (const algorithm of compressing) {
    it(`is within the stable range and lets ${algorithm.name} agree, with compressors of every sort, also far from zero`, async () => {
      for (const compressor of severalCompressors) {
        const rate = found(algorithm, compressor, ring4);
        expect(rate, compressor.kind).toBeDefined();
        const { start: first, end } = rate!;
        expect(first.consensusRate).toBeLessThan(maximumConsensusRate(spectrum(ring4)));
        expect(first.floor).toBeLessThanOrEqual(START_FLOOR);
        expect(end.floor).toBeLessThanOrEqual(END_FLOOR);
        expect(end.consensusRate).toBeLessThanOrEqual(first.consensusRate);
        const options = { mixing: ring4, layout, algorithm, compressor, offset: 1 };
        const gossip = createGossip({ ...options, rate: end.consensusRate, rounds: 400 });
        const before = gossip.consensusDistance();
        while (await gossip.round());
        expect(gossip.consensusDistance() / before, compressor.kind).toBeLessThan(1);
      }
    });
  }

  it("is η* for exact gossip and as good as exact compression, and 0 where nothing is exchanged", () => {
    const best = Number(optimalConsensusRate(spectrum(ring8)).toPrecision(4));
    const auto = (algorithm: AlgorithmKind, kind = "sign") =>
      planRate(parseExperiment({ compressor: kind }), ring8, start, algorithm).consensusRate;
    expect(auto(algorithms.dpsgd)).toBe(best);
    for (const algorithm of compressing) expect(auto(algorithm, "identity")).toBe(best);
    expect(auto(algorithms.alone)).toBe(0);
  });

  it("falls with the error of the compressor", () => {
    for (const algorithm of compressing) {
      const rates = [0.9, 0.3, 0.05].map(
        (ratio) => found(algorithm, compressorOf({ kind: "topk", ratio }), ring4)!.start.consensusRate,
      );
      for (const [k, rate] of rates.slice(1).entries()) expect(rate).toBeLessThanOrEqual(rates[k]!);
      expect(rates.at(-1)).toBeLessThan(rates[0]!);
    }
  });

  it("is that of every peer: neither the scale of the model nor the order of questions changes it", () => {
    const scaled = (factor: number) => ({
      layout,
      initialize(model: Float32Array) {
        start.initialize(model);
        for (let k = 0; k < model.length; k++) model[k]! *= factor;
      },
    });
    const expected = found(algorithms.deepsqueeze, sign, ring4)!;
    fc.assert(
      fc.property(
        fc.integer({ min: -20, max: 20 }),
        fc.array(fc.nat(36), { maxLength: 2 }),
        (power, asked) => {
          const finder = finderOf(algorithms.deepsqueeze, sign, ring4, scaled(2 ** power));
          for (const k of asked) finder.attempt(finder.candidates[k]!);
          expect(findRate({ mixing: ring4 }, finder)).toEqual(expected);
        },
      ),
      { numRuns: 6 },
    );
  });

  it("is in the fingerprint that neighbours compare, and starts and ends the plan's schedule", () => {
    const settings = { algorithm: "deepsqueeze", compressor: "sign", rounds: 100 };
    const { plan } = createPlan(parseExperiment(settings), ring8, start);
    const { start: first, end } = found(algorithms.deepsqueeze, sign)!;
    expect(end.consensusRate).toBeLessThan(first.consensusRate);
    expect(plan.fingerprint?.consensusRate).toBe(`auto: ${first.consensusRate} to ${end.consensusRate}`);
    expect(plan.consensusRate(0)).toBe(first.consensusRate);
    expect(plan.consensusRate(99)).toBeCloseTo(end.consensusRate, 9);
    const rates = Array.from({ length: 100 }, (_, round) => plan.consensusRate(round));
    expect(rates).toEqual([...rates].sort((a, b) => b - a));
  });
});

describe("a plan that cannot do as well as exact gossip", () => {
  const warningsOf = (settings: object, mixing = ring8) =>
    createPlan(parseExperiment(settings), mixing, start).warnings;
  const coarse = { compressor: { kind: "topk", ratio: 0.05 } };

  it("says so, with what to take instead where there is something better", () => {
    const [warning] = warningsOf({ ...coarse, algorithm: "deepsqueeze" });
    expect(warning).toMatch(/takes η up to .* where peers' data differ, expect less accuracy: /);
    const [signs] = warningsOf({ algorithm: "deepsqueeze", compressor: { kind: "sign" } });
    expect(signs).toMatch(/use choco or edge-choco, or compress less$/);
    expect(warningsOf({ ...coarse, algorithm: "edge-choco" }).join()).toMatch(/: compress less$/);
    expect(warningsOf({ algorithm: "deepsqueeze", compressor: { kind: "minmax", bits: 8 } })).toEqual([]);
    const unused = "algorithm dpsgd does not compress: compressor topk is not used";
    expect(warningsOf({ ...coarse, algorithm: "dpsgd" })).toEqual([unused]);
  });

  it("is told by the updates that lie between models", () => {
    const { drift, exactDrift, ...rest } = found(algorithms.deepsqueeze, compressorOf({ kind: "identity" }))!;
    expect(drift / exactDrift).toBeCloseTo(1, 3);
    expect(isSlow({ ...rest, drift, exactDrift })).toBe(false);
    expect(isSlow({ ...rest, drift: 10, exactDrift: 2 })).toBe(true);
    expect(isSlow({ ...rest, drift: 10, exactDrift: 9 })).toBe(false);
    expect(isSlow({ ...rest, drift: 2, exactDrift: 0.5 })).toBe(false);
  });

  it("is warned of a rate of the user's that a trial does not stand, with one that it does", () => {
    const [warning] = warningsOf({ ...coarse, algorithm: "choco", consensusRate: 1 });
    const advised = Number(/use at most ([\d.]+)/.exec(warning!)?.[1]);
    expect(advised).toBe(found(algorithms.choco, compressorOf(coarse.compressor))!.start.consensusRate);
    expect(warningsOf({ ...coarse, algorithm: "choco", consensusRate: advised })).toEqual([]);
  });
});

describe("a trial", () => {
  it("of exact payloads is what the eigenvalues say", () => {
    const model = trialModel(initialModel(createLayout([{ name: "x", shape: [900] }])));
    for (const mixing of [
      ring8,
      graphOf({ kind: "star", peers: 5 }),
      graphOf({ kind: "torus", rows: 5, columns: 6 }),
    ]) {
      const { neighbours, disagreements } = trialGraph(mixing);
      for (const algorithm of [algorithms.dpsgd, algorithms.choco]) {
        const options = { algorithm, compressor: compressorOf({ kind: "identity" }), neighbours, ...model };
        for (const rate of [0.1, 0.7]) {
          const { disagreement } = runTrial(options, rate, 100);
          expect(disagreement / exactTrial(disagreements, rate, 100).disagreement).toBeCloseTo(1, 0.5);
        }
      }
    }
  });

  it("stands for a large graph with a small one of the same extreme eigenvalues", () => {
    const large = graphOf({ kind: "ring", peers: 40 });
    const { neighbours } = trialGraph(large);
    const small = spectrum({ peers: 8, neighbours });
    expect(small.eigenvalues![0]).toBeCloseTo(1, 9);
    expect(small.second).toBeCloseTo(spectrum(large).second, 9);
    expect(small.smallest).toBeCloseTo(spectrum(large).smallest, 9);
  });

  it("leaves out peers that have left, whose edges are gone", () => {
    const { neighbours, disagreements } = trialGraph({
      ...ring8,
      neighbours: [...ring8.neighbours.slice(0, 7), []],
    });
    expect(neighbours.every((edges) => edges.length === 7)).toBe(true);
    expect(disagreements).toHaveLength(7);
    expect(trialGraph({ peers: 1, neighbours: [[]] }).disagreements).toEqual([]);
  });

  it("takes the magnitudes of the initial model, of every tensor its own", () => {
    const shapes = createLayout([
      { name: "small", shape: [40] },
      { name: "zero", shape: [50] },
      { name: "huge", shape: [5000] },
    ]);
    const initialize = (model: Float32Array) => {
      model.fill(0.01, 0, 40);
      model.fill(3, 90);
    };
    const { layout: tried, start: model } = trialModel({ layout: shapes, initialize });
    expect(tried.tensors.map(({ name }) => name)).toEqual(["huge", "zero", "small"]);
    expect(tried.length).toBeLessThan(1200);
    const [huge, zero, small] = tried.tensors.map(({ offset, length }) =>
      model.subarray(offset, offset + length),
    );
    expect(Math.max(...huge!)).toBeGreaterThan(3);
    expect(Math.max(...huge!)).toBeLessThan(6);
    expect(Math.max(...small!)).toBeLessThan(0.02);
    expect(Math.min(...zero!)).toBeLessThan(0);
    expect(Math.max(...zero!)).toBeGreaterThan(0);
  });

  it("drift is 1/η on a complete graph, and grows where λ₂ nears 1", () => {
    const complete = spectrum(graphOf({ kind: "complete", peers: 6 }));
    expect(driftInRounds(complete, 0.25)).toBeCloseTo(4, 9);
    expect(driftInRounds(spectrum(graphOf({ kind: "ring", peers: 16 })), 0.25)).toBeGreaterThan(
      2 * driftInRounds(spectrum(ring8), 0.25),
    );
  });
});
