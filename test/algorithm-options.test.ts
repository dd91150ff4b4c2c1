import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { inBlocks, MAX_BLOCKS } from "../src/algorithm-options/blocks.js";
import { type AlgorithmOptionSettings, withOptions } from "../src/algorithm-options/index.js";
import { algorithms } from "../src/algorithms/index.js";
import { compressorSettings } from "../src/compressors/index.js";
import type { Frame } from "../src/exchange/frame.js";
import { participation } from "../src/exchange/participation.js";
import { stoppedClock } from "../src/foundation/clock.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { createGraph } from "../src/graphs/index.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { createPeer, type Plan } from "../src/peer.js";
import { createParts, requirePatience } from "../src/peer-parts.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createPlan } from "../src/runs/plan.js";
import { createMemoryTransports } from "../src/transports/memory.js";
import { createLayout, layoutOfPart } from "../src/vectors/layout.js";
import { expectError } from "./support/errors.js";
import { createGossip, everyCompressor, largestDifference } from "./support/gossip.js";
import { mixingFor } from "./support/graphs.js";
import { functionTrainer, plainDescent } from "./support/trainers.js";

const layout = createLayout([
  { name: "kernel", shape: [7, 9] },
  { name: "bias", shape: [5] },
  { name: "scalar", shape: [] },
]);
const { length } = layout;
const ring = metropolisMixing(createGraph({ kind: "ring", peers: 5 }));
const everyAlgorithm: AlgorithmKind[] = Object.values(algorithms);
/** Those whose model is what gradients are taken at, so that models show the mean. */
const undirected = everyAlgorithm.filter(({ needs, movesMean }) => needs.graph === "symmetric" && !movesMean);
const exact = compressorSettings.parse({ kind: "identity" });
const none: AlgorithmOptionSettings = { blocks: 1, quasiGlobalMomentum: 0, averaging: "none" };

const draws = random(3, "updates");
const update = (peer: number, k: number, round: number) =>
  Math.fround(0.1 * normal(draws, (round * 5 + peer) * length + k));
const bounds = (count: number) =>
  Array.from({ length: count + 1 }, (_, b) => Math.floor((b * length) / count));

describe("layoutOfPart", () => {
  it("cuts tensors at the ends: the parts hold all numbers, tensor by tensor, in their order", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: length }), (count) => {
        const ends = bounds(count);
        const pieces = ends.slice(1).flatMap((end, b) => {
          const part = layoutOfPart(layout, ends[b]!, end);
          expect(part.length).toBe(end - ends[b]!);
          return part.tensors;
        });
        for (const { name, length } of layout.tensors) {
          const sizes = pieces.filter((piece) => piece.name === name).map((piece) => piece.length);
          expect(sizes.reduce((sum, size) => sum + size)).toBe(length);
        }
      }),
    );
    expect(layoutOfPart(layout, 0, length)).toEqual(layout);
  });
});

describe("options that are off", () => {
  it("leave every algorithm as it is", () => {
    for (const kind of everyAlgorithm) expect(withOptions(kind, none)).toBe(kind);
    const { blocks, quasiGlobalMomentum, averaging } = parseExperiment({});
    expect({ blocks, quasiGlobalMomentum, averaging }).toEqual(none);
  });

  it("are part of the fingerprint when they are on", () => {
    const of = (settings: object) =>
      createPlan(parseExperiment(settings), ring, { layout, initialize: (model) => model.fill(1) }).plan
        .fingerprint;
    for (const [field, value] of Object.entries({ blocks: 4, quasiGlobalMomentum: 0.9, averaging: {} })) {
      expect(of({ [field]: value })).not.toEqual(of({}));
    }
  });
});

describe("rotating blocks", () => {
  it("with one block is the algorithm itself, to the bit, with every algorithm and compressor", async () => {
    for (const algorithm of everyAlgorithm) {
      for (const compressor of algorithm.compresses ? everyCompressor : [exact]) {
        const run = async (kind: AlgorithmKind) => {
          const mixing = mixingFor(algorithm, ring);
          const options = { mixing, layout, compressor, update, rate: 0.3, rounds: 4 };
          const gossip = createGossip({ ...options, algorithm: kind });
          while (await gossip.round());
          return gossip.peers.map(({ point }) => [...point]);
        };
        expect(await run(inBlocks(algorithm, 1))).toEqual(await run(algorithm));
      }
    }
  });

  it("runs each block as the algorithm would alone, with the updates since its last turn, to the bit", async () => {
    const count = 3;
    const rounds = 9;
    const compressor = compressorSettings.parse({ kind: "sign", scope: "tensor" });
    for (const kind of [algorithms["edge-choco"], algorithms.deepsqueeze, algorithms.choco]) {
      const options = { mixing: ring, compressor, rate: 0.3 };
      const whole = createGossip({ ...options, layout, algorithm: inBlocks(kind, count), update, rounds });
      const start = whole.models.map((model) => model.slice());
      while (await whole.round());
      const ends = bounds(count);
      for (let b = 0; b < count; b++) {
        const first = ends[b]!;
        /** Updates from the turn before on, added up as float32. */
        const sum = (peer: number, k: number, turn: number) => {
          let total = 0;
          const last = turn * count + b;
          for (let round = Math.max(0, last - count + 1); round <= last; round++) {
            total = Math.fround(total + update(peer, first + k, round));
          }
          return total;
        };
        const alone = createGossip({
          ...{ ...options, algorithm: kind, update: sum, rounds: rounds / count },
          layout: layoutOfPart(layout, first, ends[b + 1]!),
          initial: (peer, k) => start[peer]![first + k]!,
        });
        while (await alone.round());
        for (let peer = 0; peer < 5; peer++) {
          // The updates after the block's last turn are in the model already.
          const shown = alone.models[peer]!.map((x, k) => {
            let value = x;
            for (let round = rounds - count + b + 1; round < rounds; round++) {
              value = Math.fround(value + update(peer, first + k, round));
            }
            return value;
          });
          expect([...whole.models[peer]!.subarray(first, ends[b + 1]!)]).toEqual([...shown]);
        }
      }
    }
  });

  it("moves the mean by the updates alone, with every algorithm and compressor, whatever edges are skipped", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...undirected),
        fc.constantFrom(...everyCompressor),
        fc.integer({ min: 2, max: 9 }),
        fc.double({ min: 0.3, max: 1, noNaN: true }),
        fc.integer(),
        async (kind, compressor, count, share, seed) => {
          const edges = participation(seed, kind.needs.everyEdge ? 1 : share);
          const gossip = createGossip({
            ...{ mixing: ring, layout, algorithm: inBlocks(kind, count), compressor, seed, update, edges },
            ...{ rate: 0.3, rounds: 12 },
          });
          const expected = gossip.mean();
          let largest = 1;
          for (let round = 0; await gossip.round(); round++) {
            for (let k = 0; k < length; k++) {
              for (let peer = 0; peer < 5; peer++) expected[k]! += update(peer, k, round) / 5;
            }
            largest = Math.max(largest, gossip.largest());
          }
          expect(largestDifference(gossip.mean(), expected)).toBeLessThanOrEqual(4e-6 * largest);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("sends a block a round, no payload larger than the peer declares", async () => {
    for (const compressor of everyCompressor) {
      const sizes: number[] = [];
      const gossip = createGossip({
        ...{ mixing: ring, layout, algorithm: inBlocks(algorithms.deepsqueeze, 4), compressor, update },
        ...{ rate: 0.1, rounds: 8 },
        wrap: (transport, id) => ({
          ...transport,
          send(to: number, frame: Frame) {
            if (id === 0) sizes.push(frame.payload.length);
            transport.send(to, frame);
          },
        }),
      });
      const [peer] = gossip.peers;
      while (await gossip.round());
      expect(sizes).toHaveLength(16);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(peer!.largestPayloadBytes);
      if (compressor.kind === "identity") {
        expect(sizes.filter((_, k) => k % 2 === 0)).toEqual([68, 68, 68, 72, 68, 68, 68, 72]);
      }
    }
  });

  it("knows from the round which block a payload is of: one of another block is malformed", async () => {
    const algorithm = inBlocks(algorithms["edge-choco"], 4);
    let last: Frame | undefined;
    const gossip = createGossip({
      ...{ mixing: ring, layout, algorithm, compressor: exact, update, rate: 0.5, rounds: 12 },
      wrap: (transport, id) => ({
        ...transport,
        send(to, frame) {
          const payload = frame.round === 4 ? last!.payload : frame.payload;
          if (id === 2 && to === 3) last = { ...frame, payload: frame.payload.slice() };
          transport.send(to, id === 2 && to === 3 ? { ...frame, payload } : frame);
        },
      }),
    });
    const reports = await gossip.finish();
    expect(reports.every((each) => each.length === 12)).toBe(true);
    expect(reports[3]![4]!.refused).toMatchObject([{ from: 2 }]);
    expect(reports[3]!.at(-1)!.quarantined).toEqual([2]);
    for (const model of gossip.models) expect(model.every(Number.isFinite)).toBe(true);
  });

  it("is refused with patience, with more blocks than parameters and beyond the limit", () => {
    expectError(() => requirePatience(inBlocks(algorithms.dpsgd, 2), { patienceMs: 5 }), InvalidExperiment, {
      code: "patience-with-every-edge",
    });
    const settings = { algorithm: "dpsgd", blocks: 2, patience: 0.1 };
    expectError(
      () => createPlan(parseExperiment(settings), ring, { layout, initialize: (model) => model.fill(1) }),
      InvalidExperiment,
      {
        code: "patience-with-every-edge",
      },
    );
    const options = { mixing: ring, layout, compressor: exact, rate: 0.3, rounds: 1 };
    createGossip({ ...options, algorithm: inBlocks(algorithms.dpsgd, length) });
    expectError(
      () => createGossip({ ...options, algorithm: inBlocks(algorithms.dpsgd, length + 1) }),
      InvalidExperiment,
      { code: "too-many-blocks", field: "blocks" },
    );
    expect(parseExperiment({ blocks: MAX_BLOCKS }).blocks).toBe(MAX_BLOCKS);
    expectError(() => parseExperiment({ blocks: MAX_BLOCKS + 1 }), InvalidExperiment, {
      code: "invalid-setting",
    });
  });

  it("adds up what the blocks show of the neighbours", async () => {
    const run = async (algorithm: AlgorithmKind) => {
      const gossip = createGossip({
        ...{ mixing: ring, layout, algorithm, compressor: exact, rate: 0.01, rounds: 16 },
      });
      let estimate: number | undefined;
      for (let reports = await gossip.round(); reports; reports = await gossip.round()) {
        estimate = reports[0]!.consensusEstimate ?? estimate;
      }
      return { estimate: estimate!, distance: gossip.consensusDistance() };
    };
    for (const kind of [algorithms["edge-choco"], algorithms.choco]) {
      const { estimate, distance } = await run(inBlocks(kind, 4));
      expect(estimate / distance).toBeGreaterThan(1 / 3);
      expect(estimate / distance).toBeLessThan(3);
    }
  });
});

/** Peers that descend ½‖x − b_i‖², so that updates depend on the model. */
function descend(algorithm: AlgorithmKind, rounds: number, learningRate: (round: number) => number) {
  const optimum = (peer: number, k: number) => Math.sin(1 + peer * 7 + k);
  const plan: Plan = {
    ...{ seed: 1, algorithm, compressor: exact, rounds, closingRates: [], ...plainDescent },
    ...{ learningRate, consensusRate: () => 0.8, evaluateEvery: 1 },
  };
  const evaluated: number[][] = [];
  const peers = ring.neighbours.map((neighbours, id) => {
    const trainer = functionTrainer(
      layout,
      (model) => model.fill(0.5),
      (point, k) => point[k]! - optimum(id, k),
    );
    const evaluate = async (model: ArrayLike<number>) => {
      if (id === 0) evaluated.push(Array.from(model));
      return { loss: model[0]! };
    };
    return createPeer({ id, neighbours, plan, trainer: { ...trainer, evaluate } });
  });
  const transports = createMemoryTransports(5, peers[0]!.largestPayloadBytes);
  const runs = peers.map((peer, id) => peer.run({ transport: transports[id]!, clock: stoppedClock }));
  const round = () => Promise.all(runs.map((run) => run.next()));
  return { peers, optimum, evaluated, round };
}

describe("quasi-global momentum", () => {
  it("is Algorithm 1 of the paper, in float64, also through rounds with γ = 0", async () => {
    const [beta, rounds] = [0.9, 30];
    const rate = (round: number) => (round % 7 === 5 ? 0 : 0.1 / (1 + round / 20));
    const algorithm = withOptions(algorithms.dpsgd, { ...none, quasiGlobalMomentum: beta });
    const { peers, optimum, round } = descend(algorithm, rounds, rate);
    let x = peers.map(({ model }) => Float64Array.from(model));
    const buffers = x.map(() => new Float64Array(length));
    for (let t = 0; t < rounds; t++) {
      await round();
      const half = x.map((row, i) =>
        row.map((value, k) => value - rate(t) * (value - optimum(i, k) + beta * buffers[i]![k]!)),
      );
      const next = half.map((row, i) =>
        row.map((value, k) =>
          ring.neighbours[i]!.reduce(
            (sum, { peer, weight }) => sum + 0.8 * weight * (half[peer]![k]! - value),
            value,
          ),
        ),
      );
      if (rate(t) > 0) {
        for (const [i, buffer] of buffers.entries()) {
          for (let k = 0; k < length; k++) {
            buffer[k] = beta * buffer[k]! + (1 - beta) * ((x[i]![k]! - next[i]![k]!) / rate(t));
          }
        }
      }
      x = next;
    }
    for (const [i, { model }] of peers.entries()) expect(largestDifference(model, x[i]!)).toBeLessThan(2e-5);
  });

  it("accelerates: the mean comes nearer to the optimum in as many rounds", async () => {
    const distanceWith = async (beta: number) => {
      const algorithm = withOptions(algorithms.dpsgd, { ...none, quasiGlobalMomentum: beta });
      const { peers, optimum, round } = descend(algorithm, 60, () => 0.01);
      for (let t = 0; t < 60; t++) await round();
      const mean = (f: (i: number) => number) => [0, 1, 2, 3, 4].reduce((sum, i) => sum + f(i) / 5, 0);
      return Math.hypot(
        ...Array.from({ length }, (_, k) => mean((i) => peers[i]!.model[k]! - optimum(i, k))),
      );
    };
    expect(await distanceWith(0.9)).toBeLessThan(0.7 * (await distanceWith(0)));
  });
});

describe("iterate averaging", () => {
  it("evaluates the mean of the models from a round on beside the model, and leaves the model alone", async () => {
    const rounds = 20;
    const rate = () => 0.1;
    for (const averaging of [
      { from: 0, every: 1 },
      { from: 8, every: 3 },
    ]) {
      const plain = descend(algorithms.dpsgd, rounds, rate);
      const averaged = descend(withOptions(algorithms.dpsgd, { ...none, averaging }), rounds, rate);
      const sum = new Float64Array(length);
      let models = 0;
      for (let t = 0; t < rounds; t++) {
        await plain.round();
        const [report] = await averaged.round();
        const { model } = plain.peers[0]!;
        expect([...averaged.peers[0]!.model]).toEqual([...model]);
        if (t >= averaging.from && (t - averaging.from) % averaging.every === 0) {
          models++;
          for (const [k, x] of model.entries()) sum[k]! += x;
        }
        // The model first, then the mean.
        const [atModel, atMean] = averaged.evaluated.slice(-2);
        expect(atModel).toEqual([...model]);
        const expected = models === 0 ? Float64Array.from(model) : sum.map((x) => x / models);
        expect(largestDifference(atMean!, expected)).toBeLessThan(1e-6);
        expect(report!.value).toMatchObject({ iterateAverage: { loss: atMean![0] } });
      }
      expect(plain.evaluated).toHaveLength(rounds);
    }
  });
});

describe("on another graph, as when members change", () => {
  it("every option goes on from the model that a peer adopts, with what the algorithm keeps", () => {
    const algorithm = withOptions(algorithms.deepsqueeze, {
      ...{ blocks: 3, quasiGlobalMomentum: 0.9, averaging: { from: 0, every: 1 } },
    });
    const plan: Plan = {
      ...{ seed: 1, algorithm, compressor: exact, rounds: 9, closingRates: [], ...plainDescent },
      ...{ learningRate: () => 0.1, consensusRate: () => 0.5, evaluateEvery: 0 },
    };
    const trainer = functionTrainer(
      layout,
      (model) => model.fill(0.5),
      () => 0,
    );
    const parts = createParts({ id: 0, neighbours: ring.neighbours[0]!, plan, trainer });
    const kept = (pattern: RegExp) => algorithm.keeps!.filter((name) => pattern.test(name));
    expect(kept(/residual$/)).toHaveLength(3);
    const adopted = Float32Array.from({ length }, (_, k) => k / 8);
    // The momentum and the average that other rounds left.
    const left = kept(/\/(momentum|average)$/).map((name) => [
      `algorithm/${name}`,
      new Float32Array(length).fill(2),
    ]);
    expect(left).toHaveLength(2);
    const vectors = { model: adopted, ...Object.fromEntries(left) };
    const scalars = { "algorithm/averaging/models": 4, "algorithm/averaging/next": 6 };
    parts.memory.adopt({ vectors, scalars }, algorithm.keeps!);
    const steps = parts.algorithm.round(parts.update, {
      ...{ edges: [], round: 6, learningRate: 0.1, consensusRate: 0.5, random: () => random(1) },
    });
    steps.next();
    expect(steps.next([]).done).toBe(true);
    // No update but that of the momentum, and nothing mixed.
    const expected = adopted.map((x) => x - 0.1 * 0.9 * 2);
    expect(largestDifference(parts.model, expected)).toBeLessThan(1e-5);
    expect(
      largestDifference(
        parts.algorithm.average!,
        expected.map((x) => 2 + (x - 2) / 5),
      ),
    ).toBeLessThan(1e-5);
  });
});
