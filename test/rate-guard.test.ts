import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { MAX_HALVINGS } from "../src/exchange/frame.js";
import { createGraph } from "../src/graphs/index.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import {
  createRateGuard,
  MODEL_GROWTH,
  RESIDUAL_GROWTH,
  SLOW_RESIDUAL_GROWTH,
  WARM_UP_WINDOWS,
} from "../src/rate-guard.js";
import { createLayout } from "../src/vectors/layout.js";
import { createGossip, largestDifference } from "./support/gossip.js";

const guarded = algorithms.deepsqueeze;

/** Warnings of a guard by round, and how often it has halved in the end. */
function watched(
  { model = () => 1, residual = () => 0 }: Partial<Record<"model" | "residual", (round: number) => number>>,
  rounds = 400,
  kind: AlgorithmKind = guarded,
) {
  const guard = createRateGuard(kind);
  const warnings: (readonly [round: number, text: string])[] = [];
  for (let round = 0; round < rounds; round++) {
    const norms = { model: model(round), residual: residual(round) };
    for (const text of guard.conclude(norms, 0.5)) warnings.push([round, text]);
  }
  return { warnings, halvings: guard.halvings() };
}

describe("a rate guard", () => {
  it.each([
    ["model", MODEL_GROWTH, 1.1],
    ["residual", RESIDUAL_GROWTH, 1.05],
    ["residual", SLOW_RESIDUAL_GROWTH, 1.015],
  ] as const)("halves η when the %s grows by a factor every %o", (of, growth, factor) => {
    const { rounds, times } = growth;
    const first = rounds * (WARM_UP_WINDOWS + times + 1);
    const { warnings, halvings } = watched({ [of]: (round: number) => factor ** round }, first);
    expect(halvings).toBe(1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]![0]).toBe(first - 1);
    expect(warnings[0]![1]).toMatch(
      /^consensus rate η = 0\.5 is too large: .* halves it to 0\.25 on the peer's edges/,
    );
    expect(warnings[0]![1]).toContain(
      `the norm of the ${of} grew ${(factor ** (rounds * times)).toFixed(1)} times in ${rounds * times} rounds`,
    );
  });

  it("does nothing while norms settle, fall, or grow no faster than in a line", () => {
    const slopes = fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(slopes, fc.double({ min: 0, max: 50, noNaN: true }), (drawn, start) => {
        // Concave: slopes that never rise.
        const falling = [...drawn].sort((a, b) => b - a);
        const values: number[] = [start];
        for (let round = 1; round < 400; round++) {
          values.push(values.at(-1)! + (falling[Math.floor(round / 10)] ?? 0));
        }
        const norm = (round: number) => values[round]!;
        expect(watched({ model: norm, residual: norm }).warnings).toEqual([]);
      }),
    );
    expect(watched({ model: (round) => 0.99 ** round }).warnings).toEqual([]);
  });

  it("halves on while growth goes on, and MAX_HALVINGS times at most", () => {
    const { warnings, halvings } = watched({ model: (round) => 1.2 ** round }, 1000);
    expect(halvings).toBe(MAX_HALVINGS);
    expect(warnings.length).toBeGreaterThan(MAX_HALVINGS);
    expect(warnings[1]![1]).toContain("halves it to 0.125");
    expect(warnings.at(-1)![1]).toContain("halve the consensus rate or compress less");
  });

  it("only warns where all edges must have one rate", () => {
    for (const kind of Object.values<AlgorithmKind>(algorithms)) {
      const { warnings, halvings } = watched({ model: (round) => 1.2 ** round }, 60, kind);
      expect(warnings).toHaveLength(1);
      const lowers = kind.usesRate && !kind.needs.everyEdge && kind.needs.graph === "symmetric";
      expect(halvings).toBe(lowers ? 1 : 0);
    }
  });
});

describe("a run with a rate outside the stable range", () => {
  const layout = createLayout([{ name: "x", shape: [40] }]);
  const mixing = metropolisMixing(createGraph({ kind: "ring", peers: 8 }));
  const update = (id: number, k: number, round: number) => Math.fround(0.01 * Math.sin(id + k + round));

  it("comes back, and its mean moves by the updates alone", async () => {
    for (const algorithm of [algorithms.dpsgd, algorithms["edge-choco"]]) {
      const gossip = createGossip({
        ...{ mixing, layout, algorithm, rate: 1.6, rounds: 200, update },
        compressor: { kind: "minmax", bits: 8, rounding: "stochastic", scope: "block", block: 64 },
      });
      const expected = gossip.mean();
      let largest = 0;
      const rates = new Set<number>();
      for (let round = 0; round < 200; round++) {
        const reports = await gossip.round();
        for (const { consensusRate } of reports!) rates.add(consensusRate);
        for (let k = 0; k < layout.length; k++) {
          for (let id = 0; id < 8; id++) expected[k]! += update(id, k, round) / 8;
        }
        largest = Math.max(largest, gossip.consensusDistance());
      }
      expect([...rates]).toEqual([1.6, 0.8]);
      expect(largest).toBeGreaterThan(1e4);
      expect(gossip.consensusDistance()).toBeLessThan(0.01);
      // Rounding errors are relative to the largest model on the way.
      expect(largestDifference(gossip.mean(), expected)).toBeLessThan(1e-6 * Math.sqrt(largest));
    }
  });
});
