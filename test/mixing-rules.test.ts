// What each mixing rule promises: what it keeps among honest peers, and what one that sends anything can do.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { compressorSettings, createCompressor } from "../src/compressors/index.js";
import type { Settled } from "../src/exchange/settlement.js";
import type { Transport } from "../src/exchange/transport.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { lowerMedian } from "../src/foundation/median.js";
import { random } from "../src/foundation/random.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { createMixingRule, type MixingRuleSettings } from "../src/mixing-rules/index.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createPlan } from "../src/runs/plan.js";
import { createVectorSpace, type Vector } from "../src/vectors/vector.js";
import { fill, layoutOf, sumOfSquares, type Written } from "./support/compressor-cases.js";
import { expectError } from "./support/errors.js";
import { createGossip, everyCompressor, largestDifference } from "./support/gossip.js";
import { initialModel } from "./support/trainers.js";

const layout = layoutOf(37, 4);
const { length } = layout;
const mixingOf = (settings: unknown) => metropolisMixing(createGraph(graphSettings.parse(settings)));

interface End {
  /** What this peer sends, and what its neighbours do. */
  readonly own: readonly number[];
  readonly theirs: readonly (readonly number[])[];
  readonly rate?: number;
  readonly compressor?: Written;
}

/** One end of the edges to `theirs.length` neighbours, each of weight 0.2. */
function createEnd(settings: MixingRuleSettings, { own, theirs, rate = 0.7, compressor: written }: End) {
  const space = createVectorSpace(1 << 20);
  const { kind = "identity", ...rest } = written ?? {};
  const compressor = createCompressor(compressorSettings.parse({ kind, ...rest }), { layout, space });
  const edges = theirs.map((_, peer) => ({ peer: peer + 1, weight: 0.2 }));
  const rule = createMixingRule(settings, { compressor, layout, space, edges });
  const vector = space.vector(length);
  const encode = (values: readonly number[], key: number) => {
    vector.set(values);
    return compressor.squeeze(vector, random(key)).slice();
  };
  const payload = encode(own, 0);
  const settled = edges.map(
    (edge, k): Settled => ({ edge, own: payload, theirs: encode(theirs[k]!, k + 1), rate }),
  );
  const model = space.vector(length);
  return { rule, settled, model };
}

/** What a rule makes of a model. */
function mixed(
  settings: MixingRuleSettings,
  end: End,
  start: readonly number[] = new Array(length).fill(0),
): Vector {
  const { rule, settled, model } = createEnd(settings, end);
  model.set(start);
  rule.mix(model, settled);
  return model.slice();
}

const norm = (v: Iterable<number>) => Math.sqrt(sumOfSquares(v));
const difference = (a: readonly number[], b: readonly number[]) =>
  a.map((x, k) => Math.fround(x) - Math.fround(b[k]!));
const bits = (v: Vector) => Array.from(new Uint32Array(v.slice().buffer));

const number = fc.float({ min: -8, max: 8, noNaN: true });
const vector = fc.array(number, { minLength: length, maxLength: length });
/** Anything that passes the check. */
const anything = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
  minLength: length,
  maxLength: length,
});
const neighbours = (minLength: number, maxLength = 6) => fc.array(vector, { minLength, maxLength });

describe("clip", () => {
  it.each(everyCompressor.map((written) => [written.kind, written as Written] as const))(
    "with an endless radius is the mean, bit for bit, with %s",
    (_kind, compressor) => {
      const clip: MixingRuleSettings = { kind: "clip", radius: Number.POSITIVE_INFINITY };
      fc.assert(
        fc.property(vector, neighbours(1), vector, (own, theirs, start) => {
          const end = { own, theirs, compressor };
          expect(bits(mixed(clip, end, start))).toEqual(bits(mixed({ kind: "mean" }, end, start)));
        }),
        { numRuns: 10 },
      );
    },
  );

  it("moves a model by at most η w τ for each neighbour, whatever they send", () => {
    fc.assert(
      fc.property(
        vector,
        fc.array(anything, { minLength: 1, maxLength: 4 }),
        fc.double({ min: 0.1, max: 9, noNaN: true }),
        (own, theirs, radius) => {
          // The own payload is added in parts of float32: their rounding is relative to the numbers.
          const moved = norm(mixed({ kind: "clip", radius }, { own, theirs }));
          expect(moved).toBeLessThanOrEqual(0.7 * 0.2 * theirs.length * radius * (1 + 1e-5) + 1e-4);
        },
      ),
    );
  });

  it("moves the two ends of an edge by opposite vectors, to the bit, where the radius is a number", () => {
    fc.assert(
      fc.property(vector, anything, fc.double({ min: 0.1, max: 50, noNaN: true }), (a, b, radius) => {
        const one = mixed({ kind: "clip", radius }, { own: a, theirs: [b] });
        const other = mixed({ kind: "clip", radius }, { own: b, theirs: [a] });
        expect(one.every((x, k) => x + other[k]! === 0)).toBe(true);
      }),
    );
  });

  it("auto takes the lower median of the last distances, which one neighbour cannot raise", () => {
    fc.assert(
      fc.property(vector, neighbours(1, 4), anything, fc.nat(), (own, honest, hostile, place) => {
        const theirs = [...honest];
        theirs.splice(place % (honest.length + 1), 0, hostile);
        const { rule, settled, model } = createEnd({ kind: "clip", radius: "auto" }, { own, theirs });
        rule.mix(model, settled);
        const distances = theirs.map((each) => norm(difference(each, own)));
        theirs.forEach((_, k) => {
          expect(rule.scalars[`distance ${k + 1}`]! / (distances[k]! || 1)).toBeCloseTo(
            distances[k]! && 1,
            6,
          );
        });
        const largest = Math.max(...honest.map((each) => norm(difference(each, own))));
        expect(norm(model)).toBeLessThanOrEqual(0.7 * 0.2 * theirs.length * largest * (1 + 1e-5) + 1e-4);
      }),
    );
  });

  it("auto compares an edge that settles alone with what the others had last", () => {
    const own = new Array(length).fill(0);
    const far = new Array(length).fill(1000);
    const near = new Array(length).fill(1);
    const { rule, settled, model } = createEnd(
      { kind: "clip", radius: "auto" },
      { own, theirs: [near, near, far] },
    );
    rule.mix(model, settled.slice(0, 2));
    model.fill(0);
    rule.mix(model, settled.slice(2));
    expect(norm(model) / (0.7 * 0.2 * Math.sqrt(length))).toBeCloseTo(1, 5);
  });

  it("keeps the mean of all models, where the radius is a number", async () => {
    for (const algorithm of [algorithms.dpsgd, algorithms.deepsqueeze]) {
      const gossip = createGossip({
        mixing: mixingOf({ kind: "torus", rows: 2, columns: 4 }),
        layout,
        algorithm,
        compressor: compressorSettings.parse({ kind: "minmax" }),
        rule: { kind: "clip", radius: 1.5 },
        rate: 0.5,
        rounds: 30,
      });
      const before = gossip.mean();
      const spread = gossip.consensusDistance();
      await gossip.finish();
      expect(largestDifference(gossip.mean(), before)).toBeLessThan(3e-6 * gossip.largest());
      expect(gossip.consensusDistance()).toBeLessThan(spread / 10);
    }
  });
});

describe("trimmed", () => {
  it("with b = 0 and η = 1 makes a model the plain average of itself and its neighbours", () => {
    fc.assert(
      fc.property(vector, neighbours(1), (own, theirs) => {
        const result = mixed({ kind: "trimmed", trim: 0 }, { own, theirs, rate: 1 }, own);
        const average = own.map(
          (x, k) => (x + theirs.reduce((sum, each) => sum + each[k]!, 0)) / (theirs.length + 1),
        );
        expect(largestDifference(result, average)).toBeLessThan(1e-5);
      }),
    );
  });

  it("does not depend on the order of the neighbours, to the bit", () => {
    const shuffled = neighbours(3).chain((theirs) =>
      fc.tuple(fc.constant(theirs), fc.shuffledSubarray(theirs, { minLength: theirs.length })),
    );
    fc.assert(
      fc.property(vector, shuffled, fc.nat({ max: 1 }), (own, [theirs, others], trim) => {
        const rule: MixingRuleSettings = { kind: "trimmed", trim };
        expect(bits(mixed(rule, { own, theirs }, own))).toEqual(
          bits(mixed(rule, { own, theirs: others }, own)),
        );
      }),
    );
  });

  it("is what sorting every coordinate says, in tiles or not", () => {
    fc.assert(
      fc.property(vector, neighbours(5, 7), fc.nat({ max: 2 }), (own, theirs, trim) => {
        const result = mixed({ kind: "trimmed", trim }, { own, theirs, rate: 1 }, own);
        const kept = theirs.length - 2 * trim;
        const expected = own.map((x, k) => {
          const sorted = theirs.map((each) => each[k]!).sort((a, b) => a - b);
          return (x + sorted.slice(trim, trim + kept).reduce((sum, each) => sum + each, 0)) / (kept + 1);
        });
        expect(largestDifference(result, expected)).toBeLessThan(1e-5);
      }),
    );
  });

  it("stays between honest models while at most b neighbours send anything", () => {
    const hostile = fc.array(anything, { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(vector, neighbours(3, 5), hostile, (own, honest, hostile) => {
        const theirs = [...hostile, ...honest].slice(0, Math.max(2 * hostile.length + 1, honest.length));
        const result = mixed({ kind: "trimmed", trim: hostile.length }, { own, theirs, rate: 1 }, own);
        result.forEach((x, k) => {
          const values = [own, ...theirs.slice(hostile.length)].map((each) => each[k]!);
          expect(x).toBeGreaterThanOrEqual(Math.min(...values) - 1e-5);
          expect(x).toBeLessThanOrEqual(Math.max(...values) + 1e-5);
        });
      }),
    );
  });

  it("mixes nothing where fewer than 2b + 1 exchanges have settled, and at the least of their rates", () => {
    const [own, theirs] = [new Array(length).fill(1), new Array(3).fill(new Array(length).fill(5))];
    const { rule, settled, model } = createEnd({ kind: "trimmed", trim: 1 }, { own, theirs });
    model.set(own);
    rule.mix(model, settled.slice(0, 2));
    expect(model.every((x) => x === 1)).toBe(true);
    rule.mix(model, [{ ...settled[0]!, rate: 0.25 }, ...settled.slice(1)]);
    expect(model.every((x) => x === 1.5)).toBe(true);
  });

  it("takes tiles of long vectors one by one", () => {
    const long = layoutOf(5000);
    const space = createVectorSpace(1 << 20);
    const compressor = createCompressor({ kind: "identity" }, { layout: long, space });
    const edges = [1, 2, 3].map((peer) => ({ peer, weight: 0.25 }));
    const rule = createMixingRule({ kind: "trimmed", trim: 1 }, { compressor, layout: long, space, edges });
    const [own, model] = [space.vector(5000), space.vector(5000)];
    const nothing = compressor.squeeze(own, random(0)).slice();
    const values = edges.map(({ peer }) => {
      fill(own, "gaussian", peer);
      return own.slice();
    });
    const settled = edges.map((edge, k) => {
      own.set(values[k]!);
      return { edge, own: nothing, theirs: compressor.squeeze(own, random(0)).slice(), rate: 2 };
    });
    rule.mix(model, settled);
    const medians = model.map((_, k) => lowerMedian(values.map((each) => each[k]!)));
    expect(model).toEqual(medians);
  });
});

describe("one hostile peer of six on a complete graph", () => {
  /** What becomes of honest models in 20 rounds in which peer 0 sends −1000 times its own. */
  async function attacked(rule: MixingRuleSettings) {
    const space = createVectorSpace(1 << 18);
    const compressor = createCompressor({ kind: "identity" }, { layout, space });
    const [replaced, sent] = [space.vector(length), space.vector(length)];
    const hostile = (transport: Transport): Transport => ({
      ...transport,
      send(to, frame) {
        replaced.fill(0);
        compressor.addTo(replaced, frame.payload, -1000);
        sent.set(replaced);
        transport.send(to, { ...frame, payload: compressor.squeeze(sent, random(0)).slice() });
      },
    });
    const gossip = createGossip({
      mixing: mixingOf({ kind: "complete", peers: 6 }),
      layout,
      algorithm: algorithms.dpsgd,
      compressor: compressorSettings.parse({ kind: "identity" }),
      rule,
      rate: 0.5,
      rounds: 20,
      wrap: (transport, id) => (id === 0 ? hostile(transport) : transport),
    });
    const start = gossip.models.slice(1).map((model) => model.slice());
    await gossip.finish();
    const distance = (to: readonly Vector[]) =>
      Math.max(
        ...gossip.models.slice(1).map((model) =>
          largestDifference(
            model,
            model.map((_, k) => to.reduce((sum, each) => sum + each[k]! / to.length, 0)),
          ),
        ),
      );
    return { moved: distance(start), apart: distance(gossip.models.slice(1)) };
  }

  it("takes the mean anywhere, and stays among the honest models when they clip or trim", async () => {
    expect((await attacked({ kind: "mean" })).moved).toBeGreaterThan(100);
    for (const rule of [
      { kind: "clip", radius: "auto" },
      { kind: "trimmed", trim: 1 },
    ] as const) {
      const { moved, apart } = await attacked(rule);
      expect(moved).toBeLessThan(3);
      expect(apart).toBeLessThan(0.1);
    }
  });
});

describe("settings", () => {
  const ring = mixingOf({ kind: "ring", peers: 4 });
  const plan = (settings: object, mixing = ring) =>
    createPlan(parseExperiment({ algorithm: "dpsgd", ...settings }), mixing, initialModel(layout));

  it("are a name or an object, and the mean where left out", () => {
    expect(parseExperiment({}).mixing).toEqual({ kind: "mean" });
    expect(parseExperiment({ mixing: "clip" }).mixing).toEqual({ kind: "clip", radius: "auto" });
    expect(parseExperiment({ mixing: { kind: "clip", radius: 2 } }).mixing).toEqual({
      kind: "clip",
      radius: 2,
    });
    expect(parseExperiment({ mixing: "trimmed" }).mixing).toEqual({ kind: "trimmed", trim: 1 });
    for (const mixing of [
      "median",
      { kind: "clip", radius: 0 },
      { kind: "trimmed", trim: -1 },
      { kind: "mean", trim: 1 },
    ]) {
      expect(() => parseExperiment({ mixing })).toThrow(InvalidExperiment);
    }
  });

  it("are part of what peers must agree on", () => {
    expect(plan({ mixing: "clip" }).plan.fingerprint).not.toEqual(plan({}).plan.fingerprint);
  });

  it.each(Object.values<AlgorithmKind>(algorithms).map((kind) => [kind.name, kind] as const))(
    "%s takes a robust rule, or refuses it by name",
    (name, { usesMixing }) => {
      const mixing = mixingOf({ kind: "complete", peers: 4 });
      const settings = { algorithm: name, compressor: "minmax" };
      for (const rule of ["clip", "trimmed"]) {
        const make = () => plan({ ...settings, mixing: rule }, mixing);
        if (usesMixing) expect(make().plan.mixing!.kind).toBe(rule);
        else {
          const error = expectError(make, InvalidExperiment, {
            code: "algorithm-without-mixing-rule",
            field: "mixing",
          });
          expect(error.message).toContain(`algorithm ${name} `);
          expect(error.message).toContain(`mixing rule ${rule} `);
        }
      }
      expect(plan({ ...settings, mixing: "mean" }, mixing).plan.mixing).toEqual({ kind: "mean" });
    },
  );

  it("name the peer that has too few neighbours, before and without a plan", () => {
    const few = { code: "too-few-neighbours", peer: 0, field: "mixing" };
    expectError(() => plan({ mixing: "trimmed" }), InvalidExperiment, few);
    const make = () =>
      createGossip({
        mixing: ring,
        layout,
        algorithm: algorithms.dpsgd,
        compressor: compressorSettings.parse({ kind: "identity" }),
        rule: { kind: "trimmed", trim: 1 },
        rate: 1,
        rounds: 1,
      });
    expectError(make, InvalidExperiment, few);
    expect(plan({ mixing: { kind: "trimmed", trim: 0 } }).plan.mixing).toEqual({ kind: "trimmed", trim: 0 });
  });

  it("leave the closing consensus out of a robust run unless it is asked for, and then warn", () => {
    expect(plan({}).plan.closingRates.length).toBeGreaterThan(0);
    const robust = plan({ mixing: "clip" });
    expect(robust.plan.closingRates).toEqual([]);
    expect(robust.warnings).toEqual([]);
    const asked = plan({ mixing: "clip", closingRounds: 3 });
    expect(asked.plan.closingRates.length).toBeGreaterThan(0);
    expect(asked.warnings[0]).toMatch(/closing consensus is a mean/);
  });
});

it("the lower median is what sorting says, of the first numbers alone", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1 }), fc.nat(), (values, cut) => {
      const count = (cut % values.length) + 1;
      const sorted = values.slice(0, count).sort((a, b) => a - b);
      // 0 and −0 are equal to a median.
      expect(lowerMedian(values, count) + 0).toBe(sorted[(count - 1) >> 1]! + 0);
    }),
  );
  expect(lowerMedian([])).toBe(0);
});
