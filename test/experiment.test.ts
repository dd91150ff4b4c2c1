import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { createGraph } from "../src/graphs/index.js";
import { metropolisMixing, pushMixing } from "../src/graphs/weights.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createPlan } from "../src/runs/plan.js";
import { createSchedule, scheduleSettings } from "../src/settings/schedule.js";
import { createLayout } from "../src/vectors/layout.js";
import { expectError } from "./support/errors.js";
import { everyCompressor } from "./support/gossip.js";
import { initialModel } from "./support/trainers.js";

const ring8 = metropolisMixing(createGraph({ kind: "ring", peers: 8 }));
const layout = createLayout([
  { name: "kernel", shape: [30, 20] },
  { name: "bias", shape: [20] },
]);

const start = initialModel(layout);

describe("an experiment", () => {
  it("has a default for everything", () => {
    expect(parseExperiment({})).toMatchObject({
      algorithm: "edge-choco",
      compressor: { kind: "sign" },
      trainer: { kind: "layers" },
      rounds: 500,
    });
  });

  it("may name a kind alone, or settings of the default kind", () => {
    expect(parseExperiment({ compressor: "minmax" }).compressor).toMatchObject({ kind: "minmax" });
    expect(parseExperiment({ compressor: { scope: "block" } }).compressor).toMatchObject({
      kind: "sign",
      scope: "block",
    });
  });

  it("is read back as it was", () => {
    const experiment = parseExperiment({
      compressor: "topk",
      learningRate: { initial: 0.2, decay: "step", at: [3] },
    });
    expect(parseExperiment(JSON.parse(JSON.stringify(experiment)))).toEqual(experiment);
  });

  it("with anything wrong is refused in one line that names the field", () => {
    const cases: [unknown, string | undefined, RegExp?][] = [
      [{ rouns: 1 }, "rouns", /did you mean "rounds"/],
      [{ rounds: 1.5 }, "rounds"],
      [{ consensusRate: "fast" }, "consensusRate"],
      [{ compressor: { kind: "minmax", bits: 3 } }, "compressor.bits"],
      [{ compressor: { kind: "topk", ratio: 0 } }, "compressor.ratio"],
      [{ optimizer: "adm" }, "optimizer.kind", /"adam"/],
      [{ split: { kind: "dirichlet", alpha: -1 } }, "split.alpha"],
      [[], undefined],
      [null, undefined],
    ];
    for (const [input, field, suggestion = /^/] of cases) {
      const { message } = expectError(() => parseExperiment(input), InvalidExperiment, { field });
      expect(message).toMatch(suggestion);
    }
  });
});

describe("a plan", () => {
  const planOf = (input: unknown) => createPlan(parseExperiment(input), ring8, start);

  it("warns, with the bound, of a consensus rate outside the stable range, and only then", () => {
    const fine = { algorithm: "deepsqueeze", compressor: "minmax" };
    expect(planOf({ ...fine, consensusRate: 1.6 }).warnings.join()).toMatch(
      /outside the stable range \(0, 1\.500\)/,
    );
    expect(planOf({ ...fine, consensusRate: { initial: 2 } }).warnings).toHaveLength(1);
    expect(planOf({ ...fine, consensusRate: 1.4 }).warnings).toEqual([]);
    expect(planOf({ algorithm: "alone", consensusRate: 9 }).warnings).toEqual([]);
  });

  it("warns of error feedback with a compressor whose contraction is not proven, and only then", () => {
    const unscaled = { compressor: { kind: "qsgd", levels: 4, unscaled: true } };
    expect(planOf(unscaled).warnings.join()).toMatch(/qsgd.* has no proven contraction/);
    const warnings = (settings: object) =>
      planOf(settings).warnings.filter((warning) => warning.includes("no proven contraction"));
    expect(warnings({ ...unscaled, algorithm: "dpsgd" })).toEqual([]);
    for (const { kind } of everyCompressor) {
      expect(warnings({ compressor: kind, consensusRate: 0.01 })).toEqual([]);
    }
  });

  it("warns of a compressor that the algorithm does not use", () => {
    const warning = "algorithm dpsgd does not compress: compressor topk is not used";
    expect(planOf({ algorithm: "dpsgd", compressor: "topk" }).warnings).toEqual([warning]);
    expect(planOf({ algorithm: "dpsgd", compressor: "identity" }).warnings).toEqual([]);
    expect(planOf({ algorithm: "dpsgd" }).warnings).toEqual([]);
  });

  it("is refused where the algorithm cannot work on the graph or with its edges, and names what can", () => {
    const directed = pushMixing(createGraph({ kind: "ring", peers: 5, directed: true }));
    for (const [name, { needs, compresses }] of Object.entries<AlgorithmKind>(algorithms)) {
      if (needs.graph === "complete") continue;
      const unused = `algorithm ${name} does not compress: compressor minmax is not used`;
      const plan = () => createPlan(parseExperiment({ algorithm: name }), directed, start).plan;
      if (needs.graph === "directed") expect(plan().closingRates).toEqual([]);
      else {
        const expected = { code: "algorithm-needs-undirected-graph", field: "algorithm" };
        expect(expectError(plan, InvalidExperiment, expected).message).toContain("push-sum");
      }
      for (const participation of [0.5, { peers: 0.5 }]) {
        const half = () => planOf({ algorithm: name, compressor: "minmax", participation });
        if (needs.everyEdge) {
          expectError(half, InvalidExperiment, {
            code: "algorithm-needs-every-edge",
            field: "participation",
          });
        } else expect(half().warnings).toEqual(compresses ? [] : [unused]);
      }
    }
  });

  it("closes with as many exact rounds as the graph needs, or as many as were asked for", () => {
    expect(planOf({}).plan.closingRates).toHaveLength(4);
    expect(planOf({ closingRounds: 2 }).plan.closingRates).toHaveLength(2);
    expect(planOf({ closingRounds: 0 }).plan.closingRates).toEqual([]);
    expect(planOf({ algorithm: "alone" }).plan.closingRates).toEqual([]);
  });
});

describe("a schedule", () => {
  const scheduleOf = (settings: unknown, rounds: number) =>
    createSchedule(scheduleSettings.parse(settings), rounds);

  it("starts at its initial value, ends at its final one and never leaves the range between", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("linear", "cosine"),
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        fc.integer({ min: 2, max: 500 }),
        (decay, initial, final, rounds) => {
          const schedule = scheduleOf({ initial, final, decay }, rounds);
          expect(schedule(0)).toBeCloseTo(initial, 9);
          expect(schedule(rounds - 1)).toBeCloseTo(final, 9);
          for (let round = 0; round < rounds; round++) {
            expect(schedule(round)).toBeGreaterThanOrEqual(Math.min(initial, final) - 1e-9);
            expect(schedule(round)).toBeLessThanOrEqual(Math.max(initial, final) + 1e-9);
          }
        },
      ),
    );
  });

  it("steps, halves and warms up where it says", () => {
    const step = scheduleOf({ initial: 1, decay: "step", at: [2, 4], factor: 0.5 }, 6);
    expect([0, 1, 2, 3, 4, 5].map(step)).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25]);
    const inverse = scheduleOf({ initial: 1, decay: "inverse", halfAfter: 10 }, 50);
    expect([inverse(0), inverse(10), inverse(30)]).toEqual([1, 0.5, 0.25]);
    const exponential = scheduleOf({ initial: 1, decay: "exponential", halfAfter: 10 }, 50);
    expect([exponential(0), exponential(10), exponential(30)]).toEqual([1, 0.5, 0.125]);
    const warm = scheduleOf({ initial: 1, warmupRounds: 3 }, 10);
    expect([0, 1, 2, 3, 4].map(warm)).toEqual([0.25, 0.5, 0.75, 1, 1]);
    expect(scheduleOf(0.3, 10)(7)).toBe(0.3);
  });
});
