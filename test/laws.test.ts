import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { compressorSettings, createCompressor } from "../src/compressors/index.js";
import type { Frame } from "../src/exchange/frame.js";
import { type EdgeSchedule, participation } from "../src/exchange/participation.js";
import { normal, random } from "../src/foundation/random.js";
import { createVirtualClock } from "../src/foundation/virtual-clock.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import { parseTopology } from "../src/graphs/topology.js";
import { metropolisMixing, pushMixing } from "../src/graphs/weights.js";
import { parseNetwork } from "../src/transports/simulated/settings.js";
import { createLayout } from "../src/vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../src/vectors/vector.js";
import { createGossip, everyCompressor, largestDifference } from "./support/gossip.js";
import { overNetwork } from "./support/simulated.js";

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

/** Pairs of peers that send to each other only through a third. */
const directedGraphs = [
  { kind: "ring", peers: 5, directed: true },
  { kind: "exponential", peers: 7, directed: true },
].map((settings) => ({
  name: `directed ${settings.kind}`,
  mixing: pushMixing(createGraph(graphSettings.parse(settings))),
}));

/** Graphs whose edges and weights change from round to round. */
const sequenceOf = (settings: object) => ({
  name: JSON.stringify(settings),
  mixing: parseTopology({ graph: settings }, "test").mixing,
});
const sequences = [
  { kind: "one-peer-exponential", peers: 6 },
  { kind: "base-graph", peers: 7, degree: 2 },
  { kind: "random-matchings", peers: 5 },
  { kind: "equitopo", peers: 8, shifts: 3 },
].map(sequenceOf);
const directedSequences = [sequenceOf({ kind: "one-peer-exponential", peers: 8, directed: true })];

const everyAlgorithm = Object.values<AlgorithmKind>(algorithms).filter(({ movesMean }) => !movesMean);
const graphsOf = ({ needs }: AlgorithmKind) => [
  ...graphs.filter(({ name }) => needs.graph !== "complete" || name === "complete"),
  ...(needs.everyEdge ? [] : sequences),
  ...(needs.graph === "directed" ? [...directedGraphs, ...directedSequences] : []),
];

/**
 * float32 rounding of a sum of a few hundred numbers, per unit of the largest number that travels. What travels
 * is at most the model and its residual.
 */
const ROUNDING = 2e-6;

/** Seeded local updates, and what they add up to. */
function updatesOf(seed: number, peers: number) {
  const draws = random(seed, "updates");
  const update = (peer: number, k: number, round: number) =>
    Math.fround(0.1 * normal(draws, (round * peers + peer) * layout.length + k));
  const total = (rounds: number) =>
    Float64Array.from({ length: layout.length }, (_, k) => {
      let sum = 0;
      for (let round = 0; round < rounds; round++) {
        for (let peer = 0; peer < peers; peer++) sum += update(peer, k, round) / peers;
      }
      return sum;
    });
  return { update, total };
}

const plus = (a: Float64Array, b: Float64Array) => a.map((x, k) => x + b[k]!);

/** Links whose frames are late and overtake those of other links, whose connections break, and peers that are slow. */
const unsteady = (seed: number) =>
  parseNetwork({
    ...{ latencyMs: 1, jitterMs: 6, connectionLoss: 0.05, redialMs: 3, computeMs: 1, maxViolations: 1e6 },
    slow: { peers: [0, 2], factor: 8 },
    seed,
  });

/** A peer that sends every fifth frame, or the one before it, a second time. */
function repeat(seed: number) {
  const draws = random(seed, "repeat");
  let draw = 0;
  const before = new Map<string, Frame>();
  return (from: number, to: number, frame: Frame): Frame | Frame[] => {
    const lane = `${from} ${to}`;
    const last = before.get(lane) ?? frame;
    before.set(lane, { ...frame, payload: frame.payload.slice() });
    const which = draws.uniform(draw++);
    return which < 0.1 ? [frame, frame] : which < 0.2 ? [last, frame] : frame;
  };
}

describe("the mean moves only by the local updates", () => {
  for (const algorithm of everyAlgorithm) {
    const some = fc.double({ min: 0.3, max: 1, noNaN: true });
    const ofPeers = some.map((peers) => ({ peers }));
    const share = algorithm.needs.everyEdge ? fc.constant(1) : fc.oneof(some, ofPeers);
    const every = graphsOf(algorithm);
    const arguments_ = [
      fc.constantFrom(...every),
      fc.constantFrom(...everyCompressor),
      fc.double({ min: 0, max: 0.5, noNaN: true }),
      share,
      fc.integer(),
    ] as const;
    const [, ...rest] = arguments_;

    it(`with ${algorithm.name}, on every graph, with every compressor, whatever edges are skipped`, async () => {
      await fc.assert(
        fc.asyncProperty(...arguments_, async ({ mixing }, compressor, rate, working, seed) => {
          const { update, total } = updatesOf(seed, mixing.peers);
          const options = { mixing, layout, algorithm, compressor, seed, update, rounds: 6 };
          const gossip = createGossip({ ...options, rate, edges: participation(seed, working) });
          const start = gossip.mean();
          let largest = 1;
          while (await gossip.round()) largest = Math.max(largest, gossip.largest());
          const expected = plus(start, total(6));
          expect(largestDifference(gossip.mean(), expected)).toBeLessThanOrEqual(ROUNDING * largest);
        }),
        { numRuns: 60 },
      );
    });

    it(`with ${algorithm.name}, when frames are late, overtake each other, come twice and are lost with their connections`, async () => {
      await fc.assert(
        fc.asyncProperty(...arguments_, async ({ mixing }, compressor, rate, working, seed) => {
          const { update, total } = updatesOf(seed, mixing.peers);
          const clock = createVirtualClock();
          const canSkip = !algorithm.needs.everyEdge && algorithm.steps <= 1;
          const gossip = createGossip({
            ...{ mixing, layout, algorithm, compressor, seed, update, clock },
            edges: participation(seed, working),
            rounds: 6,
            // A rate that changes: a late exchange takes the rate of its own round at both ends.
            rate: (round) => rate / (1 + round),
            patience: { deadlineMs: 1e6, ...(canSkip && { patienceMs: 5 }) },
            ...overNetwork(clock, unsteady(seed), { tamper: repeat(seed) }),
          });
          const start = gossip.mean();
          const reports = await clock.run(gossip.finish());
          expect(reports.every((each) => each.length === 6)).toBe(true);
          const expected = plus(start, total(6));
          const { largest } = gossip;
          expect(largestDifference(gossip.mean(), expected)).toBeLessThanOrEqual(
            ROUNDING * 4 * largest.call(gossip),
          );
          late += reports.flat().filter(({ missed }) => missed).length;
          refused += reports.flat().filter((report) => report.refused).length;
        }),
        { numRuns: 40 },
      );
      if (algorithm.steps > 0) expect(refused).toBeGreaterThan(0);
      if (algorithm.steps > 0 && !algorithm.needs.everyEdge && algorithm.steps <= 1)
        expect(late).toBeGreaterThan(0);
    });
    let late = 0;
    let refused = 0;

    it(`with ${algorithm.name}, when every peer's run ends at any of its yields, with a valid state`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...every.filter(({ mixing }) => !mixing.sequence)),
          ...rest,
          fc.nat({ max: 3 * Math.max(1, algorithm.steps) - 1 }),
          async ({ mixing }, compressor, rate, _working, seed, yields) => {
            if (algorithm.steps === 0) return;
            const { update, total } = updatesOf(seed, mixing.peers);
            const lastRound = Math.floor(yields / algorithm.steps);
            const lastStep = yields % algorithm.steps;
            const held = new Set<number>();
            let isClosing = false;
            const gossip = createGossip({
              ...{ mixing, layout, algorithm, compressor, seed, update, rate },
              rounds: 4,
              // Every frame of that step stays away, and then the transports close.
              wrap: (transport, id) => ({
                ...transport,
                send(to, frame) {
                  if (frame.round < lastRound || frame.step < lastStep) transport.send(to, frame);
                  else held.add(id);
                  const senders = mixing.neighbours.filter((edges) =>
                    edges.some((edge) => edge.direction !== "in"),
                  );
                  if (held.size === senders.length && !isClosing) {
                    isClosing = true;
                    setImmediate(() => void gossip.close());
                  }
                },
              }),
            });
            const start = gossip.mean();
            const reports = await gossip.finish();
            expect(reports.every((each) => each.length === lastRound)).toBe(true);
            const expected = plus(start, total(lastRound + 1));
            const largest = gossip.largest();
            expect(largestDifference(gossip.mean(), expected)).toBeLessThanOrEqual(ROUNDING * 4 * largest);
            for (const { model, state } of gossip.peers) {
              for (const vector of [model, ...Object.values(state.vectors)]) {
                expect(vector.every(Number.isFinite)).toBe(true);
              }
            }
          },
        ),
        { numRuns: 40 },
      );
    });
  }
});

describe("where a momentum moves the mean", () => {
  /** Next mean of the models, from x̄ and ū. */
  type Course = () => (x: Float64Array, u: Float64Array) => Float64Array;
  const courses: Record<string, Course> = {
    noloco: () => {
      let m = new Float64Array(layout.length);
      return (x, u) => {
        m = m.map((value, k) => 0.5 * value + 0.7 * u[k]!);
        return plus(x, m);
      };
    },
    gasloc: () => {
      let before: Float64Array | undefined;
      return (x, u) => {
        const y = plus(x, u);
        const last = before ?? y;
        before = y;
        return y.map((value, k) => value + 0.5 * (value - last[k]!));
      };
    },
    motef: () => {
      let m = new Float64Array(layout.length);
      return (x, u) => {
        m = m.map((value, k) => 0.9 * value + 0.1 * u[k]!);
        return plus(x, m);
      };
    },
  };

  it.each(Object.entries(courses))(
    "nothing else does with %s, on every graph, with every compressor, whatever edges are skipped",
    async (name, course) => {
      const algorithm: AlgorithmKind = algorithms[name as keyof typeof algorithms];
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...graphsOf(algorithm)),
          fc.constantFrom(...everyCompressor),
          fc.double({ min: 0, max: 0.5, noNaN: true }),
          algorithm.needs.everyEdge ? fc.constant(1) : fc.double({ min: 0.3, max: 1, noNaN: true }),
          fc.integer(),
          async ({ mixing }, compressor, rate, working, seed) => {
            const { update, total } = updatesOf(seed, mixing.peers);
            const options = { mixing, layout, algorithm, compressor, seed, update, rounds: 6 };
            const gossip = createGossip({ ...options, rate, edges: participation(seed, working) });
            const next = course();
            let expected = gossip.mean();
            let largest = 1;
            for (let round = 0; await gossip.round(); round++) {
              largest = Math.max(largest, gossip.largest());
              const before = total(round);
              expected = next(
                expected,
                total(round + 1).map((value, k) => value - before[k]!),
              );
            }
            expect(largestDifference(gossip.mean(), expected)).toBeLessThanOrEqual(4 * ROUNDING * largest);
          },
        ),
        { numRuns: 60 },
      );
    },
  );
});

describe("DeepSqueeze", () => {
  it("sends all there is: Σ_t C(v_t) + δ_T = Σ_t h_t at every peer, with every compressor", async () => {
    for (const settings of everyCompressor) {
      const { update } = updatesOf(3, 8);
      const space = createVectorSpace(spaceBytes(12, layout.length, 1 << 20));
      const codec = createCompressor(settings, { layout, space });
      const sent = Array.from({ length: 8 }, () => space.vector(layout.length));
      const gossip = createGossip({
        ...{ mixing: ring8, layout, algorithm: algorithms.deepsqueeze, compressor: settings },
        ...{ update, rate: 0.1, rounds: 10 },
        wrap: (transport, id) => ({
          ...transport,
          send(to, frame) {
            // Once per round: the payload is the same on both edges.
            if (to === mixingNeighbour(id)) codec.addTo(sent[id]!, frame.payload, 1);
            transport.send(to, frame);
          },
        }),
      });
      const learned = sent.map(() => new Float64Array(layout.length));
      for (let round = 0; round < 10; round++) {
        for (const [peer, model] of gossip.models.entries()) {
          for (let k = 0; k < layout.length; k++) {
            learned[peer]![k]! += Math.fround(model[k]! + update(peer, k, round));
          }
        }
        await gossip.round();
      }
      for (const [peer, { state }] of gossip.peers.entries()) {
        const residual = state.vectors.residual!;
        const total = sent[peer]!.map((sum, k) => sum + residual[k]!);
        const largest = residual.reduce((most, x) => Math.max(most, Math.abs(x)), 30);
        expect(largestDifference(total, learned[peer]!)).toBeLessThanOrEqual(1e-6 * largest);
      }
    }
  });

  it("with identity is D-PSGD with W_eff = (1 − η)I + ηW, and leaves no residual", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...graphs),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer(),
        async ({ mixing }, rate, seed) => {
          const n = mixing.peers;
          const { update } = updatesOf(seed, n);
          const make = (algorithm: AlgorithmKind) =>
            createGossip({
              ...{ mixing, layout, algorithm, compressor: compressor({ kind: "identity" }) },
              ...{ seed, update, rate, rounds: 5 },
            });
          const squeezed = make(algorithms.deepsqueeze);
          const exact = make(algorithms.dpsgd);
          let matrix = squeezed.models.map((model) => Float64Array.from(model));
          for (let round = 0; round < 5; round++) {
            await squeezed.round();
            await exact.round();
            const learned = matrix.map((row, i) => row.map((x, k) => x + update(i, k, round)));
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

  it("with η = 0 leaves every peer to itself, bit for bit", async () => {
    for (const settings of everyCompressor) {
      const gossip = createGossip({
        ...{ mixing: ring8, layout, algorithm: algorithms.deepsqueeze, compressor: settings },
        ...{ rate: 0, rounds: 3 },
      });
      const before = gossip.models.map((model) => [...model]);
      while (await gossip.round());
      expect(gossip.models.map((model) => [...model])).toEqual(before);
    }
  });
});

/** The first neighbour of a peer of ring8. */
const mixingNeighbour = (id: number) => ring8.neighbours[id]![0]!.peer;

describe("push-sum", () => {
  it("brings every peer of a directed graph to the mean of all models, which the weights alone do not", async () => {
    for (const { mixing } of directedGraphs) {
      const options = { mixing, layout, algorithm: algorithms["push-sum"], compressor: everyCompressor[0]! };
      const gossip = createGossip({ ...options, rate: 1, rounds: 200 });
      const mean = gossip.mean();
      while (await gossip.round());
      for (const { point } of gossip.peers) expect(largestDifference(point, mean)).toBeLessThan(1e-5);
    }
  });
});

describe("pure consensus on ring-8, d = 1000 (field guide T5, T6, T11)", () => {
  const wide = createLayout([{ name: "x", shape: [1000] }]);
  const run = async (
    algorithm: AlgorithmKind,
    settings: unknown,
    rate: number,
    rounds: number,
    edges?: EdgeSchedule,
  ) => {
    const gossip = createGossip({
      ...{ mixing: ring8, layout: wide, algorithm, compressor: compressor(settings), seed: 5 },
      ...{ rate, rounds, ...(edges && { edges }) },
    });
    const initial = gossip.consensusDistance();
    const initialMean = gossip.mean();
    const tail: number[] = [];
    for (let round = 0; await gossip.round(); round++) {
      if (round >= rounds - 100) tail.push(gossip.consensusDistance());
    }
    const mean = gossip.mean();
    const norm = Math.hypot(...initialMean);
    const drift = Math.hypot(...mean.map((x, k) => x - initialMean[k]!)) / norm;
    return { ratio: tail.reduce((sum, c) => sum + c, 0) / tail.length / initial, drift };
  };
  const minmax4 = { kind: "minmax", bits: 4, rounding: "stochastic", scope: "whole" };

  it("DeepSqueeze stays at a floor that grows with η², however long it runs", async () => {
    const half = await run(algorithms.deepsqueeze, minmax4, 0.05, 1500);
    const full = await run(algorithms.deepsqueeze, minmax4, 0.1, 1500);
    const longer = await run(algorithms.deepsqueeze, minmax4, 0.1, 3000);
    expect(full.ratio / half.ratio).toBeGreaterThan(3.5);
    expect(full.ratio / half.ratio).toBeLessThan(5);
    expect(longer.ratio / full.ratio).toBeGreaterThan(0.8);
  });

  it("CHOCO has no floor: it falls to float32 rounding", async () => {
    // float64 would reach 1e-20; the models here are float32, whose rounding alone is (6e-8)².
    expect((await run(algorithms.choco, minmax4, 0.5, 1500)).ratio).toBeLessThan(1e-12);
  });

  it("error feedback diverges with an unscaled QSGD and not with the scaled one", async () => {
    const qsgd = { kind: "qsgd", levels: 4, scope: "whole" };
    const unscaled = await run(algorithms.deepsqueeze, { ...qsgd, unscaled: true }, 0.1, 200);
    expect(unscaled.ratio).toBeGreaterThan(1e12);
    expect((await run(algorithms.deepsqueeze, qsgd, 0.1, 1500)).ratio).toBeLessThan(0.1);
  });

  it("skipping an exchange at both ends costs DeepSqueeze nothing", async () => {
    const kept = await run(algorithms.deepsqueeze, minmax4, 0.1, 1500);
    const both = await run(algorithms.deepsqueeze, minmax4, 0.1, 1500, participation(9, 0.95));
    expect(both.drift).toBeLessThan(1e-5);
    expect(both.ratio / kept.ratio).toBeLessThan(1.5);
  });

  it("an outage of 20 rounds leaves DeepSqueeze and edge-choco intact; CHOCO keeps the mean but not the consensus", async () => {
    const outage: EdgeSchedule = (_a, _b, round) => round < 10 || round >= 30;
    const squeezed = await run(algorithms.deepsqueeze, minmax4, 0.1, 1500, outage);
    const without = await run(algorithms.deepsqueeze, minmax4, 0.1, 1500);
    expect(squeezed.ratio / without.ratio).toBeLessThan(1.5);
    expect(squeezed.drift).toBeLessThan(1e-5);
    const onEdges = await run(algorithms["edge-choco"], minmax4, 1, 400, outage);
    expect(onEdges.ratio).toBeLessThan(1e-10);
    expect(onEdges.drift).toBeLessThan(1e-5);
    const choco = await run(algorithms.choco, minmax4, 0.5, 1500, outage);
    // What is left is float32 rounding of 1500 rounds, the same as without an outage.
    expect(choco.drift).toBeLessThan(2 * (await run(algorithms.choco, minmax4, 0.5, 1500)).drift);
    expect(choco.drift).toBeLessThan(1e-4);
    expect(choco.ratio).toBeGreaterThan(1e-6);
  });

  it("edge-choco has no floor with one bit, a scale for 1024 numbers and η = 1, on ring and torus", async () => {
    const sign = { kind: "sign", scope: "block", block: 1024 };
    const torus = mixingOf({ kind: "torus", rows: 4, columns: 4 });
    for (const mixing of [ring8, torus]) {
      const gossip = createGossip({
        ...{ mixing, layout: wide, algorithm: algorithms["edge-choco"], compressor: compressor(sign) },
        ...{ rate: 1, rounds: 1500, seed: 5 },
      });
      const initial = gossip.consensusDistance();
      while (await gossip.round());
      expect(gossip.consensusDistance() / initial).toBeLessThan(1e-8);
    }
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
