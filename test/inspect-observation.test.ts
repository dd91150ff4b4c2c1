import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Algorithm, AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { createCompressor } from "../src/compressors/index.js";
import { normal, random } from "../src/foundation/random.js";
import { createGraph } from "../src/graphs/index.js";
import { spectrum } from "../src/graphs/spectrum.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { readRun } from "../src/inspect/read.js";
import { createObserver, OBSERVED_ROUNDS, SPARSE_LENGTH } from "../src/observing/observer.js";
import {
  createProjection,
  DEFAULT_PROJECTION_SIZE,
  projectedTensors,
  projectionError,
} from "../src/observing/projection.js";
import { createLayout } from "../src/vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../src/vectors/vector.js";
import { loggedRun } from "./support/runs.js";

describe("random projection", () => {
  const layout = createLayout([
    { name: "kernel", shape: [150, 100] },
    { name: "bias", shape: [100] },
    { name: "head", shape: [100, 50] },
  ]);
  const gaussian = (key: number) =>
    Float32Array.from({ length: layout.length }, (_, k) => normal(random(7, key), k));
  const squaredNorm = (v: Float32Array) => v.reduce((sum, x) => sum + x * x, 0);

  it("is linear, and the same for every peer of a seed", () => {
    const one = createProjection(layout, 512, 3);
    const other = createProjection(layout, 512, 3);
    const [a, b] = [gaussian(1), gaussian(2)];
    const sum = a.map((x, k) => x + b[k]!);
    const [pa, pb, ps] = [one.project(a), other.project(b), one.project(sum)];
    for (let k = 0; k < ps.length; k++) expect(ps[k]).toBeCloseTo(pa[k]! + pb[k]!, 4);
    expect(createProjection(layout, 512, 4).project(a)).not.toEqual(pa);
  });

  it("shares its cells out within its size, whole tensors exactly", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 64, max: 8192 }),
        (lengths, size) => {
          const total = lengths.reduce((sum, length) => sum + length, 0);
          const tensors = projectedTensors(
            lengths.map((length, k) => ({ name: `t${k}`, length })),
            size,
          );
          let offset = 0;
          for (const [k, tensor] of tensors.entries()) {
            expect(tensor.offset).toBe(offset);
            expect(tensor.length).toBeGreaterThan(0);
            expect(tensor.length).toBeLessThanOrEqual(lengths[k]!);
            expect(tensor.isExact).toBe(tensor.length === lengths[k]);
            offset += tensor.length;
          }
          expect(offset).toBeLessThanOrEqual(size);
          if (total <= size) expect(offset).toBe(total);
        },
      ),
    );
  });

  it("keeps a model that fits without any error", () => {
    const vector = gaussian(1);
    expect(createProjection(layout, layout.length, 1).project(vector)).toEqual(vector);
  });

  it("tells a squared distance to 5 % in 95 of 100 seeds at the default size, in the worst case of one line", () => {
    const vector = gaussian(5);
    const exact = squaredNorm(vector);
    const seeds = 200;
    let within = 0;
    let sum = 0;
    for (let seed = 0; seed < seeds; seed++) {
      const told = squaredNorm(createProjection(layout, DEFAULT_PROJECTION_SIZE, seed).project(vector));
      sum += told / exact;
      if (Math.abs(told / exact - 1) <= 0.05) within++;
    }
    expect(within).toBeGreaterThanOrEqual(0.95 * seeds);
    // Unbiased: the mean over seeds is within three standard errors of 1.
    const tensors = createProjection(layout, DEFAULT_PROJECTION_SIZE, 0).tensors;
    const deviation = projectionError(
      tensors,
      layout.tensors.map(({ length }) => length),
    );
    expect(Math.abs(sum / seeds - 1)).toBeLessThan((3 * deviation) / Math.sqrt(seeds));
    expect(2 * deviation).toBeLessThan(0.05);
  });
});

describe("consensus distance from logs", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await loggedRun();
  });

  it("is within 5 % of what the simulator saw, in every projected round of a real run", () => {
    const run = readRun(directory);
    const instants = run.consensus.instants();
    const { round, consensusDistance } = run.graph.columns;
    expect(instants.length).toBeGreaterThanOrEqual(7);
    for (const instant of instants.filter(({ closing }) => !closing)) {
      const exact = consensusDistance.at(instant.round);
      expect(round.at(instant.round)).toBe(instant.round);
      expect(exact).toBeGreaterThan(0.01);
      expect(Math.abs(instant.consensusDistance / exact - 1)).toBeLessThanOrEqual(0.05);
      expect(instant.relativeError).toBeLessThanOrEqual(0.025);
      const parts = instant.parts.reduce((sum, part) => sum + part, 0);
      expect(parts).toBeCloseTo(instant.consensusDistance, 9);
      const squares = instant.toMean.reduce((sum, distance) => sum + distance ** 2, 0);
      expect(squares / 8).toBeCloseTo(instant.consensusDistance, 6);
    }
  });

  it("agrees with the pairwise distances: the sum of all squares is n² times it", () => {
    for (const { pairs, consensusDistance } of readRun(directory).consensus.instants()) {
      if (!pairs) continue;
      const squares = pairs.reduce((sum, distance) => sum + distance ** 2, 0);
      expect(squares / 64 / consensusDistance).toBeCloseTo(1, 4);
    }
  });

  it("is told by every peer itself, as well as a ring of eight lets it", () => {
    const run = readRun(directory);
    const exact = run.graph.columns.consensusDistance.at(59);
    // Neighbours lie closer together than strangers: by the spectrum, the mean over all peers of half their squared
    // distance is (1 − λ₂)/s to (1 − λ_n)/s times the consensus distance, s = Σ_j w_ij = 2/3.
    const eigenvalues = spectrum(metropolisMixing(createGraph({ kind: "ring", peers: 8 })));
    const least = ((1 - eigenvalues.second) / (2 / 3)) * exact;
    const most = ((1 - eigenvalues.smallest) / (2 / 3)) * exact;
    const last = run.peers.map(({ columns }) => {
      const estimates = Array.from(columns.consensusEstimate.values()).filter(
        (estimate) => !Number.isNaN(estimate),
      );
      expect(estimates.length).toBeGreaterThan(2);
      return estimates.at(-1)!;
    });
    for (const estimate of last) {
      expect(estimate).toBeGreaterThan(least);
      expect(estimate).toBeLessThan(most);
    }
  });
});

describe("observer", () => {
  const neighbours = [1, 2, 3].map((peer) => ({ peer, weight: 0.25 }));
  /** An algorithm whose payloads show models. */
  const kind: AlgorithmKind = Object.values<AlgorithmKind>(algorithms).find(
    ({ sends, steps }) => sends === "model" && steps === 1,
  )!;
  const algorithm: Algorithm = {
    state: { vectors: {}, scalars: {} },
    point: new Float32Array(),
    *round() {},
  };

  function observerWith(distances: readonly number[], length = 64) {
    const layout = createLayout([{ name: "x", shape: [length] }]);
    const space = createVectorSpace(spaceBytes(8, length, 1 << 16));
    const compressor = createCompressor({ kind: "identity" }, { layout, space });
    const vector = space.vector(length);
    const payloadOf = (distance: number) => {
      vector.fill(distance / Math.sqrt(length));
      return compressor.squeeze(vector, random(0)).slice();
    };
    const own = payloadOf(0);
    const payloads = distances.map(payloadOf);
    const observer = createObserver({ neighbours, length, space, kind, algorithm, compressor });
    /** One round in which these neighbours' exchanges settle. */
    return (settles = [true, true, true]) => {
      observer.see(
        neighbours.flatMap((edge, k) => (settles[k] ? [{ edge, own, theirs: payloads[k]!, rate: 0.5 }] : [])),
      );
      return observer.conclude(0.5);
    };
  }

  it("tells distances, one neighbour after another, and the consensus distance from them", () => {
    const round = observerWith([1, 2, 3]);
    const told = Array.from({ length: 3 * OBSERVED_ROUNDS }, () => round());
    const observed = told.flatMap((observation) => observation.observed ?? []);
    expect(observed.map(({ neighbour }) => neighbour)).toEqual([1, 2, 3]);
    for (const [k, { distance }] of observed.entries()) expect(distance).toBeCloseTo(k + 1, 4);
    expect(told.at(-1)!.consensusEstimate).toBeCloseTo((1 + 4 + 9) / 3 / 2, 4);
    expect(told.flatMap(({ warnings = [] }) => warnings)).toEqual([]);
  });

  it("rests three spans of four where the model is long", () => {
    const round = observerWith([1, 2, 3], SPARSE_LENGTH);
    const rounds = Array.from({ length: 9 * OBSERVED_ROUNDS }, () => round().observed?.neighbour);
    const seen = rounds.flatMap((neighbour, k) => (neighbour === undefined ? [] : [[k + 1, neighbour]]));
    expect(seen).toEqual([1, 5, 9].map((span, k) => [span * OBSERVED_ROUNDS, k + 1]));
  });

  it("warns once of a neighbour that drifts", () => {
    const round = observerWith([1, 1, 9]);
    const told = Array.from({ length: 15 * OBSERVED_ROUNDS }, () => round());
    const warnings = told.flatMap((observation) => observation.warnings ?? []);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("peer 3 drifts");
  });

  it("starts over when a message is missing", () => {
    const round = observerWith([1, 2, 3]);
    for (let k = 0; k < OBSERVED_ROUNDS - 1; k++) round();
    expect(round([false, true, true])).toEqual({});
    const told = Array.from({ length: OBSERVED_ROUNDS }, () => round());
    expect(told.at(-1)!.observed).toMatchObject({ neighbour: 2 });
  });
});
