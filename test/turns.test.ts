import { describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { type Clock, stoppedClock } from "../src/foundation/clock.js";
import { createTurns } from "../src/foundation/turns.js";
import type { RoundReport } from "../src/observing/report.js";
import { createSimulation } from "../src/runs/simulate.js";
import type { Trainer } from "../src/trainers/trainer.js";
import { createLayout } from "../src/vectors/layout.js";
import { functionTrainer, plainDescent } from "./support/trainers.js";

const GRADIENT_MS = 7;

/** A trainer whose gradients take time on a clock, each with a pause in which others may run. */
function slowTrainer(work: () => void, factor = 1): Trainer {
  const plain = functionTrainer(
    createLayout([{ name: "x", shape: [5] }]),
    (model) => model.fill(1),
    (point, k) => point[k]!,
  );
  return {
    ...plain,
    async gradient(point, out, step) {
      for (let k = 0; k < GRADIENT_MS * factor; k++) work();
      await Promise.resolve();
      return plain.gradient(point, out, step);
    },
  };
}

async function reportsOf(clock: Clock, trainers: readonly Trainer[], localSteps = 1) {
  const peers = trainers.length;
  const simulation = createSimulation({
    neighbours: trainers.map((_, i) => {
      return [(i + 1) % peers, (i + peers - 1) % peers].map((peer) => ({ peer, weight: 1 / 3 }));
    }),
    trainers,
    plan: {
      seed: 0,
      algorithm: algorithms.deepsqueeze,
      compressor: { kind: "sign", scope: "whole", block: 64 },
      rounds: 4,
      learningRate: () => 0.1,
      ...plainDescent,
      localSteps,
      consensusRate: () => 0.5,
      closingRates: [],
      evaluateEvery: 0,
    },
    clock,
  });
  const reports: RoundReport[] = [];
  for await (const round of simulation.run()) reports.push(...round.reports);
  return reports;
}

describe("the times of a simulation in lockstep", () => {
  it("are each peer's own work: equal for equal peers, in proportion for others, and nobody waits", async () => {
    let now = 0;
    const clock: Clock = { ...stoppedClock, now: () => now };
    const factors = [1, 1, 1, 3, 1, 1];
    const trainers = factors.map((factor) => slowTrainer(() => now++, factor));
    for (const localSteps of [1, 3]) {
      for (const { peer, time } of await reportsOf(clock, trainers, localSteps)) {
        expect(time.computeMs).toBe(GRADIENT_MS * factors[peer]! * localSteps);
        expect(time.waitMs).toBe(0);
        expect(time.waitedFor).toBeUndefined();
      }
    }
  });

  it("count every step of each peer's work, whatever else reads the clock", async () => {
    let now = 0;
    const clock: Clock = { ...stoppedClock, now: () => ++now };
    const trainers = Array.from({ length: 5 }, () => slowTrainer(() => now++));
    const reports = await reportsOf(clock, trainers);
    for (const part of ["computeMs", "compressMs", "mixMs"] as const) {
      expect(new Set(reports.map(({ time }) => time[part])).size).toBe(1);
    }
  });

  it("leave trainers of other processes side by side", async () => {
    let running = 0;
    let most = 0;
    const trainers = Array.from({ length: 4 }, (): Trainer => {
      const plain = slowTrainer(() => {});
      return {
        ...plain,
        computesElsewhere: true,
        async gradient(...call) {
          most = Math.max(most, ++running);
          const loss = await plain.gradient(...call);
          running--;
          return loss;
        },
      };
    });
    await reportsOf({ ...stoppedClock }, trainers);
    expect(most).toBe(4);
  });
});

describe("turns", () => {
  it("come in the order of the calls, after what followed the work before, and survive failures", async () => {
    const inTurn = createTurns();
    const seen: string[] = [];
    const task = async (name: string, fails = false) => {
      const turn = inTurn(async () => {
        seen.push(`${name} begins`);
        await Promise.resolve();
        if (fails) throw new Error(name);
      });
      await Promise.resolve(turn).catch(() => {});
      for (let k = 0; k < 3; k++) await Promise.resolve();
      seen.push(`${name} is done`);
    };
    await Promise.all([task("a"), task("b", true), task("c")]);
    expect(seen).toEqual(["a begins", "a is done", "b begins", "b is done", "c begins", "c is done"]);
  });
});
