import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidTopology } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { CLOSING_TOLERANCE, closingRates } from "../src/graphs/closing-rates.js";
import { allPairs, createSimpleGraph, MAX_EDGES } from "../src/graphs/graph.js";
import { createGraph, eigenvaluesOf, type GraphSettings, graphSettings } from "../src/graphs/index.js";
import { EXTREME_ACCURACY, extremesOf, meanSquareSlowness } from "../src/graphs/lanczos.js";
import { denseWeights, MAX_DENSE_PEERS, type Mixing, selfWeight } from "../src/graphs/mixing.js";
import {
  driftInRounds,
  gapReaches,
  MAX_DECOMPOSED_PEERS,
  spectralGap,
  spectrum,
  spectrumOf,
} from "../src/graphs/spectrum.js";
import { parseTopology } from "../src/graphs/topology.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { expectError } from "./support/errors.js";

const settingsOf = (settings: object): GraphSettings => graphSettings.parse(settings);
const mixingOf = (settings: object): Mixing => metropolisMixing(createGraph(settingsOf(settings)));
const dense = (mixing: Mixing) => spectrum(mixing).eigenvalues!;

/** The same graph, whose kind the spectrum does not know. */
const nameless = ({ peers, neighbours }: Mixing): Mixing => ({ peers, neighbours });

/** Graphs of 3 to 80 peers, those with tiny gaps and with few different eigenvalues among them. */
const smallGraphs: fc.Arbitrary<object> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("ring", "chain", "star", "complete", "exponential"),
    peers: fc.integer({ min: 3, max: 80 }),
  }),
  fc.record({
    kind: fc.constant("torus"),
    rows: fc.integer({ min: 2, max: 9 }),
    columns: fc.integer({ min: 2, max: 9 }),
  }),
  fc.record({ kind: fc.constant("hypercube"), dimension: fc.integer({ min: 2, max: 6 }) }),
  fc.record({ kind: fc.constant("margulis"), side: fc.integer({ min: 2, max: 8 }) }),
  fc.record({
    kind: fc.constant("expander"),
    peers: fc.integer({ min: 4, max: 40 }).map((half) => 2 * half),
    degree: fc.integer({ min: 3, max: 6 }),
    seed: fc.nat(1000),
  }),
  fc
    .array(fc.nat(1e6), { minLength: 2, maxLength: 80 })
    .map((parents) => ({ kind: "edges", edges: parents.map((parent, i) => [i + 1, parent % (i + 1)]) })),
);

/** Two cliques of 60 with a path between them, and a star on a path. */
const barbell = {
  kind: "edges",
  edges: [
    ...pairs(60),
    ...pairs(60).map(([a, b]) => [200 + a, 200 + b]),
    ...Array.from({ length: 141 }, (_, i) => [59 + i, 60 + i]),
  ],
};
const lollipop = {
  kind: "edges",
  edges: Array.from({ length: 399 }, (_, i) => [i + 1, i < 199 ? 0 : i]),
};

function pairs(count: number): [number, number][] {
  return Array.from({ length: count }, (_, a) =>
    Array.from({ length: count - a - 1 }, (_, k): [number, number] => [a, a + k + 1]),
  ).flat();
}

describe("Lanczos iterations", () => {
  const expectSame = (mixing: Mixing) => {
    const { second, smallest } = extremesOf(mixing);
    const eigenvalues = dense(mixing);
    expect(Math.abs(second - eigenvalues[1]!)).toBeLessThan(EXTREME_ACCURACY);
    expect(Math.abs(smallest - eigenvalues.at(-1)!)).toBeLessThan(EXTREME_ACCURACY);
  };

  it("find the extremes of small graphs of every kind as the dense decomposition does", () => {
    fc.assert(fc.property(smallGraphs, (settings) => expectSame(mixingOf(settings))));
  });

  it.each([
    { kind: "ring", peers: 512 },
    { kind: "chain", peers: 300 },
    { kind: "torus", rows: 16, columns: 16 },
    { kind: "hypercube", dimension: 8 },
    { kind: "expander", peers: 256, degree: 4 },
    { kind: "erdos-renyi", peers: 200, probability: 0.06 },
    barbell,
    lollipop,
  ])("find those of graph %#", (settings) => expectSame(mixingOf(settings)));

  it("leave out peers that have left, whose edges are gone", () => {
    const { mixing } = parseTopology(
      { graph: { kind: "complete", peers: 6 }, peers: [{ id: 2, left: true }] },
      "here",
    );
    const { second, smallest } = extremesOf(mixing);
    expect(second).toBeCloseTo(0, 12);
    expect(smallest).toBeCloseTo(0, 12);
  });

  it("estimate the root mean square of 1 / (1 − λ)", () => {
    for (const settings of [
      { kind: "hypercube", dimension: 9 },
      { kind: "expander", peers: 512, degree: 4 },
    ]) {
      const mixing = mixingOf(settings);
      const estimate = Math.sqrt(meanSquareSlowness(extremesOf(mixing).tridiagonal));
      expect(estimate / spectrum(mixing).slowness).toBeGreaterThan(0.9);
      expect(estimate / spectrum(mixing).slowness).toBeLessThan(1.1);
    }
  });
});

/** Settings of every kind with a closed form, that of 3 peers or more. */
const closedKinds = [
  { kind: "ring", peers: 3 },
  { kind: "ring", peers: 41 },
  { kind: "chain", peers: 37 },
  { kind: "star", peers: 23 },
  { kind: "complete", peers: 12 },
  { kind: "hypercube", dimension: 6 },
  { kind: "exponential", peers: 2 },
  { kind: "exponential", peers: 45 },
  { kind: "exponential", peers: 64 },
  { kind: "torus", rows: 2, columns: 2 },
  { kind: "torus", rows: 2, columns: 9 },
  { kind: "torus", rows: 3, columns: 2 },
  { kind: "torus", rows: 5, columns: 8 },
];

describe("closed forms", () => {
  it.each(closedKinds)("of %j are what the dense decomposition finds", (settings) => {
    const closed = eigenvaluesOf(settingsOf(settings))!;
    const expected = dense(mixingOf(settings));
    const values = [...closed].sort((a, b) => b - a);
    expect(values).toHaveLength(expected.length);
    for (const [k, value] of values.entries()) expect(Math.abs(value - expected[k]!)).toBeLessThan(1e-10);
  });

  it("are not used where the edges are directed, or where no rule has so few peers", () => {
    for (const settings of [
      { kind: "ring", peers: 8, directed: true },
      { kind: "exponential", peers: 8, directed: true },
      { kind: "ring", peers: 2 },
      { kind: "chain", peers: 2 },
    ]) {
      expect(eigenvaluesOf(settingsOf(settings))).toBe(undefined);
    }
    expect(eigenvaluesOf(settingsOf({ kind: "margulis", side: 3 }))).toBe(undefined);
  });

  it("are not used of a graph that peers have left", () => {
    const whole = { graph: { kind: "star", peers: MAX_DECOMPOSED_PEERS + 1 } };
    expect(dense(parseTopology(whole, "here").mixing)).toHaveLength(MAX_DECOMPOSED_PEERS + 1);
    const left = parseTopology({ ...whole, peers: [{ id: 2, left: true }] }, "here");
    expect(left.mixing.eigenvalues).toBe(undefined);
    expect(spectrum(left.mixing).second).toBeCloseTo(1 - 1 / MAX_DECOMPOSED_PEERS, 9);
  });
});

describe("ten thousand peers", () => {
  it.each([
    { kind: "ring", peers: 10_000 },
    { kind: "torus", rows: 100, columns: 100 },
    { kind: "hypercube", dimension: 13 },
    { kind: "exponential", peers: 10_000 },
  ])("%j: Lanczos finds the extremes of the closed form", (settings) => {
    const known = parseTopology({ graph: settings }, "here").mixing;
    const closed = spectrum(known);
    expect(closed.eigenvalues).toHaveLength(known.peers);
    const found = spectrum(nameless(known));
    expect(found.eigenvalues).toBe(undefined);
    expect(Math.abs(found.second - closed.second)).toBeLessThan(EXTREME_ACCURACY);
    expect(Math.abs(found.smallest - closed.smallest)).toBeLessThan(EXTREME_ACCURACY);
    expect(gapReaches(nameless(known), spectralGap(closed) + 1e-9)).toBe(false);
    expect(gapReaches(nameless(known), spectralGap(closed) - 1e-9)).toBe(true);
  });

  it("of a random regular graph: drift and eigenvalues in between are estimates, those of a hypercube within 5 %", () => {
    const { mixing } = parseTopology({ graph: { kind: "hypercube", dimension: 13 } }, "here");
    const [exact, estimated] = [spectrum(mixing), spectrum(nameless(mixing))];
    expect(Math.abs(driftInRounds(estimated, 0.5) / driftInRounds(exact, 0.5) - 1)).toBeLessThan(0.05);
    const [first, ...inner] = estimated.sample(7);
    expect(first).toBe(estimated.second);
    expect(inner.at(-1)).toBe(estimated.smallest);
    // A hypercube of 2^13 has 14 different eigenvalues, 1/7 apart: one quantile may lie in the next.
    for (const [k, value] of estimated.sample(7).entries()) {
      expect(Math.abs(value - exact.sample(7)[k]!)).toBeLessThan(1.01 / 7);
    }
  });

  it("have their mixing in O(edges): rows sum to 1, and both ends of an edge have the same weight", () => {
    const { peers, neighbours } = mixingOf({ kind: "expander", peers: 10_000, degree: 4, seed: 3 });
    expect(neighbours).toHaveLength(peers);
    for (const [i, edges] of neighbours.entries()) {
      expect(selfWeight(edges)).toBeCloseTo(1 / 5, 12);
      for (const { peer, weight } of edges) {
        expect(neighbours[peer]!.find((back) => back.peer === i)!.weight).toBe(weight);
      }
    }
  });
});

describe("closing rates of a graph of which only the extremes are known", () => {
  const unknown = (settings: object) => {
    const { second, smallest, slowness, sample } = spectrum(mixingOf(settings));
    return { second, smallest, slowness, sample };
  };

  it("leave no more of any disagreement than they state", () => {
    const rounds = fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined });
    fc.assert(
      fc.property(smallGraphs, rounds, fc.nat(1000), (settings, rounds, seed) => {
        const { neighbours, peers } = mixingOf(settings);
        const { rates, contraction } = closingRates(unknown(settings), rounds);
        if (rounds === undefined) expect(contraction).toBeLessThanOrEqual(CLOSING_TOLERANCE * (1 + 1e-9));
        else expect(rates).toHaveLength(rounds);
        const draws = random(seed, "start");
        let models = Float64Array.from({ length: peers }, (_, i) => normal(draws, i));
        const before = distanceOf(models);
        for (const rate of rates) {
          models = models.map((own, i) =>
            neighbours[i]!.reduce(
              (sum, { peer, weight }) => sum + rate * weight * (models[peer]! - own),
              own,
            ),
          );
        }
        expect(distanceOf(models)).toBeLessThanOrEqual(contraction * before * (1 + 1e-9) + 1e-9);
      }),
    );
  });

  it("carry twelve digits, which extremes that differ by rounding have in common", () => {
    const given = unknown({ kind: "expander", peers: 64, degree: 4 });
    const nudged = { ...given, second: given.second + 2 ** -52, smallest: given.smallest - 2 ** -52 };
    expect(closingRates(nudged).rates).toEqual(closingRates(given).rates);
  });
});

function distanceOf(models: Float64Array): number {
  const mean = models.reduce((sum, x) => sum + x, 0) / models.length;
  return Math.sqrt(models.reduce((sum, x) => sum + (x - mean) ** 2, 0));
}

describe("limits", () => {
  it("MAX_DECOMPOSED_PEERS", () => {
    const edges = (peers: number) => ({
      kind: "edges",
      edges: Array.from({ length: peers - 1 }, (_, i) => [i >> 1, i + 1]),
    });
    expect(spectrum(mixingOf(edges(MAX_DECOMPOSED_PEERS))).eigenvalues).toHaveLength(MAX_DECOMPOSED_PEERS);
    expect(spectrum(mixingOf(edges(MAX_DECOMPOSED_PEERS + 1))).eigenvalues).toBe(undefined);
  });

  it("MAX_DENSE_PEERS", () => {
    const peers = MAX_DENSE_PEERS + 1;
    const refused = { code: "too-many-dense-peers", field: "peers" };
    expectError(() => denseWeights(mixingOf({ kind: "ring", peers })), InvalidTopology, refused);
    const weights = [[1]];
    for (const topology of [
      { graph: { kind: "ring", peers, directed: true } },
      { graph: { kind: "ring", peers }, weights },
    ]) {
      expectError(() => parseTopology(topology, "here"), InvalidTopology, refused);
    }
    for (const kind of ["one-peer-exponential", "base-graph", "random-matchings", "equitopo"]) {
      expectError(() => parseTopology({ graph: { kind, peers } }, "here"), InvalidTopology, {
        code: "invalid-setting",
        field: "graph.peers",
      });
      expect(graphSettings.safeParse({ kind, peers: MAX_DENSE_PEERS }).success).toBe(true);
    }
    expect(denseWeights(mixingOf({ kind: "ring", peers: MAX_DENSE_PEERS }))).toHaveLength(
      MAX_DENSE_PEERS ** 2,
    );
  });

  it("MAX_EDGES, with which a complete graph has 1024 peers at most", () => {
    const complete = (peers: number) => createGraph(settingsOf({ kind: "complete", peers }));
    expect(complete(1024).edges).toHaveLength(MAX_EDGES);
    expect(graphSettings.safeParse({ kind: "complete", peers: 1025 }).success).toBe(false);
    for (const peers of [1025, 10_000]) {
      const refused = { code: "edge-count", field: "peers" };
      expectError(() => createSimpleGraph(peers, allPairs(peers)), InvalidTopology, refused);
    }
  });
});

it("a spectrum with all eigenvalues is what its parts say", () => {
  expect(spectrumOf([1, 0.5, -0.25])).toMatchObject({ second: 0.5, smallest: -0.25 });
  expect(spectrumOf([1, 0.5, -0.25]).slowness).toBeCloseTo(Math.sqrt((4 + 0.64) / 2), 12);
  expect(spectrumOf([1])).toMatchObject({ second: 0, smallest: 0, slowness: 0 });
  expect(spectrumOf([1]).sample(7)).toEqual([]);
});
