import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createEdgePatience, PATIENCE_FIRST, PATIENCE_HISTORY } from "../src/exchange/patience.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import { metropolisMixing, pushMixing } from "../src/graphs/weights.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createPlan } from "../src/runs/plan.js";
import { createLayout } from "../src/vectors/layout.js";
import { expectError } from "./support/errors.js";
import { initialModel } from "./support/trainers.js";

const times = fc.array(fc.double({ min: 0, max: 1e5, noNaN: true }), { maxLength: 100 });
const factor = fc.double({ min: 0.1, max: 20, noNaN: true });

describe("patience", () => {
  it("never exceeds its bound, whatever an edge took, and has it until there is a usual time", () => {
    fc.assert(
      fc.property(times, factor, fc.integer({ min: 1, max: 10_000 }), (all, k, most) => {
        const patience = createEdgePatience(most, k);
        for (const [n, time] of all.entries()) {
          if (n < PATIENCE_FIRST) expect(patience.limit(3)).toBe(most);
          expect(patience.limit(3)).toBeLessThanOrEqual(most);
          patience.took(3, time);
        }
        expect(patience.limit(4)).toBe(most);
      }),
    );
  });

  it("is never shorter than the usual time of the edge, up to the bound", () => {
    fc.assert(
      fc.property(times, factor, (all, k) => {
        const patience = createEdgePatience(1e9, k);
        for (const time of all) patience.took(0, time);
        const last = all.slice(-PATIENCE_HISTORY).sort((a, b) => a - b);
        const median = last[Math.floor((last.length - 1) / 2)] ?? 0;
        expect(patience.limit(0)).toBeGreaterThanOrEqual(median);
      }),
    );
  });

  it("follows an edge that becomes slower within its history", () => {
    const patience = createEdgePatience(1e6, 6);
    for (let n = 0; n < PATIENCE_HISTORY; n++) patience.took(0, 10 + (n % 3));
    expect(patience.limit(0)).toBeLessThan(20);
    for (let n = 0; n < PATIENCE_HISTORY; n++) patience.took(0, 500 + (n % 3));
    expect(patience.limit(0)).toBeGreaterThan(500);
  });

  it("is the bound alone without a factor", () => {
    const patience = createEdgePatience(70, undefined);
    for (let n = 0; n < 100; n++) patience.took(0, 1);
    expect(patience.limit(0)).toBe(70);
  });
});

describe("the setting patience", () => {
  const ring = metropolisMixing(createGraph(graphSettings.parse({ kind: "ring", peers: 4 })));
  const layout = createLayout([{ name: "x", shape: [8] }]);
  const planOf = (settings: object) => createPlan(parseExperiment(settings), ring, initialModel(layout)).plan;

  it("is the barrier by default, seconds, or seconds at most", () => {
    expect(planOf({}).patience).toBeUndefined();
    expect(planOf({ patience: 2 }).patience).toEqual({ patienceMs: 2000 });
    const adaptive = { patienceMs: 3000, patienceFactor: 6 };
    expect(planOf({ patience: { most: 3 } }).patience).toEqual(adaptive);
    const fresh = { patience: { most: 3, staleness: 4 } };
    expect(planOf(fresh).patience).toEqual({ ...adaptive, staleness: 4 });
    expect(planOf(fresh).fingerprint).not.toEqual(planOf({ patience: { most: 3 } }).fingerprint);
    expect(planOf({ patience: 2 }).fingerprint).not.toEqual(planOf({}).fingerprint);
  });

  it("is refused for an algorithm that cannot do without an edge", () => {
    for (const algorithm of ["choco", "neolithic"]) {
      const details = { code: "patience-with-every-edge", field: "patience" };
      expectError(() => planOf({ algorithm, patience: 2 }), InvalidExperiment, details);
    }
    const directed = pushMixing(createGraph({ kind: "ring", peers: 4, directed: true }));
    const stale = parseExperiment({ algorithm: "push-sum", patience: { most: 1, staleness: 2 } });
    expectError(() => createPlan(stale, directed, initialModel(layout)), InvalidExperiment, {
      code: "staleness-of-shares",
    });
    for (const patience of [0, -1, 86_401, { most: 0 }, { factor: 2 }, { most: 1, staleness: -1 }]) {
      expect(() => parseExperiment({ patience })).toThrow(InvalidExperiment);
    }
  });
});
