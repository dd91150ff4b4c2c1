import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { Diverged } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { type SimulationRound, simulate } from "../src/runs/simulate.js";
import { expectRejection } from "./support/errors.js";
import { everyCompressor } from "./support/gossip.js";
import { topologyFor } from "./support/graphs.js";

const quadratic = {
  trainer: { kind: "quadratic", dimension: [40, 3], noise: 0.1 },
  rounds: 8,
  evaluateEvery: 4,
};

async function run(graph: unknown, settings: object) {
  const experiment = parseExperiment({ ...quadratic, ...settings });
  const simulation = await simulate(
    topologyFor(algorithms[experiment.algorithm], parseTopology({ graph }, "test")),
    experiment,
  );
  const rounds: SimulationRound[] = [];
  for await (const round of simulation.run()) rounds.push(round);
  simulation.dispose();
  return { rounds, models: simulation.peers.map(({ model }) => Float32Array.from(model)), simulation };
}

const exchanging = Object.values<AlgorithmKind>(algorithms)
  .filter(({ sends }) => sends !== "nothing")
  .map(({ name }) => name);

const smallGraphs = fc.constantFrom(
  { kind: "ring", peers: 8 },
  { kind: "torus", rows: 3, columns: 3 },
  { kind: "star", peers: 6 },
  { kind: "hypercube", dimension: 3 },
  { kind: "chain", peers: 4 },
);

describe("a simulation", () => {
  it("gives the same models to the bit for the same seed, and others for another", async () => {
    await fc.assert(
      fc.asyncProperty(
        smallGraphs,
        fc.constantFrom(...Object.keys(algorithms)),

        fc.constantFrom(...everyCompressor),
        fc.integer(),
        async (graph, algorithm, compressor, seed) => {
          const settings = { algorithm, compressor, seed };
          const [first, second, other] = [
            await run(graph, settings),
            await run(graph, settings),
            await run(graph, { ...settings, seed: seed + 1 }),
          ];
          expect(second.models).toEqual(first.models);
          expect(second.rounds).toEqual(first.rounds);
          expect(other.models).not.toEqual(first.models);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("ends, after the closing consensus, with one model everywhere: the mean of what it closed", async () => {
    await fc.assert(
      fc.asyncProperty(smallGraphs, fc.constantFrom(...exchanging), async (graph, algorithm) => {
        const { rounds } = await run(graph, { algorithm, compressor: "sign" });
        const before = rounds.findLast(({ kind }) => kind === "learning")!;
        const after = rounds.at(-1)!;
        expect(after.kind).toBe("closing");
        expect(after.consensusDistance).toBeLessThan(1e-9 * before.consensusDistance + 1e-10);
        expect(after.meanModelNorm).toBeCloseTo(before.meanModelNorm, 4);
      }),
      { numRuns: 15 },
    );
  });

  it("learns: exact gossip brings the mean model to the optimum of all peers' data together", async () => {
    const { rounds } = await run(
      { kind: "ring", peers: 8 },
      { algorithm: "dpsgd", rounds: 300, learningRate: { initial: 0.3, decay: "cosine" } },
    );
    expect(rounds.at(-1)!.meanEvaluation!.loss).toBeLessThan(1e-3 * rounds[3]!.meanEvaluation!.loss);
  });

  it("stops when a peer's loss is no number any more, and says which peer and which round", async () => {
    const diverging = run({ kind: "ring", peers: 4 }, { learningRate: 1e6, rounds: 500 });
    const { message, peer, round } = await expectRejection(diverging, Diverged, { code: "diverged" });
    expect(message).toMatch(new RegExp(`^peer ${peer} .* round ${round! + 1}: .*(Infinity|NaN)`));
  });

  it("runs a graph of one peer, which is plain SGD with every algorithm", async () => {
    const settings = { closingRounds: 0, learningRate: 0.2, trainer: { ...quadratic.trainer, noise: 0 } };
    const alone = { kind: "complete", peers: 1 };
    // f(x) = ½ Σ (x_k − b_k)² from x = 0: after t steps x = (1 − 0.8^t) b.
    const { models, rounds } = await run(alone, { ...settings, algorithm: "alone", rounds: 1 });
    const target = Float64Array.from(models[0]!, (x) => x / 0.2);
    expect(rounds).toHaveLength(1);
    const exact = Object.values<AlgorithmKind>(algorithms).filter(({ movesMean }) => !movesMean);
    for (const { name: algorithm } of exact) {
      const one = await run(alone, { ...settings, algorithm });
      for (const [k, x] of one.models[0]!.entries()) expect(x).toBeCloseTo((1 - 0.8 ** 8) * target[k]!, 5);
    }
  });

  it("runs two hundred peers, each with a memory of its own, in one process", async () => {
    const { rounds, models } = await run(
      { kind: "expander", peers: 200, degree: 3 },
      { rounds: 2, closingRounds: 0 },
    );
    expect(rounds.map(({ reports }) => reports.length)).toEqual([200, 200]);
    expect(new Set(models.map((model) => model.join())).size).toBe(200);
  });
});
