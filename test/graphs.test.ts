import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidTopology } from "../src/foundation/errors.js";
import { random } from "../src/foundation/random.js";
import { gapLimit, ramanujanGap } from "../src/graphs/expander.js";
import {
  components,
  createSimpleGraph,
  degrees,
  type Edge,
  type Graph,
  isConnected,
  MAX_EDGES,
  MAX_PEERS,
  neighbours,
} from "../src/graphs/graph.js";
import { createGraph, type GraphSettings, graphSettings } from "../src/graphs/index.js";
import { spectralGap, spectrum } from "../src/graphs/spectrum.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { type Expected, expectError } from "./support/errors.js";

const seed = fc.nat(1e6);
const peers = fc.integer({ min: 1, max: 40 });
const side = fc.integer({ min: 2, max: 7 });

/** A connected edge list: a random tree and more edges, some of them twice. */
const edgeLists = fc
  .array(fc.nat(1e6), { minLength: 1, maxLength: 20 })
  .chain((parents) =>
    fc.record({
      tree: fc.constant(parents.map((parent, i): [number, number] => [i + 1, parent % (i + 1)])),
      more: fc.array(fc.tuple(fc.nat(parents.length), fc.nat(parents.length))),
    }),
  )
  .map(({ tree, more }) => ({
    kind: "edges" as const,
    edges: [...tree, ...more.filter(([a, b]) => a !== b)] as [number, number][],
  }));

/** Settings of every kind, and the degrees that the kind promises (lowest, highest). */
const kinds: {
  [Kind in GraphSettings["kind"]]: [fc.Arbitrary<GraphSettings>, ((s: never) => [number, number])?];
} = {
  ring: [
    fc.record({ kind: fc.constant("ring"), peers }),
    (s: { peers: number }) => [Math.min(2, s.peers - 1), Math.min(2, s.peers - 1)],
  ],
  torus: [
    fc.record({ kind: fc.constant("torus"), rows: side, columns: side }),
    (s: { rows: number; columns: number }) => {
      const degree = Math.min(2, s.rows - 1) + Math.min(2, s.columns - 1);
      return [degree, degree];
    },
  ],
  hypercube: [
    fc.record({ kind: fc.constant("hypercube"), dimension: fc.nat(6) }),
    (s: { dimension: number }) => [s.dimension, s.dimension],
  ],
  margulis: [fc.record({ kind: fc.constant("margulis"), side }), () => [1, 8]],
  exponential: [
    fc.record({ kind: fc.constant("exponential"), peers }),
    ({ peers: n }: { peers: number }) => {
      const degree = exponentialOffsets(n).length;
      return [degree, degree];
    },
  ],
  complete: [
    fc.record({ kind: fc.constant("complete"), peers }),
    (s: { peers: number }) => [s.peers - 1, s.peers - 1],
  ],
  star: [
    fc.record({ kind: fc.constant("star"), peers }),
    (s: { peers: number }) => [Math.min(1, s.peers - 1), s.peers - 1],
  ],
  chain: [
    fc.record({ kind: fc.constant("chain"), peers }),
    (s: { peers: number }) => [Math.min(1, s.peers - 1), Math.min(2, s.peers - 1)],
  ],
  "random-regular": [
    fc.record({
      kind: fc.constant("random-regular"),
      peers: fc.integer({ min: 4, max: 20 }).map((half) => 2 * half),
      degree: fc.integer({ min: 3, max: 7 }),
      seed,
    }),
    (s: { degree: number }) => [s.degree, s.degree],
  ],
  expander: [
    fc.record({
      kind: fc.constant("expander"),
      peers: fc.integer({ min: 4, max: 16 }).map((half) => 2 * half),
      degree: fc.integer({ min: 3, max: 7 }),
      seed,
    }),
    (s: { degree: number }) => [s.degree, s.degree],
  ],
  "erdos-renyi": [
    fc.record({
      kind: fc.constant("erdos-renyi"),
      peers: fc.integer({ min: 2, max: 30 }),
      probability: fc.double({ min: 0.5, max: 1, noNaN: true }),
      seed,
    }),
  ],
  edges: [edgeLists],
  "one-peer-exponential": [
    fc.record({ kind: fc.constant("one-peer-exponential"), peers }),
    (s: { peers: number }) => [Math.min(1, s.peers - 1), Math.ceil(Math.log2(s.peers))],
  ],
  "base-graph": [
    fc.record({ kind: fc.constant("base-graph"), peers, degree: fc.integer({ min: 1, max: 4 }) }),
  ],
  "random-matchings": [
    fc.record({ kind: fc.constant("random-matchings"), peers, seed }),
    (s: { peers: number }) => [s.peers - 1, s.peers - 1],
  ],
  equitopo: [
    fc.record({ kind: fc.constant("equitopo"), peers, shifts: fc.integer({ min: 3, max: 8 }), seed }),
    (s: { peers: number; shifts: number }) => [Math.min(1, s.peers - 1), 2 * s.shifts],
  ],
};

/** The differences ±2^k modulo n that are not 0. */
function exponentialOffsets(n: number): number[] {
  const offsets = new Set<number>();
  for (let power = 1; power < n; power *= 2) offsets.add(power).add(n - power);
  return [...offsets];
}

describe.each(Object.entries(kinds))("%s", (_, [settings, promised]) => {
  it("is simple, in range, in order, connected, of the promised degree, and the same every time", () => {
    fc.assert(
      fc.property(settings, (given) => {
        const parsed = graphSettings.parse(given);
        const graph = createGraph(parsed);
        const codes = graph.edges.map(([a, b]) => {
          expect(Number.isInteger(a) && Number.isInteger(b)).toBe(true);
          expect(a).toBeGreaterThanOrEqual(0);
          expect(b).toBeGreaterThan(a);
          expect(graph.peers).toBeGreaterThan(b);
          return a * graph.peers + b;
        });
        expect(codes).toEqual([...new Set(codes)].sort((a, b) => a - b));
        expect(isConnected(graph)).toBe(true);
        if (promised) {
          const [lowest, highest] = promised(parsed as never);
          expect(Math.min(...degrees(graph))).toBeGreaterThanOrEqual(lowest);
          expect(Math.max(...degrees(graph))).toBeLessThanOrEqual(highest);
        }
        const { sequence, ...again } = createGraph(parsed);
        const { sequence: first, ...fixed } = graph;
        expect(again).toEqual(fixed);
        for (let t = 0; t < 5; t++) expect(sequence?.round(t)).toEqual(first?.round(t));
      }),
      { numRuns: 60 },
    );
  });

  it("has neighbours that are mutual, ascending and as many as the degree", () => {
    fc.assert(
      fc.property(settings, (given) => {
        const graph = createGraph(graphSettings.parse(given));
        const lists = neighbours(graph);
        expect(lists.map((list) => list.length)).toEqual(degrees(graph));
        for (const [i, list] of lists.entries()) {
          expect(list).toEqual([...list].sort((a, b) => a - b));
          for (const j of list) expect(lists[j]).toContain(i);
        }
      }),
      { numRuns: 30 },
    );
  });
});

const graph = (settings: object): Graph => createGraph(graphSettings.parse(settings));
const gap = (settings: object) => spectralGap(spectrum(metropolisMixing(graph(settings))));

describe("the edges of", () => {
  it.each<[object, Edge[]]>(
    // biome-ignore format: one case a line
    [
    [{ kind: "ring", peers: 1 }, []],
    [{ kind: "ring", peers: 2 }, [[0, 1]]],
    [{ kind: "chain", peers: 3 }, [[0, 1], [1, 2]]],
    [{ kind: "star", peers: 3 }, [[0, 1], [0, 2]]],
    [{ kind: "torus", rows: 2, columns: 2 }, [[0, 1], [0, 2], [1, 3], [2, 3]]],
    [{ kind: "hypercube", dimension: 2 }, [[0, 1], [0, 2], [1, 3], [2, 3]]],
    [{ kind: "exponential", peers: 4 }, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]],
    [{ kind: "edges", edges: [[2, 0], [0, 2], [1, 2]] }, [[0, 2], [1, 2]]],
  ],
  )("%j", (settings, edges) => {
    expect(graph(settings).edges).toEqual(edges);
  });

  it("exponential(16) join every pair whose difference is a power of two", () => {
    expect(neighbours(graph({ kind: "exponential", peers: 16 }))[0]).toEqual([1, 2, 4, 8, 12, 14, 15]);
  });

  it("another seed are another graph", () => {
    for (const kind of ["random-regular", "expander"]) {
      const [one, two] = [1, 2].map((seed) => graph({ kind, peers: 16, degree: 4, seed }));
      expect(one).not.toEqual(two);
    }
    const [one, two] = [1, 2].map((seed) =>
      graph({ kind: "erdos-renyi", peers: 16, probability: 0.5, seed }),
    );
    expect(one).not.toEqual(two);
  });

  it("Erdős–Rényi are the first connected one of their draws, pair by pair", () => {
    const settings = fc.record({
      peers: fc.integer({ min: 1, max: 24 }),
      share: fc.double({ min: 0.15, max: 1, noNaN: true }),
      seed,
    });
    fc.assert(
      fc.property(settings, ({ peers, share, seed }) => {
        const drawn = (sample: number) => {
          const stream = random(seed, "erdos-renyi", sample);
          let draw = 0;
          const pairs: Edge[] = [];
          for (let a = 0; a < peers; a++) {
            for (let b = a + 1; b < peers; b++) if (stream.uniform(draw++) < share) pairs.push([a, b]);
          }
          return createSimpleGraph(peers, pairs);
        };
        const first = Array.from({ length: 100 }, (_, sample) => sample).find((sample) =>
          isConnected(drawn(sample)),
        );
        fc.pre(first !== undefined);
        expect(graph({ kind: "erdos-renyi", peers, probability: share, seed })).toEqual(drawn(first!));
      }),
    );
  });

  it("random-regular reach far from the circulant graph they start from", () => {
    const near = (settings: object) =>
      graph(settings).edges.filter(([a, b]) => Math.min(b - a, 64 - b + a) <= 2).length;
    // A uniformly random 4-regular graph of 64 peers has 128 · 4/63 ≈ 8 edges between peers that close.
    expect(near({ kind: "random-regular", peers: 64, degree: 4, seed: 1 })).toBeLessThan(25);
  });
});

describe("the expander", () => {
  it("reaches the Ramanujan gap of its degree by default", () => {
    fc.assert(
      fc.property(fc.constantFrom(3, 4, 6), fc.constantFrom(16, 32, 64), seed, (degree, peers, seed) => {
        expect(gap({ kind: "expander", degree, peers, seed })).toBeGreaterThanOrEqual(
          ramanujanGap(degree) - 1e-9,
        );
      }),
      { numRuns: 12 },
    );
  });

  it("reaches a gap that is asked for, and says so when it cannot", () => {
    const asked = { kind: "expander", peers: 16, degree: 4, seed: 3 };
    expect(gap({ ...asked, minimumGap: 0.28 })).toBeGreaterThanOrEqual(0.28);
    const refused = (settings: object, code: string) =>
      expectError(() => graph(settings), InvalidTopology, { code, field: "minimumGap" });
    expect(gapLimit(16, 4)).toBeGreaterThan(0.45);
    refused({ ...asked, minimumGap: 0.45 }, "expander-gap");
    // No graph is drawn: a hundred of this size take minutes.
    refused({ ...asked, peers: MAX_PEERS, degree: 62, minimumGap: 0.9 }, "expander-gap-impossible");
  });

  it("has no gap above the limit of its size and degree", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 7 }),
        fc.integer({ min: 4, max: 40 }),
        seed,
        (degree, half, seed) => {
          const peers = 2 * half;
          const reached = gap({ kind: "random-regular", degree, peers, seed });
          expect(reached).toBeLessThanOrEqual(gapLimit(peers, degree) + 1e-9);
        },
      ),
    );
    // Complete graphs reach it.
    for (const peers of [4, 7, 30]) {
      expect(gap({ kind: "complete", peers })).toBeCloseTo(gapLimit(peers, peers - 1), 9);
    }
  });
});

describe("graphs that are refused", () => {
  it.each([
    [
      { kind: "torus", rows: 1, columns: 7 },
      'is 1, which makes the torus a ring: use {"kind":"ring","peers":7}',
    ],
    [{ kind: "torus", rows: 13, columns: 1 }, 'use {"kind":"ring","peers":13}'],
    [{ kind: "torus", rows: 129, columns: 128 }, "is a torus of 16512 peers, and there may be 16384"],
    [{ kind: "expander", peers: 5, degree: 3 }, "no graph of 5 peers has that odd degree"],
    [{ kind: "expander", peers: 9, degree: 2 }, 'is a ring: use {"kind":"ring","peers":9}'],
    [{ kind: "random-regular", peers: 4, degree: 4 }, "4 peers have at most 3 neighbours each"],
    [{ kind: "edges", edges: [[0, 0]] }, "joins peer 0 to itself"],
    [{ kind: "edges", peers: 3, edges: [[0, 3]] }, "names peer 3, but the 3 peers are numbered 0 to 2"],
  ])("%j", (settings, message) => {
    const result = graphSettings.safeParse(settings);
    expect(result.error?.issues.map((issue) => issue.message).join()).toContain(message);
  });

  it("Erdős–Rényi that never connects, with a probability that would do", () => {
    const { message } = expectError(
      () => graph({ kind: "erdos-renyi", peers: 40, probability: 0.01 }),
      InvalidTopology,
      { code: "erdos-renyi-disconnected", field: "probability" },
    );
    expect(message).toContain("0.184 or more");
    // Draws of all pairs, a hundred times, would take minutes.
    expectError(() => graph({ kind: "erdos-renyi", peers: MAX_PEERS, probability: 1e-4 }), InvalidTopology, {
      code: "erdos-renyi-disconnected",
    });
    expect(isConnected(graph({ kind: "erdos-renyi", peers: 40, probability: 0.184 }))).toBe(true);
  });
});

describe("limits", () => {
  it("MAX_PEERS", () => {
    expect(graph({ kind: "ring", peers: MAX_PEERS }).peers).toBe(MAX_PEERS);
    expect(graphSettings.safeParse({ kind: "ring", peers: MAX_PEERS + 1 }).success).toBe(false);
    for (const peers of [MAX_PEERS + 1, 0]) {
      expectError(() => createSimpleGraph(peers, []), InvalidTopology, { code: "peer-count" });
    }
    expect(graphSettings.safeParse({ kind: "hypercube", dimension: 15 }).success).toBe(false);
    expect(graphSettings.safeParse({ kind: "margulis", side: 129 }).success).toBe(false);
  });

  it("MAX_EDGES", () => {
    const edges = new Array(MAX_EDGES + 1).fill([0, 1]);
    expect(graphSettings.safeParse({ kind: "edges", edges }).success).toBe(false);
  });
});

it("a graph that is made from edges out of range names the edge", () => {
  const cases: [Edge, Expected][] = [
    [[0, 3], { code: "edge-peer", peer: 3 }],
    [[1, 1], { code: "self-loop", peer: 1 }],
    [[0.5, 1], { code: "edge-peer", peer: 0.5 }],
  ];
  for (const [edge, expected] of cases) {
    const { message } = expectError(() => createSimpleGraph(3, [edge]), InvalidTopology, expected);
    expect(message).toContain(edge.join("–"));
  }
});

it("components are found in order", () => {
  const split = createSimpleGraph(6, [
    [5, 1],
    [3, 2],
    [1, 4],
  ]);
  expect(components(split)).toEqual([[0], [1, 4, 5], [2, 3]]);
  expect(isConnected(split)).toBe(false);
});
