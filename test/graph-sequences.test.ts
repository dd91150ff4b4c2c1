// Graphs that change from round to round: what every W(t) is, how fast they bring peers together, and real runs on them.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { InvalidExperiment, InvalidTopology } from "../src/foundation/errors.js";
import { closingOf } from "../src/graphs/closing-rates.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import { receivedTopology, sentTopology } from "../src/graphs/sent-topology.js";
import { sequenceContraction } from "../src/graphs/sequence-mixing.js";
import { describeTopology, parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { graphFingerprint } from "../src/runs/plan.js";
import { type SimulationRound, simulate } from "../src/runs/simulate.js";
import { createLayout } from "../src/vectors/layout.js";
import { expectError, expectRejection } from "./support/errors.js";
import { createGossip, largestDifference } from "./support/gossip.js";

const topologyOf = (graph: object, more: object = {}) => parseTopology({ graph, ...more }, "test");
const graphOf = (settings: object) => createGraph(graphSettings.parse(settings));

/** W(t) by rows, from what the peers of a topology have. */
function matrixOf(graph: object, t: number): number[][] {
  const { mixing } = topologyOf(graph);
  return Array.from({ length: mixing.peers }, (_, peer) => {
    const row = new Array<number>(mixing.peers).fill(0);
    let kept = 1;
    for (const { peer: other, weight, direction } of mixing.sequence!.neighbours(peer, t)) {
      if (direction !== "out") row[other] = weight;
      if (mixing.isDirected ? direction !== "in" : true) kept -= weight;
    }
    row[peer] = kept;
    return row;
  });
}

const times = (a: number[][], b: number[][]) =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, x, k) => sum + x * b[k]![j]!, 0)));

/** The largest entry of W(τ − 1) ⋯ W(0) − J. */
function leftOf(graph: object): number {
  const { period } = graphOf(graph).sequence!;
  let product = matrixOf(graph, 0);
  for (let t = 1; t < period!; t++) product = times(matrixOf(graph, t), product);
  return Math.max(...product.flat().map((x) => Math.abs(x - 1 / product.length)));
}

const peers = fc.integer({ min: 1, max: 24 });
const seed = fc.nat(1e6);
const sequences = fc.oneof(
  fc.record({ kind: fc.constant("one-peer-exponential"), peers }),
  fc.record({
    kind: fc.constant("one-peer-exponential"),
    peers: fc.constantFrom(1, 2, 4, 8, 16),
    directed: fc.constant(true),
  }),
  fc.record({ kind: fc.constant("base-graph"), peers, degree: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant("random-matchings"), peers, seed }),
  fc.record({ kind: fc.constant("equitopo"), peers, shifts: fc.integer({ min: 4, max: 6 }), seed }),
);

describe("every W(t)", () => {
  it("is doubly stochastic without negative numbers, symmetric where edges work both ways, on edges of the union", () => {
    fc.assert(
      fc.property(sequences, fc.nat(40), (graph, t) => {
        const matrix = matrixOf(graph, t);
        const { isDirected, edges } = graphOf(graph);
        const codes = new Set(edges.map(([a, b]) => a * 1024 + b));
        for (const [i, row] of matrix.entries()) {
          expect(row.reduce((sum, x) => sum + x, 0)).toBeCloseTo(1, 12);
          expect(matrix.reduce((sum, other) => sum + other[i]!, 0)).toBeCloseTo(1, 12);
          for (const [j, weight] of row.entries()) {
            expect(weight).toBeGreaterThanOrEqual(-1e-12);
            if (!isDirected) expect(weight).toBe(matrix[j]![i]);
            if (i === j || weight === 0) continue;
            expect(codes.has(isDirected ? j * 1024 + i : Math.min(i, j) * 1024 + Math.max(i, j))).toBe(true);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("has as few neighbours a round as its kind states", () => {
    const most = (graph: object) => describeTopology(topologyOf(graph)).sequence!.mostNeighbours;
    for (let n = 2; n <= 24; n++) {
      expect(most({ kind: "one-peer-exponential", peers: n })).toBe(1);
      expect(most({ kind: "random-matchings", peers: n })).toBe(1);
      expect(most({ kind: "equitopo", peers: n, shifts: 5 })).toBe(1);
      for (const degree of [1, 2, 3]) {
        expect(most({ kind: "base-graph", peers: n, degree })).toBeLessThanOrEqual(degree);
      }
    }
  });
});

describe("one period is the exact average", () => {
  it("on the base graph, of any number of peers, in at most 2 log_{k+1} n + 2 rounds", () => {
    for (const degree of [1, 2, 3, 4]) {
      for (let n = 1; n <= 40; n++) {
        const graph = { kind: "base-graph", peers: n, degree };
        expect(leftOf(graph)).toBeLessThan(1e-12);
        const { mixing } = topologyOf(graph);
        expect(mixing.sequence!.isExact).toBe(true);
        expect(mixing.sequence!.period).toBeLessThanOrEqual((2 * Math.log(n)) / Math.log(degree + 1) + 2);
      }
    }
    // Of five peers, as in the paper's figure.
    expect(graphOf({ kind: "base-graph", peers: 5 }).sequence!.period).toBe(5);
  });

  it("on the one-peer exponential graph, of a power of two and of no other number of peers", () => {
    for (let n = 1; n <= 40; n++) {
      const isPower = Number.isInteger(Math.log2(n));
      for (const directed of isPower ? [false, true] : [false]) {
        const graph = { kind: "one-peer-exponential", peers: n, ...(directed && { directed }) };
        expect(leftOf(graph) < 1e-12).toBe(isPower);
        expect(topologyOf(graph).mixing.sequence!.isExact).toBe(isPower);
      }
    }
  });
});

describe("what a round leaves", () => {
  it("of random matchings is √(½(1 − 1/(n − 1))) in the mean", () => {
    for (const n of [4, 8, 16]) {
      const expected = Math.sqrt((1 - 1 / (n - 1)) / 2);
      const measured = sequenceContraction(graphOf({ kind: "random-matchings", peers: n }));
      expect(measured / expected).toBeGreaterThan(0.98);
      expect(measured / expected).toBeLessThan(1.03);
    }
  });

  it("of EquiTopo hardly depends on the number of peers, where that of a ring tends to 1", () => {
    const left = [32, 128].map((n) =>
      sequenceContraction(graphOf({ kind: "equitopo", peers: n, shifts: n / 2 })),
    );
    for (const share of left) expect(share).toBeLessThan(0.8);
    expect(describeTopology(topologyOf({ kind: "ring", peers: 128 })).secondEigenvalue).toBeGreaterThan(
      0.999,
    );
  });

  it("of an exact sequence is 0 after a period, and the description says so", () => {
    const described = describeTopology(topologyOf({ kind: "base-graph", peers: 25 }));
    expect(described).toMatchObject({
      secondEigenvalue: 0,
      optimalConsensusRate: 1,
      roundsAtOne: 9,
      closingRounds: 9,
      closingContraction: 0,
      sequence: { period: 9, isExact: true, mostNeighbours: 1 },
    });
    // 25 = 16 + 8 + 1, and two peers with a weight of 8/9 have the eigenvalue 1 − 16/9.
    expect(described.maximumConsensusRate).toBeCloseTo(2 / (16 / 9), 10);
  });

  it("of a period that is not exact bounds it: the 2-norm of the product", () => {
    const graph = { kind: "one-peer-exponential", peers: 6 };
    const contraction = sequenceContraction(graphOf(graph));
    // The largest entry of a matrix is no more than its norm.
    expect(contraction ** 3).toBeGreaterThanOrEqual(leftOf(graph));
    expect(contraction).toBeLessThan(1);
  });
});

const digits = { trainer: { kind: "layers" }, model: { kind: "softmax" }, data: "digits" };
const quadratic = { trainer: { kind: "quadratic", dimension: [40, 3], noise: 0.1 }, rounds: 12 };

async function run(graph: object, settings: object) {
  const simulation = await simulate(topologyOf(graph), parseExperiment({ ...quadratic, ...settings }));
  const rounds: SimulationRound[] = [];
  for await (const round of simulation.run()) rounds.push(round);
  simulation.dispose();
  return rounds;
}

const exact = [
  { kind: "one-peer-exponential", peers: 8 },
  { kind: "base-graph", peers: 6 },
];

describe("a run", () => {
  it.each(exact)("closes in one period, with one model everywhere: %j", async (graph) => {
    const { period } = graphOf(graph).sequence!;
    const rounds = await run(graph, { algorithm: "dpsgd" });
    const closing = rounds.filter(({ kind }) => kind === "closing");
    expect(closing).toHaveLength(period!);
    const before = rounds.findLast(({ kind }) => kind === "learning")!;
    expect(rounds.at(-1)!.consensusDistance).toBeLessThan(1e-9 * before.consensusDistance + 1e-10);
    expect(rounds.at(-1)!.meanModelNorm).toBeCloseTo(before.meanModelNorm, 4);
  });

  it("closes over all edges where no period is exact", async () => {
    for (const graph of [
      { kind: "random-matchings", peers: 6 },
      { kind: "equitopo", peers: 7, shifts: 3 },
    ]) {
      const rounds = await run(graph, { algorithm: "deepsqueeze", compressor: "sign" });
      const { rates } = closingOf(topologyOf(graph).mixing);
      expect(rounds.filter(({ kind }) => kind === "closing")).toHaveLength(rates.length);
      expect(rounds.at(-1)!.consensusDistance).toBeLessThan(1e-9);
    }
  });

  it("sends to one peer a round, along edges of that round alone", async () => {
    const rounds = await run({ kind: "one-peer-exponential", peers: 8 }, { algorithm: "dpsgd", rounds: 3 });
    const sent = rounds[2]!.reports[0]!.traffic;
    expect(sent.map(({ neighbour, messagesSent }) => [neighbour, messagesSent])).toEqual([
      [1, 1],
      [2, 1],
      [4, 1],
    ]);
  });

  it.each([
    [{ kind: "base-graph", peers: 7 }, "dpsgd"],
    [{ kind: "one-peer-exponential", peers: 8 }, "dpsgd"],
    [{ kind: "one-peer-exponential", peers: 8, directed: true }, "push-sum"],
  ] as const)("without learning, leaves the mean after a period and not before: %j", async (graph, name) => {
    const { mixing } = topologyOf(graph);
    const gossip = createGossip({
      ...{ mixing, layout: createLayout([{ name: "numbers", shape: [50] }]), rate: 1, rounds: 12 },
      ...{ algorithm: algorithms[name], compressor: { kind: "identity" } },
    });
    const period = mixing.sequence!.period!;
    const left: number[] = [];
    for (let t = 0; t < period; t++) {
      await gossip.round();
      const points = gossip.peers.map(({ point }) => Float64Array.from(point));
      const mean = points[0]!.map(
        (_, k) => points.reduce((sum, point) => sum + point[k]!, 0) / points.length,
      );
      left.push(Math.max(...points.map((point) => largestDifference(point, mean))));
    }
    expect(left[period - 1]).toBeLessThan(1e-6);
    for (const before of left.slice(0, -1)) expect(before).toBeGreaterThan(0.1);
  });

  it.each([
    ["one-peer-exponential", "edge-choco"],
    ["base-graph", "dpsgd"],
  ])("learns digits on a %s with %s as well as on a ring", async (kind, algorithm) => {
    const settings = {
      ...digits,
      ...{ algorithm, compressor: "sign", rounds: 150, learningRate: 0.5, evaluateEvery: 0 },
    };
    const accuracy = async (graph: object) => {
      const rounds = await run(graph, settings);
      return Math.min(...rounds.at(-1)!.reports.map(({ evaluation }) => evaluation!.accuracy!));
    };
    const [changing, ring] = [await accuracy({ kind, peers: 8 }), await accuracy({ kind: "ring", peers: 8 })];
    expect(changing).toBeGreaterThan(0.85);
    expect(changing).toBeGreaterThan(ring - 0.02);
  });
});

describe("what does not go together is refused by name", () => {
  it.each([
    [{ algorithm: "choco" }, "algorithm-needs-static-weights"],
    [{ algorithm: "dpsgd", mixing: "trimmed" }, "too-few-neighbours"],
  ])("%j", async (settings, code) => {
    await expectRejection(run({ kind: "one-peer-exponential", peers: 8 }, settings), InvalidExperiment, {
      code,
    });
  });

  it("weights of one's own, and a directed graph whose edges would turn around", () => {
    const graph = { kind: "one-peer-exponential", peers: 2 };
    const weights = [
      [0.5, 0.5],
      [0.5, 0.5],
    ];
    expectError(() => topologyOf(graph, { weights }), InvalidTopology, {
      code: "weights-on-graph-sequence",
    });
    expectError(() => topologyOf({ ...graph, peers: 6, directed: true }), InvalidTopology, {
      code: "invalid-setting",
      field: "graph.peers",
    });
  });
});

describe("the fingerprint", () => {
  it("has the rounds: two seeds of one union differ, and equal settings do not", () => {
    const of = (seed: number) =>
      graphFingerprint(topologyOf({ kind: "random-matchings", peers: 6, seed }).mixing);
    expect(of(1)).toEqual(of(1));
    expect(of(2).topology).toBe(of(1).topology);
    expect(of(2).graphSequence).not.toBe(of(1).graphSequence);
  });
});

describe("a topology in messages to other processes and threads", () => {
  const kinds = ["one-peer-exponential", "base-graph", "random-matchings", "ring"];

  it.each(kinds)("%s has the same edges in every round, and its peers' addresses", (kind) => {
    const peers = Array.from({ length: 8 }, (_, id) => ({ id, listen: [`/ip4/127.0.0.1/tcp/${4100 + id}`] }));
    const topology = parseTopology({ graph: { kind, peers: 8 }, peers }, "test");
    const received = receivedTopology(structuredClone(sentTopology(topology)));
    expect(received.peers).toEqual(topology.peers);
    expect(received.mixing.neighbours).toEqual(topology.mixing.neighbours);
    for (let round = 0; round < 12; round++) {
      for (const { id } of topology.peers) {
        const [there, here] = [received, topology].map(({ mixing }) =>
          mixing.sequence?.neighbours(id, round),
        );
        expect(there).toEqual(here);
      }
    }
  });
});
