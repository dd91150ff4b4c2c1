import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createStopper, type Stopper } from "../src/early-stopping.js";
import { divergedAt } from "../src/foundation/diverged.js";
import { Diverged, InvalidExperiment } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { createSimdKernels } from "../src/kernels/simd.js";
import type { RoundReport } from "../src/observing/report.js";
import { judge } from "../src/peer-phases.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createCheckpointFolder } from "../src/runs/node/checkpoints/folder.js";
import { generateIdentity, joinRun } from "../src/runs/node/network.js";
import { type SimulationRound, simulate } from "../src/runs/simulate.js";
import { createVectorSpace } from "../src/vectors/vector.js";
import { expectError, expectRejection } from "./support/errors.js";
import { memoryAddress, quick } from "./support/network.js";
import { murmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-stopping-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Learns so fast that the loss goes up and down. */
const restless = {
  ...{ model: "softmax", batchSize: 8 },
  ...{ learningRate: 1, rounds: 200, evaluateEvery: 2, projectEvery: 0, seed: 3 },
};
const ring = parseTopology({ graph: { kind: "ring", peers: 4 } }, "test");

async function run(settings: object, topology = ring) {
  const simulation = await simulate(topology, parseExperiment({ ...restless, ...settings }));
  const rounds: SimulationRound[] = [];
  const models: number[][][] = [];
  for await (const round of simulation.run()) {
    rounds.push(round);
    models.push(simulation.peers.map(({ point }) => [...point]));
  }
  simulation.dispose();
  return { rounds, models, learning: rounds.filter(({ kind }) => kind === "learning") };
}

describe("peers that stop early", () => {
  const earlyStopping = { patience: 3, minimumImprovement: 0.01 };

  it("decide alike, by the mean of their held-out losses", async () => {
    const { learning, rounds } = await run({ earlyStopping });
    let least = Number.POSITIVE_INFINITY;
    let mark = Number.POSITIVE_INFINITY;
    let bestRound = -1;
    let since = 0;
    for (const { round, reports } of learning) {
      const [first] = reports;
      for (const { agreedLoss } of reports) expect(agreedLoss).toEqual(first!.agreedLoss);
      if (!first!.agreedLoss) continue;
      const { meanLoss } = first!.agreedLoss;
      const isEnd = round === learning.at(-1)!.round;
      // The last report is of the model that is kept.
      if (!isEnd) {
        const mean = reports.reduce((sum, { evaluation }) => sum + evaluation!.loss, 0) / reports.length;
        expect(meanLoss).toBeCloseTo(mean, 12);
      }
      if (meanLoss < least) [least, bestRound] = [meanLoss, round];
      if (meanLoss < mark - 0.01) [mark, since] = [meanLoss, 0];
      else since++;
      expect(first!.agreedLoss.bestRound).toBe(bestRound);
      expect(first!.agreedLoss.isLast === true).toBe(since >= 3);
      expect(isEnd).toBe(since >= 3);
    }
    expect(bestRound).toBeGreaterThan(0);
    expect(learning.length).toBeLessThan(200);
    // Then comes the closing consensus, in the rounds that it has anyway.
    expect(rounds.filter(({ kind }) => kind === "closing").map(({ round }) => round)).toEqual([200, 201]);
  });

  it("end with the models of the best evaluation, and learn nothing else on the way", async () => {
    const plain = await run({});
    const best = await run({ earlyStopping: { patience: 3 } });
    const last = await run({ earlyStopping: { patience: 3, keep: "last" } });
    const { bestRound } = best.learning.at(-1)!.reports[0]!.agreedLoss!;
    const end = best.learning.length - 1;
    expect(end).toBeGreaterThan(bestRound);
    expect(best.models.slice(0, end)).toEqual(plain.models.slice(0, end));
    expect(last.models.slice(0, end + 1)).toEqual(plain.models.slice(0, end + 1));
    expect(best.models[end]).toEqual(plain.models[bestRound]);
    for (const [peer, { evaluation, modelNorm }] of best.learning[end]!.reports.entries()) {
      const kept = plain.learning[bestRound]!.reports[peer]!;
      expect([evaluation, modelNorm]).toEqual([kept.evaluation, kept.modelNorm]);
    }
  });

  it("end with the best models too where learning takes all rounds", async () => {
    const { learning, models } = await run({
      earlyStopping: { patience: 1000 },
      rounds: 30,
      closingRounds: 0,
    });
    const { bestRound, isLast } = learning.at(-1)!.reports[0]!.agreedLoss!;
    expect([learning.length, isLast]).toEqual([30, undefined]);
    expect(models[29]).toEqual(models[bestRound]);
  });

  it("keep what belongs to the best model beside it, such as running statistics", async () => {
    const path = new URL("support/normalised-model.mjs", import.meta.url).pathname;
    const { learning } = await run({
      earlyStopping: { patience: 3 },
      model: { kind: "module", path },
      learningRate: 2,
      rounds: 80,
    });
    const { bestRound } = learning.at(-1)!.reports[0]!.agreedLoss!;
    expect(learning.at(-1)!.round).toBeGreaterThan(bestRound);
    for (const [peer, { evaluation }] of learning.at(-1)!.reports.entries()) {
      expect(evaluation).toEqual(learning[bestRound]!.reports[peer]!.evaluation);
    }
  });

  it("go on from a checkpoint to the same end, over a network", async () => {
    const identities = await Promise.all([0, 1, 2].map(generateIdentity));
    const topology = parseTopology(
      {
        graph: { kind: "ring", peers: 3 },
        peers: identities.map(({ peerId }, id) => ({ id, peerId, listen: [memoryAddress()] })),
      },
      "test",
    );
    const part = async (folder: string, stopAfter: number, resume: boolean) => {
      const experiment = parseExperiment({ ...restless, earlyStopping });
      const runs = await Promise.all(
        identities.map(async (identity, id) => {
          const store = await createCheckpointFolder(join(scratch, folder, String(id)), { warn() {} });
          return joinRun({
            ...{ topology, experiment, id, identity, deadlines: quick, deadlineMs: 60_000 },
            checkpoints: { store, every: 5, resume, warn() {} },
          });
        }),
      );
      const last = await Promise.all(
        runs.map(async (each) => {
          let report: RoundReport | undefined;
          for await (report of each) if (report.round + 1 === stopAfter) break;
          return report!.round;
        }),
      );
      const ended = runs.map((each, k) => [last[k], each.isComplete, each.modelDigest()]);
      await Promise.all(runs.map((each) => each.close()));
      return ended;
    };
    const whole = await part("whole", Number.POSITIVE_INFINITY, false);
    expect(whole[0]!.slice(0, 2)).toEqual([200, true]);
    await part("parts", 8, false);
    expect(await part("parts", Number.POSITIVE_INFINITY, true)).toEqual(whole);
  });

  it("say when they stopped, in processes as in the simulator", () => {
    const path = join(scratch, "ring.json");
    writeFileSync(path, JSON.stringify({ graph: { kind: "ring", peers: 3 } }));
    const settings = ["--model", "softmax", "--batch-size", "8", "--learning-rate", "1", "--rounds", "300"];
    const stopping = ["--evaluate-every", "2", "--early-stopping.patience", "2", "--json"];
    const [simulated, real] = ["simulate", "up"].map((verb) =>
      JSON.parse(murmur(verb, path, ...settings, ...stopping).stdout),
    );
    expect(simulated.stopping.lastRound).toBeLessThan(300);
    expect(simulated.stopping.bestRound).toBe(simulated.stopping.lastRound - 4);
    expect(real.stopping).toEqual(simulated.stopping);
    for (const peer of real.peers) expect(peer.stopping).toEqual(simulated.stopping);
  });

  it("say that learning diverged, with exit code 2, though the best models are saved", () => {
    const path = join(scratch, "diverging.json");
    writeFileSync(path, JSON.stringify({ graph: { kind: "ring", peers: 3 } }));
    const settings = ["--trainer", "quadratic", "--trainer.dimension", "20", "--learning-rate", "3"];
    const stopping = ["--rounds", "40", "--evaluate-every", "2", "--early-stopping.patience", "3", "--json"];
    for (const verb of ["simulate", "up"]) {
      const folder = join(scratch, `diverging-${verb}`);
      const { status, stdout } = murmur(verb, path, ...settings, ...stopping, "--save", folder);
      expect(status).toBe(2);
      const { verdict, stopping: stopped, models } = JSON.parse(stdout);
      expect([verdict.kind, stopped.keptBest, stopped.bestRound]).toEqual(["diverged", true, 2]);
      expect(models).toEqual([join(folder, "model.safetensors")]);
    }
  });

  it("begin to count anew when a newcomer was not there before", async () => {
    const identities = await Promise.all([0, 1, 2].map(generateIdentity));
    const peers = identities.map(({ peerId }, id) => ({ id, peerId, listen: [memoryAddress()] }));
    const topologyWith = (count: number) =>
      parseTopology({ graph: { kind: "chain", peers: count }, peers: peers.slice(0, count) }, "test");
    const experiment = parseExperiment({
      ...{ trainer: { kind: "quadratic", dimension: 30, noise: 3 }, learningRate: 0.05, seed: 4 },
      ...{ rounds: 60, evaluateEvery: 1, earlyStopping: { patience: 60 } },
    });
    const reportsOf = async (id: number, count: number): Promise<RoundReport[]> => {
      const run = await joinRun({
        ...{ topology: topologyWith(count), experiment, id, identity: identities[id]! },
        ...{ deadlines: quick, deadlineMs: 60_000, join: id === 2 },
      });
      const reports: RoundReport[] = [];
      for await (const report of run) {
        reports.push(report);
        if (id === 0 && report.round === 3) {
          run.propose({ kind: "join", peer: topologyWith(3).peers[2]!, neighbours: [1] });
        }
      }
      await run.close();
      return reports;
    };
    const all = await Promise.all([reportsOf(0, 2), reportsOf(1, 2), reportsOf(2, 3)]);
    const began = all[2]![0]!.round;
    for (const reports of all) {
      expect(reports.find(({ round }) => round === began)!.agreedLoss!.bestRound).toBe(began);
      expect(
        reports
          .map(({ agreedLoss }) => agreedLoss)
          .filter(Boolean)
          .at(-1),
      ).toEqual(
        all[2]!
          .map(({ agreedLoss }) => agreedLoss)
          .filter(Boolean)
          .at(-1),
      );
    }
  });

  it.each([
    [{ evaluateEvery: 0 }, "stopping-without-evaluations", "evaluateEvery"],
    [{ patience: 5 }, "stopping-with-patience", "earlyStopping"],
  ])("are refused with %o", async (settings, code, field) => {
    const experiment = parseExperiment({ ...restless, earlyStopping, ...settings });
    await expectRejection(simulate(ring, experiment), InvalidExperiment, { code, field });
  });
});

describe("a stopper", () => {
  const alone = (patience: number, branch: object = { children: [] }, minimumImprovement = 0): Stopper =>
    createStopper({
      ...{ id: 0, edges: [], branch: branch as never },
      plan: { rounds: 9, stopping: { patience, minimumImprovement, keep: "last" } },
      trainer: { state: async () => ({}), restore: async () => {} },
      ...{ point: new Float32Array(1), space: createVectorSpace(1 << 16, createSimdKernels) },
    })!;

  it("keeps the least loss, and gives time for improvements that count", async () => {
    const stopper = alone(3, { children: [] }, 0.5);
    const conclude = async (loss: number, round: number) => {
      expect(stopper.passes(loss).next().done).toBe(true);
      return await stopper.conclude(round);
    };
    expect(await conclude(4, 0)).toEqual({ meanLoss: 4, bestRound: 0 });
    expect(await conclude(3, 1)).toEqual({ meanLoss: 3, bestRound: 1 });
    expect(await conclude(2.8, 2)).toEqual({ meanLoss: 2.8, bestRound: 2 });
    expect(await conclude(2.9, 3)).toEqual({ meanLoss: 2.9, bestRound: 2 });
    expect(await conclude(2.7, 4)).toEqual({ meanLoss: 2.7, bestRound: 4, isLast: true });
    expect((await conclude(Number.MAX_VALUE, 5)).meanLoss).toBe(1e300);
  });

  it("is not asked about a loss that is not finite: the run has diverged", async () => {
    const diverged = (round: number, what: string, value: number) => {
      throw divergedAt(0, round, what, value);
    };
    const turn = { options: { plan: { rounds: 9 } }, parts: { stopper: alone(1), diverged }, round: 3 };
    const report = { kind: "learning", evaluation: { loss: Number.NaN } };
    await expectRejection(judge(turn as never, report as never), Diverged, { peer: 0, round: 3 });
  });

  it("needs a place in the tree", () => {
    expectError(() => alone(1, null as never), InvalidExperiment, { code: "stopping-without-tree" });
  });
});
