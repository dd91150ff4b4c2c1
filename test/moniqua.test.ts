import { describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { simulate } from "../src/runs/simulate.js";
import { createLayout } from "../src/vectors/layout.js";
import { createGossip, largestDifference } from "./support/gossip.js";

const ring8 = parseTopology({ graph: { kind: "ring", peers: 8 } }, "ring-8");
const { mixing } = ring8;
const wide = createLayout([{ name: "x", shape: [1000] }]);
const compressor = { kind: "identity" } as const;

describe("Moniqua", () => {
  it("trains as D-PSGD does on digits by label, at η = 1, with a sixth of the bytes", async () => {
    const train = async (algorithm: string) => {
      const experiment = parseExperiment({
        ...{ algorithm, consensusRate: 1, rounds: 250, learningRate: 0.3, closingRounds: 0 },
        ...{ evaluateEvery: 0, split: { kind: "shards", classesPerPeer: 2 } },
      });
      const simulation = await simulate(ring8, experiment);
      let last: { mean: number; worst: number; bytes: number } | undefined;
      for await (const { reports, meanEvaluation } of simulation.run()) {
        const accuracies = reports.map(({ evaluation }) => evaluation?.accuracy ?? 0);
        const bytes = reports[0]!.traffic[0]!.bytesSent;
        last = { mean: meanEvaluation?.accuracy ?? 0, worst: Math.min(...accuracies), bytes };
      }
      simulation.dispose();
      return last!;
    };
    const [exact, ours] = [await train("dpsgd"), await train("moniqua")];
    expect(exact.mean).toBeGreaterThan(0.8);
    expect(Math.abs(ours.mean - exact.mean)).toBeLessThan(0.01);
    expect(ours.worst).toBeGreaterThan(exact.worst - 0.02);
    expect(exact.bytes / ours.bytes).toBeGreaterThan(6);
  });

  it("mixes no block that is out of range, warns, and finds it again", async () => {
    // Peer 3 moves away by 1000 at once, far out of every range, and models stay where they are after that.
    const rounds = 200;
    const gossip = createGossip({
      ...{ mixing, layout: wide, algorithm: algorithms.moniqua, compressor, rate: 1, rounds, seed: 5 },
      update: (peer, _, round) => (peer === 3 && round === 40 ? 1000 : 0),
    });
    const mean = gossip.mean();
    const warnings: string[] = [];
    for (let round = 0; round < 41; round++) await gossip.round();
    const [second, third] = [gossip.models[2]!, gossip.models[3]!];
    expect(
      largestDifference(
        gossip.mean(),
        mean.map((x) => x + 125),
      ),
    ).toBeLessThan(1e-3);
    expect(Math.min(...third) - Math.max(...second)).toBeGreaterThan(980);
    for (let reports = await gossip.round(); reports; reports = await gossip.round()) {
      warnings.push(...reports.flatMap((report) => report.warnings ?? []));
    }
    expect(warnings.join("\n")).toMatch(/^\d+ % of the neighbours' blocks did not verify/);
    expect(gossip.consensusDistance()).toBeLessThan(1e-3);
    expect(
      largestDifference(
        gossip.mean(),
        mean.map((x) => x + 125),
      ),
    ).toBeLessThan(5e-3);
  });
});
