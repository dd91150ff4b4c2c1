import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { Unreachable } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { ACCURACY_MARKS, createModelledTimes } from "../src/runs/modelled-times.js";
import { recordSimulation } from "../src/runs/node/record-simulation.js";
import { observe } from "../src/runs/observe.js";
import { createRoundSums } from "../src/runs/round-sums.js";
import { type SimulationRound, simulate } from "../src/runs/simulate.js";
import { parseNetwork } from "../src/transports/simulated/settings.js";
import { everyCompressor } from "./support/gossip.js";
import { topologyFor } from "./support/graphs.js";
import { newFolder } from "./support/runs.js";

const quadratic = {
  trainer: { kind: "quadratic", dimension: [40, 3], noise: 0.1 },
  rounds: 8,
  evaluateEvery: 4,
};
const ring = { kind: "ring", peers: 5 };

async function run(graph: unknown, settings: object, network?: object) {
  const experiment = parseExperiment({ ...quadratic, ...settings });
  const simulation = await simulate(
    topologyFor(algorithms[experiment.algorithm], parseTopology({ graph }, "test")),
    experiment,
    { network: network && parseNetwork(network) },
  );
  const rounds: SimulationRound[] = [];
  try {
    for await (const round of simulation.run()) rounds.push(round);
  } finally {
    simulation.dispose();
  }
  return { rounds, models: simulation.peers.map(({ model }) => Float32Array.from(model)) };
}

const elapsed = ({ rounds }: { rounds: readonly SimulationRound[] }) => rounds.at(-1)!.elapsedMs!;

/** Everything at once that does not end a run at the barrier. */
const rough = {
  ...{ bandwidth: "1 Mbit/s", uplink: "1.5 Mbit/s", latencyMs: 3, jitterMs: 9, connectionLoss: 0.2 },
  ...{ redialMs: 5, computeMs: 2, slow: { share: 0.3, factor: 5 } },
  partitions: [{ from: 0.02, to: 0.3, groups: [[0, 1]] }],
};

describe("a simulation over a network", () => {
  it("ends, at the barrier, with the models it has without one, to the bit", async () => {
    const graphs = [ring, { kind: "torus", rows: 3, columns: 3 }, { kind: "star", peers: 5 }];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...graphs),
        fc.constantFrom(...Object.keys(algorithms)),
        fc.constantFrom(...everyCompressor),
        fc.integer(),
        async (graph, algorithm, compressor, seed) => {
          const settings = { algorithm, compressor, seed };
          const plain = await run(graph, settings);
          const rounds = await run(graph, settings, { ...rough, seed });
          expect(rounds.models).toEqual(plain.models);
          expect(rounds.rounds).toHaveLength(plain.rounds.length);
          for (const [k, { reports, meanEvaluation }] of rounds.rounds.entries()) {
            const expected = plain.rounds[k]!;
            expect(reports.map(({ loss, modelNorm }) => [loss, modelNorm])).toEqual(
              expected.reports.map(({ loss, modelNorm }) => [loss, modelNorm]),
            );
            expect(meanEvaluation === undefined).toBe(expected.meanEvaluation === undefined);
            expect(meanEvaluation?.loss ?? 0).toBeCloseTo(expected.meanEvaluation?.loss ?? 0, 5);
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  it("writes the same bytes for the same seeds, and other times for another network", async () => {
    const record = async (seed: number) => {
      const directory = join(newFolder(), "run");
      const summary = await recordSimulation({
        topology: parseTopology({ graph: ring }, "test"),
        experiment: parseExperiment({ ...quadratic, projectEvery: 4, patience: 0.004 }),
        network: parseNetwork({ ...rough, seed }),
        directory,
        warn() {},
      });
      const names = readdirSync(directory).sort();
      return { summary, files: names.map((name) => readFileSync(join(directory, name), "utf8")) };
    };
    const [first, same, other] = [await record(1), await record(1), await record(2)];
    expect(first.files).toHaveLength(ring.peers + 1);
    expect(same.files).toEqual(first.files);
    expect(same.summary.modelled).toEqual(first.summary.modelled);
    for (const [k, text] of other.files.entries()) expect(text).not.toBe(first.files[k]);
    const last = JSON.parse(first.files[0]!.trimEnd().split("\n").at(-2)!);
    expect(last).toMatchObject({
      type: "graph",
      time: { elapsedMs: 1000 * first.summary.modelled!.seconds },
    });
  });

  it("takes the time of its computation where frames take none", async () => {
    const settings = { closingRounds: 0, localSteps: 4 };
    expect(elapsed(await run(ring, settings, { computeMs: 100 }))).toBeCloseTo(800, 9);
    const slow = { computeMs: 100, slow: { peers: [2], factor: 3 } };
    expect(elapsed(await run(ring, settings, slow))).toBeCloseTo(2400, 9);
  });

  it("takes two latencies a round where computation takes none: a frame there, its confirmation back", async () => {
    const settings = { closingRounds: 0 };
    expect(elapsed(await run(ring, settings, { latencyMs: 10 }))).toBeCloseTo(160, 9);
  });

  it("takes the time of its bytes on slow links, so that fewer bytes are faster", async () => {
    const network = { bandwidth: "100 kbit/s" };
    const settings = {
      closingRounds: 0,
      consensusRate: 0.1,
      trainer: { ...quadratic.trainer, dimension: [4000] },
    };
    const exact = elapsed(await run(ring, { ...settings, algorithm: "dpsgd" }, network));
    const signs = elapsed(await run(ring, { ...settings, compressor: "sign" }, network));
    // 8 rounds of 16 kB at 12.5 kB/s.
    expect(exact).toBeGreaterThan(8 * 1280);
    expect(exact).toBeLessThan(8 * 1290);
    expect(exact / signs).toBeGreaterThan(20);
  });

  it("with patience is not held up by slow peers before the last round", async () => {
    const network = { computeMs: 10, slow: { peers: [2], factor: 10 } };
    const settings = { closingRounds: 0, rounds: 20, patience: 0.005 };
    const { rounds } = await run({ kind: "complete", peers: 5 }, settings, network);
    const before = rounds.at(-2)!;
    for (const { peer, time } of before.reports) {
      if (peer === 2) expect(time.elapsedMs).toBeGreaterThanOrEqual(1900);
      else expect(time.elapsedMs).toBeLessThan(19 * 16);
    }
    const missed = rounds.flatMap(({ reports }) => reports).filter((report) => report.missed);
    expect(missed.every(({ peer, missed }) => peer !== 2 && missed!.join() === "2")).toBe(true);
    expect(missed.length).toBeGreaterThan(4);
  });

  it("ends with the reason when a neighbour stays away", async () => {
    const partitions = [{ from: 0.05, to: 900, groups: [[0]] }];
    const network = { computeMs: 10, reconnectMs: 1000, partitions };
    await expect(run(ring, {}, network)).rejects.toThrow(Unreachable);
    await expect(run(ring, {}, network)).rejects.toThrow(/cut.*no connection for 1 s/);
  });
});

describe("what a round of the whole graph came to", () => {
  it("is the same when models become known one by one", () => {
    const models = fc.array(fc.float32Array({ minLength: 7, maxLength: 7, noNaN: true, min: -4, max: 4 }), {
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(models, fc.constantFrom(1, 1e-6), fc.constantFrom(0, 1000), (drawn, scale, offset) => {
        const close = drawn.map((model) => model.map((x) => offset + scale * x));
        const sums = createRoundSums(close[0]!);
        for (const model of close) sums.add(model);
        const { mean, ...found } = sums.conclude();
        const expectedMean = new Float32Array(7);
        const expected = observe(close, expectedMean);
        expect(found.meanModelNorm).toBeCloseTo(expected.meanModelNorm, 9);
        expect(Math.abs(found.consensusDistance - expected.consensusDistance)).toBeLessThanOrEqual(
          1e-12 * (expected.consensusDistance + 1e-12 * scale ** 2),
        );
        for (const [k, x] of mean.entries()) expect(x).toBeCloseTo(expectedMean[k]!, 3);
      }),
    );
  });
});

describe("the time to an accuracy", () => {
  const round = (elapsedMs: number, ...accuracies: (number | undefined)[]): SimulationRound => ({
    ...{ round: 0, kind: "learning", consensusDistance: 0, meanModelNorm: 1, elapsedMs },
    reports: accuracies.map((accuracy, peer) => ({
      ...{ peer, round: 0, kind: "learning", learningRate: 1, consensusRate: 1, modelNorm: 1, traffic: [] },
      time: { computeMs: 0, compressMs: 0, waitMs: 0, mixMs: 0, elapsedMs },
      ...(accuracy !== undefined && { evaluation: { loss: 1, accuracy } }),
    })),
  });

  it("is that of the first evaluation in which the mean, and in which the worst peer, reached it", () => {
    const modelled = createModelledTimes();
    modelled.add(round(1000, 0.3, 0.6));
    modelled.add(round(2000, 0.4, 0.7));
    modelled.add(round(3000));
    modelled.add(round(4000, undefined, 0.99));
    modelled.add(round(5000, 0.8, 0.9));
    modelled.add(round(6000, 0.1, 0.1));
    expect(modelled.times()).toEqual({
      seconds: 6,
      toAccuracy: [
        { accuracy: 0.5, mean: 2, worst: 5 },
        { accuracy: 0.8, mean: 5, worst: 5 },
      ],
    });
    expect(ACCURACY_MARKS).toEqual([0.5, 0.8, 0.9, 0.95]);
  });
});
