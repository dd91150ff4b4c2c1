import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { withOptions } from "../src/algorithm-options/index.js";
import { algorithms } from "../src/algorithms/index.js";
import type { CompressorSettings } from "../src/compressors/index.js";
import { InvalidCheckpoint } from "../src/foundation/errors.js";
import { random } from "../src/foundation/random.js";
import { createVirtualClock } from "../src/foundation/virtual-clock.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import type { Mixing } from "../src/graphs/mixing.js";
import { edgesIn } from "../src/graphs/sequence-mixing.js";
import { parseTopology } from "../src/graphs/topology.js";
import { metropolisMixing, pushMixing } from "../src/graphs/weights.js";
import type { RoundReport } from "../src/observing/report.js";
import type { OptimizerSettings } from "../src/optimizers/index.js";
import { createPeer, type Peer, type Plan } from "../src/peer.js";
import { withModelledCompute } from "../src/runs/modelled-compute.js";
import type { Trainer } from "../src/trainers/trainer.js";
import { createSimulatedNetwork } from "../src/transports/simulated/network.js";
import { parseNetwork } from "../src/transports/simulated/settings.js";
import { createLayout } from "../src/vectors/layout.js";
import { expectRejection } from "./support/errors.js";
import { everyCompressor, largestDifference } from "./support/gossip.js";
import { mixingFor } from "./support/graphs.js";
import { everyOptimizer } from "./support/optimizer-cases.js";
import { runThroughCrashes } from "./support/restarts.js";
import { functionTrainer, plainDescent, updateTrainer } from "./support/trainers.js";

const layout = createLayout([
  { name: "kernel", shape: [5, 7] },
  { name: "bias", shape: [5] },
]);
const graph = (settings: unknown) => createGraph(graphSettings.parse(settings));
const ring = metropolisMixing(graph({ kind: "ring", peers: 5 }));
const directed = pushMixing(graph({ kind: "ring", peers: 5, directed: true }));
/** Five rounds a period, in some of which a peer has no neighbour. */
const changing = parseTopology({ graph: { kind: "base-graph", peers: 5 } }, "test").mixing;
const mixingsOf = ({ needs, sends, ...kind }: AlgorithmKind): Mixing[] => [
  needs.graph === "directed" && sends !== "nothing" ? directed : mixingFor({ needs, sends, ...kind }, ring),
  ...(needs.everyEdge ? [] : [changing]),
];
const withEveryOption = [algorithms["edge-choco"], algorithms["push-sum"]].map((kind) => ({
  ...withOptions(kind, { blocks: 3, quasiGlobalMomentum: 0.8, averaging: { from: 4, every: 2 } }),
  name: `${kind.name} and every option`,
}));
const everyAlgorithm: AlgorithmKind[] = [...Object.values(algorithms), ...withEveryOption];
const sgd: OptimizerSettings = plainDescent.optimizer;

interface Course {
  readonly mixing: Mixing;
  readonly algorithm: AlgorithmKind;
  readonly compressor: CompressorSettings;
  readonly optimizer: OptimizerSettings;
  readonly seed: number;
  readonly rounds: number;
}

const ROUNDS = 30;

/** A gradient that depends on the model, the peer and the step, so that nothing lost goes unnoticed. */
function planOf({ algorithm, compressor, optimizer, seed, rounds, mixing }: Course): Plan {
  const closingRates = mixing.isDirected || algorithm.sends === "nothing" ? [] : [0.5, 0.7];
  return {
    ...{ seed, algorithm, compressor, rounds, optimizer, localSteps: 1, evaluateEvery: 7 },
    learningRate: (round) => 0.1 / (1 + round / 10),
    consensusRate: (round) => 0.4 / (1 + round / 40),
    closingRates,
    ...(mixing.sequence && { edgesIn: edgesIn(mixing, mixing.sequence, { rounds, closingRates }) }),
  };
}

const trainerOf = (seed: number, id: number) =>
  functionTrainer(
    layout,
    (model) => model.fill(0.5),
    (point, k, step) => Math.fround(point[k]! - random(seed, "optimum", id, step).uniform(k)),
  );

type Crashes = readonly (readonly { readonly at: number; readonly forMs: number }[])[];

/** Runs all peers over a network on which they crash, each through its own crashes. */
function runAll(
  { mixing: { neighbours }, seed }: Course,
  plan: Plan,
  trainer: (id: number) => Trainer,
  crashes: Crashes,
  patienceMs?: number,
) {
  const clock = createVirtualClock();
  const settings = parseNetwork({ latencyMs: 3, jitterMs: 12, computeMs: 5, reconnectMs: 1e6, seed });
  const make = (id: number) => (): Peer =>
    createPeer({
      ...{ id, neighbours: neighbours[id]!, plan },
      trainer: withModelledCompute(trainer(id), clock, 5),
    });
  const maximumPayloadBytes = make(0)().largestPayloadBytes;
  const network = createSimulatedNetwork({ clock, settings, neighbours, maximumPayloadBytes });
  const patience = patienceMs === undefined ? undefined : { deadlineMs: 1e7, patienceMs };
  const lives = neighbours.map((own, id) =>
    runThroughCrashes({
      ...{ id, neighbours: own, network, clock, patience, every: 10 },
      ...{ crashes: crashes[id] ?? [], make: make(id) },
    }),
  );
  return clock.run(Promise.all(lives), network.describe);
}

const run = (course: Course, crashes: Crashes) =>
  runAll(course, planOf(course), (id) => trainerOf(course.seed, id), crashes);

/** What must not depend on crashes. */
const lasting = ({ time: _time, traffic: _traffic, isReplayed: _again, ...report }: RoundReport) => report;

const crashesUntil = (ms: number) => {
  const crash = fc.record({ at: fc.integer({ min: 0, max: ms }), forMs: fc.integer({ min: 1, max: 90 }) });
  return fc.array(fc.array(crash, { maxLength: 3 }), { minLength: 5, maxLength: 5 });
};
const anyCrashes = crashesUntil(700);
const compressorFor = (algorithm: AlgorithmKind) =>
  algorithm.compresses ? fc.constantFrom(...everyCompressor) : fc.constant(everyCompressor[0]!);

describe("a run whose peers crash at any instant and start again from their disks", () => {
  for (const algorithm of everyAlgorithm) {
    it(`with ${algorithm.name} ends with the models and reports of an undisturbed one, to the bit`, async () => {
      let restarts = 0;
      let again = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...mixingsOf(algorithm)),
          compressorFor(algorithm),
          fc.constantFrom(...everyOptimizer.map(([, settings]) => settings)),
          fc.nat(),
          anyCrashes,
          async (mixing, compressor, optimizer, seed, crashes) => {
            const course = { mixing, algorithm, compressor, optimizer, seed, rounds: ROUNDS };
            const calm = await run(course, []);
            const disturbed = await run(course, crashes);
            for (const [id, { peer, reports, lives }] of disturbed.entries()) {
              restarts += lives - 1;
              again += reports.filter(({ isReplayed }) => isReplayed).length;
              expect(reports.map(lasting)).toEqual(calm[id]!.reports.map(lasting));
              expect([...peer.model]).toEqual([...calm[id]!.peer.model]);
            }
          },
        ),
        { numRuns: 8 },
      );
      expect(restarts).toBeGreaterThan(8);
      if (algorithm.steps > 0) expect(again).toBeGreaterThan(8);
    });

    const { everyEdge, sameRound, graph } = algorithm.needs;
    if (algorithm.steps !== 1 || everyEdge || sameRound || graph === "directed" || algorithm.movesMean)
      continue;
    it(`with ${algorithm.name} and patience moves the mean by the updates alone`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...mixingsOf(algorithm)),
          compressorFor(algorithm),
          fc.nat(),
          anyCrashes,
          async (mixing, compressor, seed, crashes) => {
            const course = { mixing, algorithm, compressor, optimizer: sgd, seed, rounds: ROUNDS };
            const steady = prescribed(course);
            const outcomes = await runPrescribed(steady, crashes);
            const mean = new Float64Array(layout.length);
            let largest = 1;
            for (const { peer } of outcomes) {
              for (const [k, x] of peer.model.entries()) {
                mean[k]! += x / outcomes.length;
                largest = Math.max(largest, Math.abs(x));
              }
            }
            expect(largestDifference(mean, steady.mean)).toBeLessThanOrEqual(1e-5 * largest);
          },
        ),
        { numRuns: 8 },
      );
    });
  }
});

describe("a run whose peers have lowered η", () => {
  it("ends with the same models and rates, to the bit, through any crashes", async () => {
    let replayedLow = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), crashesUntil(2000), async (seed, crashes) => {
        const algorithm = algorithms["edge-choco"];
        const compressor = everyCompressor[0]!;
        const course = { mixing: ring, algorithm, compressor, optimizer: sgd, seed, rounds: 80 };
        const plan = { ...planOf(course), consensusRate: () => 1.9 };
        const trainer = (id: number) => trainerOf(seed, id);
        const calm = await runAll(course, plan, trainer, []);
        const disturbed = await runAll(course, plan, trainer, crashes);
        for (const [id, { peer, reports }] of disturbed.entries()) {
          expect(reports.map(lasting)).toEqual(calm[id]!.reports.map(lasting));
          expect([...peer.model]).toEqual([...calm[id]!.peer.model]);
          expect(reports[79]!.consensusRate).toBe(0.95);
          replayedLow += reports.filter((each) => each.isReplayed && each.consensusRate < 1.9).length;
        }
      }),
      { numRuns: 6 },
    );
    expect(replayedLow).toBeGreaterThan(0);
  });
});

/** Updates that do not depend on the model, so that the mean that they lead to is known. */
function prescribed(course: Course) {
  const plan: Plan = { ...planOf(course), learningRate: () => 1, closingRates: [] };
  const peers = course.mixing.peers;
  const update = (id: number, k: number, round: number) =>
    Math.fround(random(course.seed, "update", id, round).uniform(k) - 0.5);
  const mean = Float64Array.from({ length: layout.length }, (_, k) => {
    let sum = 0.5;
    for (let id = 0; id < peers; id++) {
      for (let round = 0; round < course.rounds; round++) sum += update(id, k, round) / peers;
    }
    return sum;
  });
  return { course, plan, mean, update };
}

const PATIENCE_MS = 12;

const runPrescribed = ({ course, plan, update }: ReturnType<typeof prescribed>, crashes: Crashes) =>
  runAll(
    course,
    plan,
    (id) =>
      updateTrainer(
        layout,
        () => 0.5,
        (k, round) => update(id, k, round),
      ),
    crashes,
    PATIENCE_MS,
  );

it("a peer that computes other numbers after its crash ends with that reason, and sends none of them", async () => {
  const course = {
    mixing: ring,
    algorithm: algorithms.dpsgd,
    compressor: everyCompressor[0]!,
    optimizer: sgd,
  };
  let lives = 0;
  const plan = planOf({ ...course, seed: 1, rounds: ROUNDS });
  const outcome = runPrescribed(
    {
      course: { ...course, seed: 1, rounds: ROUNDS },
      plan: { ...plan, learningRate: () => 1, closingRates: [] },
      mean: new Float64Array(0),
      update: (id, k, round) => {
        if (id === 2 && round === 0 && k === 0) lives++;
        return id === 2 && lives > 1 ? 0.5 : 0.25;
      },
    },
    [[], [], [{ at: 60, forMs: 5 }], [], []],
  );
  await expectRejection(outcome, InvalidCheckpoint, { code: "replay-differs", peer: 2 });
});

it("with patience a peer that crashes when it is done starts again alone: its journal has every acknowledgement", async () => {
  const algorithm = algorithms["edge-choco"];
  const course = { mixing: ring, algorithm, compressor: everyCompressor[0]!, optimizer: sgd, seed: 4 };
  const steady = prescribed({ ...course, rounds: ROUNDS });
  const calm = await runPrescribed(steady, []);
  for (const [id, { peer, reports }] of calm.entries()) {
    // Longer than anybody waits for a neighbour that is gone.
    const crashes = calm.map((_, other) =>
      other === id ? [{ at: reports.at(-1)!.time.elapsedMs + 1, forMs: 100_000 }] : [],
    );
    const again = (await runPrescribed(steady, crashes))[id]!;
    expect(again.lives).toBe(2);
    expect(again.reports.at(-1)).toMatchObject({ round: ROUNDS - 1, isReplayed: true });
    expect([...again.peer.model]).toEqual([...peer.model]);
  }
});
