import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidExperiment, InvalidTopology } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { CLOSING_TOLERANCE, closingRates, MAX_CLOSING_ROUNDS } from "../src/graphs/closing-rates.js";
import { ramanujanGap } from "../src/graphs/expander.js";
import { createSimpleGraph, type Edge, type Graph } from "../src/graphs/graph.js";
import { createGraph, type GraphSettings, graphSettings } from "../src/graphs/index.js";
import { denseWeights, type Mixing } from "../src/graphs/mixing.js";
import {
  gapReaches,
  maximumConsensusRate,
  optimalConsensusRate,
  predictedRounds,
  spectralGap,
  spectrum,
  spectrumOf,
} from "../src/graphs/spectrum.js";
import { MINIMUM_GAP, metropolisMixing, WEIGHT_TOLERANCE, weightedMixing } from "../src/graphs/weights.js";
import { type Expected, expectError } from "./support/errors.js";

const graph = (settings: object): Graph => createGraph(graphSettings.parse(settings));
const mixing = (settings: object): Mixing => metropolisMixing(graph(settings));
const spectrumOfGraph = (settings: object) => spectrum(mixing(settings));
const eigenvaluesOfGraph = (settings: object) => spectrumOfGraph(settings).eigenvalues!;
const gap = (settings: object) => spectralGap(spectrumOfGraph(settings));
const ring = (peers: number) => ({ kind: "ring", peers });

/** Graphs of every kind, small and odd ones among them. */
const everyKind: fc.Arbitrary<GraphSettings> = fc
  .oneof(
    fc.record({
      kind: fc.constantFrom("ring", "chain", "star", "complete", "exponential"),
      peers: fc.integer({ min: 1, max: 40 }),
    }),
    fc.record({
      kind: fc.constant("torus"),
      rows: fc.integer({ min: 2, max: 6 }),
      columns: fc.integer({ min: 2, max: 6 }),
    }),
    fc.record({ kind: fc.constant("hypercube"), dimension: fc.nat(5) }),
    fc.record({ kind: fc.constant("margulis"), side: fc.integer({ min: 2, max: 6 }) }),
    fc.record({
      kind: fc.constantFrom("random-regular", "expander"),
      peers: fc.integer({ min: 4, max: 16 }).map((half) => 2 * half),
      degree: fc.integer({ min: 3, max: 6 }),
      seed: fc.nat(1000),
    }),
    fc.record({
      kind: fc.constant("erdos-renyi"),
      peers: fc.integer({ min: 2, max: 25 }),
      probability: fc.constantFrom(0.4, 0.6, 0.9),
      seed: fc.nat(1000),
    }),
    fc
      .array(fc.nat(1e6), { minLength: 1, maxLength: 20 })
      .map((parents) => ({ kind: "edges", edges: parents.map((parent, i) => [i + 1, parent % (i + 1)]) })),
  )
  .map((settings) => graphSettings.parse(settings));

describe("Metropolis weights of every kind of graph", () => {
  it("are symmetric, positive, zero off the edges, and sum to 1 by rows and columns", () => {
    fc.assert(
      fc.property(everyKind, (settings) => {
        const made = createGraph(settings);
        const mixing = metropolisMixing(made);
        const { peers: n, neighbours } = mixing;
        const weights = denseWeights(mixing);
        const edges = new Set(made.edges.map(([a, b]) => a * n + b));
        for (let i = 0; i < n; i++) {
          let row = 0;
          let column = 0;
          for (let j = 0; j < n; j++) {
            const weight = weights[i * n + j]!;
            row += weight;
            column += weights[j * n + i]!;
            expect(weight).toBe(weights[j * n + i]);
            const isEdge = edges.has(Math.min(i, j) * n + Math.max(i, j));
            if (i === j || isEdge) expect(weight).toBeGreaterThan(0);
            else expect(weight).toBe(0);
          }
          expect(Math.abs(row - 1)).toBeLessThan(1e-12);
          expect(Math.abs(column - 1)).toBeLessThan(1e-12);
          const others = Array.from({ length: n }, (_, j) => j).filter(
            (j) => j !== i && weights[i * n + j] !== 0,
          );
          expect(neighbours[i]).toEqual(others.map((peer) => ({ peer, weight: weights[i * n + peer] })));
        }
      }),
    );
  });

  it("have eigenvalues in (−1, 1], one of them 1, and their sum is the trace", () => {
    fc.assert(
      fc.property(everyKind, (settings) => {
        const made = mixing(settings);
        const values = spectrum(made).eigenvalues!;
        expect(values).toHaveLength(made.peers);
        expect(values).toEqual([...values].sort((a, b) => b - a));
        expect(values[0]).toBeCloseTo(1, 12);
        for (const value of values.slice(1)) {
          expect(value).toBeLessThan(1 - MINIMUM_GAP);
          expect(value).toBeGreaterThan(-1 + MINIMUM_GAP);
        }
        const trace = denseWeights(made).filter((_, index) => index % (made.peers + 1) === 0);
        expect(total(values)).toBeCloseTo(total(trace), 9);
      }),
    );
  });

  it("reach exactly the gaps that the spectrum says they reach", () => {
    fc.assert(
      fc.property(everyKind, fc.double({ min: 1e-6, max: 0.5, noNaN: true }), (settings, difference) => {
        const made = mixing(settings);
        fc.pre(made.peers > 1);
        const reached = spectralGap(spectrum(made));
        expect(gapReaches(made, reached - 1e-9)).toBe(true);
        expect(gapReaches(made, reached + difference)).toBe(false);
      }),
    );
  });
});

const total = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);

describe("spectral gaps known from theory", () => {
  const turn = 2 * Math.PI;
  it.each<[string, object, number, number]>([
    ["ring", ring(4), 2 / 3, 0.667],
    ...[8, 9, 16, 25, 32, 36, 64].map((n): [string, object, number, number] => [
      "ring",
      ring(n),
      (2 / 3) * (1 - Math.cos(turn / n)),
      { 8: 0.195, 9: 0.156, 16: 0.0507, 25: 0.0209, 32: 0.0128, 36: 0.0101, 64: 0.0032 }[n]!,
    ]),
    ["torus", { kind: "torus", rows: 3, columns: 3 }, 0.6, 0.6],
    ["torus", { kind: "torus", rows: 4, columns: 4 }, 0.4, 0.4],
    ["torus", { kind: "torus", rows: 5, columns: 5 }, 0.4 * (1 - Math.cos(turn / 5)), 0.276],
    ["torus", { kind: "torus", rows: 6, columns: 6 }, 0.2, 0.2],
    ["torus", { kind: "torus", rows: 8, columns: 8 }, 0.4 * (1 - Math.cos(turn / 8)), 0.117],
    ["torus", { kind: "torus", rows: 4, columns: 8 }, 0.4 * (1 - Math.cos(turn / 8)), 0.117],
    ["hypercube", { kind: "hypercube", dimension: 3 }, 1 / 2, 0.5],
    ["hypercube", { kind: "hypercube", dimension: 4 }, 2 / 5, 0.4],
    ["hypercube", { kind: "hypercube", dimension: 5 }, 2 / 6, 0.333],
    ["hypercube", { kind: "hypercube", dimension: 6 }, 2 / 7, 0.286],
    ["star", { kind: "star", peers: 8 }, 1 / 8, 0.125],
    ["path", { kind: "chain", peers: 8 }, (2 / 3) * (1 - Math.cos(Math.PI / 8)), 0.0507],
    ["complete", { kind: "complete", peers: 8 }, 1, 1],
  ])("%s %j", (_, settings, formula, table) => {
    expect(Math.abs(gap(settings) - formula)).toBeLessThan(1e-4);
    expect(Math.abs(gap(settings) - table)).toBeLessThan(5.1e-4);
  });

  it.each([
    [3, 0.6],
    [5, 0.286],
    [8, 0.282],
    [10, 0.248],
  ])("Margulis graph of side %i, parallel edges counted once", (side, expected) => {
    expect(Math.abs(gap({ kind: "margulis", side }) - expected)).toBeLessThan(5.1e-4);
  });

  it("prisms: a torus with a side of 2 is (ring × edge), λ = (1 + 2cos(2πj/k) ± 1)/4", () => {
    for (const columns of [3, 4, 5, 7, 8]) {
      const expected = Array.from({ length: columns }, (_, j) => 2 * Math.cos((turn * j) / columns))
        .flatMap((along) => [(1 + along + 1) / 4, (1 + along - 1) / 4])
        .sort((a, b) => b - a);
      expectClose(eigenvaluesOfGraph({ kind: "torus", rows: 2, columns }), expected);
      expectClose(eigenvaluesOfGraph({ kind: "torus", rows: columns, columns: 2 }), expected);
    }
  });

  it("ring and exponential graphs are circulant: λ_j = (1 + Σ_s cos(2πjs/n)) / (d + 1)", () => {
    for (let n = 3; n <= 40; n++) {
      const powers = [1, 2, 4, 8, 16, 32].filter((power) => power < n);
      const kinds = { ring: [1, n - 1], exponential: powers.flatMap((power) => [power, n - power]) };
      for (const [kind, differences] of Object.entries(kinds)) {
        const offsets = [...new Set(differences)];
        const expected = Array.from(
          { length: n },
          (_, j) => (1 + total(offsets.map((s) => Math.cos((turn * j * s) / n)))) / (offsets.length + 1),
        ).sort((a, b) => b - a);
        expectClose(eigenvaluesOfGraph({ kind, peers: n }), expected);
      }
    }
  });

  it("random regular graphs: λ₂ near (1 + 2√(d − 1)) / (d + 1)", () => {
    for (const [degree, peers] of [
      [3, 200],
      [4, 200],
      [6, 150],
    ] as const) {
      const found = gap({ kind: "random-regular", peers, degree, seed: 5 });
      expect(Math.abs(found - ramanujanGap(degree))).toBeLessThan(0.04);
    }
  });
});

function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(1e-10);
}

describe("consensus rates", () => {
  it.each([
    [ring(8), 1.308],
    [ring(16), 1.445],
    [ring(32), 1.486],
    [{ kind: "torus", rows: 4, columns: 4 }, 1],
    [{ kind: "hypercube", dimension: 4 }, 1],
    [{ kind: "star", peers: 8 }, 1.778],
    [{ kind: "complete", peers: 5 }, 1],
    [ring(1), 1],
  ])("η* of %j is %d", (settings, expected) => {
    expect(Math.abs(optimalConsensusRate(spectrumOfGraph(settings)) - expected)).toBeLessThan(6e-4);
  });

  it("η* contracts at least as well as any other rate, and the bound is where contraction ends", () => {
    fc.assert(
      fc.property(everyKind, fc.double({ min: 0.01, max: 1, noNaN: true }), (settings, share) => {
        const values = spectrumOfGraph(settings);
        const rounds = (rate: number) => predictedRounds(values, rate, 1e-6);
        const bound = maximumConsensusRate(values);
        expect(rounds(optimalConsensusRate(values))).toBeLessThanOrEqual(rounds(share * bound));
        expect(rounds(bound * 1.001)).toBe(Number.POSITIVE_INFINITY);
        expect(rounds(bound * 0.999)).toBeLessThan(Number.POSITIVE_INFINITY);
      }),
    );
  });
});

describe("exact gossip", () => {
  it("needs exactly the predicted rounds for the slowest disagreement of a ring, a cosine", () => {
    const made = mixing(ring(12));
    const start = Float64Array.from({ length: 12 }, (_, i) => Math.cos((2 * Math.PI * i) / 12));
    for (const rate of [0.3, 1, optimalConsensusRate(spectrum(made))]) {
      let models: Float64Array = start;
      let rounds = 0;
      for (; consensusDistance(models) > 1e-2 * consensusDistance(start); rounds++) {
        models = exchange(made, models, rate);
      }
      expect(predictedRounds(spectrum(made), rate, 1e-2)).toBe(rounds);
    }
  });

  it("takes no longer than predicted from any start", () => {
    fc.assert(
      fc.property(everyKind, fc.constantFrom(1e-1, 1e-2, 1e-4), fc.nat(1000), (settings, factor, seed) => {
        const made = mixing(settings);
        const values = spectrum(made);
        const rate = optimalConsensusRate(values);
        const rounds = predictedRounds(values, rate, factor);
        let models = startOf(made, seed);
        const before = consensusDistance(models);
        for (let round = 0; round < rounds; round++) models = exchange(made, models, rate);
        expect(consensusDistance(models)).toBeLessThanOrEqual(before * factor * (1 + 1e-9) + 1e-25);
      }),
    );
  });

  it("on a ring of 25 decays as the spectrum says: 1.2e-3, 2.6e-7 and 5.4e-11 after 100, 300 and 500 rounds", () => {
    const made = mixing(ring(25));
    const starts = Array.from({ length: 300 }, (_, k) => startOf(made, k));
    const expected = new Map([
      [100, 1.2e-3],
      [300, 2.6e-7],
      [500, 5.4e-11],
      [1000, 3.5e-20],
    ]);
    const sums = new Map<number, number>();
    let initial = 0;
    for (const start of starts) {
      initial += consensusDistance(start);
      let models: Float64Array = start;
      for (let round = 1; round <= 1000; round++) {
        models = exchange(made, models, 1);
        if (expected.has(round)) sums.set(round, (sums.get(round) ?? 0) + consensusDistance(models));
      }
    }
    for (const [round, value] of expected) {
      const ratio = sums.get(round)! / initial / value;
      expect(ratio, `after ${round} rounds`).toBeGreaterThan(1 / 1.5);
      expect(ratio, `after ${round} rounds`).toBeLessThan(1.5);
    }
  });
});

/** One number per peer, normally distributed. */
function startOf({ peers }: Mixing, seed: number): Float64Array {
  const stream = random(seed, "start");
  return Float64Array.from({ length: peers }, (_, i) => normal(stream, i));
}

/** x_i ← x_i + η Σ_j w_ij (x_j − x_i), as the peers do it. */
function exchange({ neighbours }: Mixing, models: Float64Array, rate: number): Float64Array {
  return models.map((own, i) => {
    let moved = own;
    for (const { peer, weight } of neighbours[i]!) moved += rate * weight * (models[peer]! - own);
    return moved;
  });
}

function consensusDistance(models: Float64Array): number {
  const mean = total(models) / models.length;
  return total(models.map((model) => (model - mean) ** 2)) / models.length;
}

describe("the closing consensus", () => {
  it.each([
    [ring(8), 4],
    [ring(16), 8],
    [{ kind: "torus", rows: 4, columns: 4 }, 4],
    [{ kind: "hypercube", dimension: 3 }, 3],
    [{ kind: "hypercube", dimension: 6 }, 6],
    [{ kind: "complete", peers: 8 }, 1],
    [{ kind: "star", peers: 8 }, 2],
    [ring(2), 1],
    [ring(1), 0],
  ])("of %j averages exactly in %i rounds", (settings, rounds) => {
    const closing = closingRates(spectrumOfGraph(settings));
    expect(closing.rates).toHaveLength(rounds);
    expect(closing.contraction).toBeLessThan(1e-10);
  });

  it("keeps the mean and leaves no more of any disagreement than it states, on every graph and for any rounds", () => {
    fc.assert(
      fc.property(
        everyKind,
        fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined }),
        fc.nat(1000),
        (settings, rounds, seed) => {
          const made = mixing(settings);
          const { rates, contraction } = closingRates(spectrum(made), rounds);
          if (rounds === undefined) expect(contraction).toBeLessThanOrEqual(CLOSING_TOLERANCE);
          else expect(rates.length).toBeLessThanOrEqual(rounds);
          let models = startOf(made, seed);
          const mean = total(models) / made.peers;
          const before = Math.sqrt(consensusDistance(models));
          for (const rate of rates) models = exchange(made, models, rate);
          expect(Math.abs(total(models) / made.peers - mean)).toBeLessThan(1e-10);
          expect(Math.sqrt(consensusDistance(models))).toBeLessThanOrEqual(contraction * before + 1e-10);
        },
      ),
    );
  });

  it("states a contraction that a disagreement along the worst eigenvector has", () => {
    // On a ring the slowest disagreement is a cosine, and with one round of η* it shrinks by exactly this.
    const made = mixing(ring(12));
    const { rates, contraction } = closingRates(spectrum(made), 1);
    expect(rates).toHaveLength(1);
    expect(Math.abs(rates[0]! - optimalConsensusRate(spectrum(made)))).toBeLessThan(1e-9);
    const start = Float64Array.from({ length: 12 }, (_, i) => Math.cos((2 * Math.PI * i) / 12));
    const left = Math.sqrt(consensusDistance(exchange(made, start, rates[0]!)) / consensusDistance(start));
    expect(Math.abs(left - contraction)).toBeLessThan(1e-9);
  });

  it("is never worse than as many rounds with η*, and more rounds never leave more", () => {
    for (const settings of [
      ring(30),
      { kind: "chain", peers: 20 },
      { kind: "expander", peers: 40, degree: 4 },
    ]) {
      const values = spectrumOfGraph(settings);
      const rate = optimalConsensusRate(values);
      const perRound = Math.max(
        ...values.eigenvalues!.slice(1).map((value) => Math.abs(1 - rate * (1 - value))),
      );
      let before = 1;
      for (let rounds = 0; rounds <= 12; rounds++) {
        const { contraction } = closingRates(values, rounds);
        expect(contraction).toBeLessThanOrEqual(perRound ** rounds + 1e-9);
        expect(contraction).toBeLessThanOrEqual(before + 1e-9);
        before = contraction;
      }
    }
  });

  it("stays accurate in float32: what rounding adds is far below the models", () => {
    for (const settings of [ring(16), ring(64), { kind: "chain", peers: 40 }, { kind: "star", peers: 64 }]) {
      const made = mixing(settings);
      let models = startOf(made, 7).map(Math.fround);
      const before = Math.sqrt(consensusDistance(models));
      for (const rate of closingRates(spectrum(made)).rates)
        models = exchange(made, models, rate).map(Math.fround);
      expect(Math.sqrt(consensusDistance(models))).toBeLessThan(2 * CLOSING_TOLERANCE * before);
    }
  });

  it("uses the same rates when eigenvalues differ in their last bits", () => {
    for (const settings of [
      ring(24),
      { kind: "hypercube", dimension: 5 },
      { kind: "expander", peers: 32, degree: 4 },
    ]) {
      const values = spectrumOfGraph(settings);
      const nudged = spectrumOf(
        values.eigenvalues!.map((value, i) => (i === 0 ? 1 : value + (i % 2 === 0 ? 1 : -1) * 2 ** -52)),
      );
      expect(closingRates(nudged).rates).toEqual(closingRates(values).rates);
    }
  });

  it("takes no more than MAX_CLOSING_ROUNDS, and then says what is left", () => {
    const values = spectrumOfGraph({ kind: "chain", peers: 200 });
    const { rates, contraction } = closingRates(values);
    expect(rates).toHaveLength(MAX_CLOSING_ROUNDS);
    expect(contraction).toBeGreaterThan(CLOSING_TOLERANCE);
    expect(contraction).toBeLessThan(0.1);
    for (const rounds of [MAX_CLOSING_ROUNDS + 1, -1, 1.5, Number.NaN]) {
      expectError(() => closingRates(values, rounds), InvalidExperiment, { code: "closing-rounds" });
    }
  });
});

describe("the user's weights", () => {
  const triangle = createSimpleGraph(3, [
    [0, 1],
    [0, 2],
    [1, 2],
  ]);
  const path = createSimpleGraph(3, [
    [0, 1],
    [1, 2],
  ]);

  it("that are Metropolis weights give the same mixing", () => {
    fc.assert(
      fc.property(everyKind, (settings) => {
        const made = createGraph(settings);
        const expected = metropolisMixing(made);
        const rows = Array.from({ length: made.peers }, (_, i) =>
          Array.from(denseWeights(expected).subarray(i * made.peers, (i + 1) * made.peers)),
        );
        expect(weightedMixing(made, rows)).toEqual(expected);
      }),
    );
  });

  it("may be rounded: symmetry and row sums are made exact", () => {
    const mixing = weightedMixing(triangle, [
      [0.333333, 0.333333, 0.333334],
      [0.333334, 0.333333, 0.333333],
      [0.333333, 0.333333, 0.333333],
    ]);
    expect(denseWeights(mixing)[1]).toBe(denseWeights(mixing)[3]);
    expect(denseWeights(mixing)[1]).toBeCloseTo(0.3333335, 12);
    for (const i of [0, 1, 2])
      expect(total(denseWeights(mixing).subarray(3 * i, 3 * i + 3))).toBeCloseTo(1, 15);
  });

  it("may be negative for a peer itself, as long as the gap is positive", () => {
    const made = weightedMixing(triangle, [
      [-0.2, 0.6, 0.6],
      [0.6, -0.2, 0.6],
      [0.6, 0.6, -0.2],
    ]);
    expect(spectralGap(spectrum(made))).toBeCloseTo(0.2, 12);
  });

  it.each<[string, Graph, number[][], Expected]>(
    // biome-ignore format: one case a line
    [
    ["a row that sums to less", path, [[0.5, 0.5, 0], [0.5, 0.07, 0.4], [0, 0.4, 0.6]], { code: "weights-row-sum", field: "weights[1]", peer: 1 }],
    ["asymmetry", path, [[0.5, 0.5, 0], [0.4, 0.2, 0.4], [0, 0.4, 0.6]], { code: "weights-asymmetric", field: "weights[0][1]", peer: 0, neighbour: 1 }],
    ["weight off the edges", path, [[0.5, 0.4, 0.1], [0.4, 0.2, 0.4], [0.1, 0.4, 0.5]], { code: "weight-without-edge", field: "weights[0][2]", peer: 0, neighbour: 2 }],
    ["an edge without weight", path, [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]], { code: "weight-not-positive", field: "weights[1][2]", peer: 1, neighbour: 2 }],
    ["a negative edge", triangle, [[0.7, 0.4, -0.1], [0.4, 0.2, 0.4], [-0.1, 0.4, 0.7]], { code: "weight-not-positive", field: "weights[0][2]", peer: 0, neighbour: 2 }],
    ["numbers that are not finite", path, [[0.5, Number.NaN, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], { code: "weight-not-finite", field: "weights[0][1]", peer: 0, neighbour: 1 }],
    ["a short row", path, [[0.5, 0.5], [0.5, 0, 0.5], [0, 0.5, 0.5]], { code: "weights-row-length", field: "weights[0]", peer: 0 }],
    ["missing rows", path, [[0.5, 0.5, 0]], { code: "weights-row-count", field: "weights" }],
    ["a swap for ever", createSimpleGraph(2, [[0, 1]]), [[0, 1], [1, 0]], { code: "weights-do-not-mix", field: "weights" }],
    ["hardly any exchange", createSimpleGraph(2, [[0, 1]]), [[1, 1e-12], [1e-12, 1]], { code: "weights-do-not-mix", field: "weights" }],
  ],
  )("are refused for %s", (_, made, weights, expected) => {
    expectError(() => weightedMixing(made, weights), InvalidTopology, expected);
  });

  it("are refused with what to add to a row that sums to less, and with which eigenvalue keeps peers apart", () => {
    const short = [
      [0.5, 0.5, 0],
      [0.5, 0.07, 0.4],
      [0, 0.4, 0.6],
    ];
    expect(expectError(() => weightedMixing(path, short), InvalidTopology).message).toContain(
      "add 0.03 to weight 1–1",
    );
    const swap = [
      [0, 1],
      [1, 0],
    ];
    const pair = createSimpleGraph(2, [[0, 1]]);
    expect(expectError(() => weightedMixing(pair, swap), InvalidTopology).message).toContain(
      "smallest eigenvalue is -1",
    );
  });

  it("may be off by WEIGHT_TOLERANCE and no more", () => {
    const weights = (off: number) => [
      [0.5 + off, 0.5],
      [0.5, 0.5],
    ];
    const pair = createSimpleGraph(2, [[0, 1]]);
    expect(denseWeights(weightedMixing(pair, weights(0.9 * WEIGHT_TOLERANCE)))).toEqual(
      new Float64Array([0.5, 0.5, 0.5, 0.5]),
    );
    expectError(() => weightedMixing(pair, weights(1.1 * WEIGHT_TOLERANCE)), InvalidTopology, {
      code: "weights-row-sum",
      field: "weights[0]",
    });
  });
});

describe("a graph in parts", () => {
  it("is refused with the peers that are cut off", () => {
    const edges: Edge[] = [
      [0, 1],
      [1, 2],
      [3, 4],
    ];
    const split = createSimpleGraph(6, edges);
    for (const act of [() => metropolisMixing(split), () => weightedMixing(split, [])]) {
      const { message } = expectError(act, InvalidTopology, { code: "disconnected" });
      expect(message).toContain("[0, 1, 2] to [3, 4], [5]");
    }
  });

  it("is refused in one line, however many there are", () => {
    const act = () => metropolisMixing(createSimpleGraph(1000, []));
    expect(expectError(act, InvalidTopology, { code: "disconnected" }).message.length).toBeLessThan(200);
  });
});
