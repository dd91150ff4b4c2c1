/** Running statistics of a mean model: those of all peers' examples together, wherever it is evaluated or saved. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { pooledStatistics } from "../src/vectors/statistics.js";
import { endAll, murmur } from "./support/processes.js";
import { newFolder } from "./support/runs.js";

afterEach(endAll);

const numbers = fc.float({ min: -100, max: 100, noNaN: true });

describe("pooled statistics", () => {
  it("of equal peers are those of each", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(numbers, fc.float({ min: 0, max: 100, noNaN: true })), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.integer({ min: 1, max: 9 }),
        (pairs, peers) => {
          const own = {
            "bn/moving_mean": Float32Array.from(pairs, ([mean]) => mean),
            "bn/moving_variance": Float32Array.from(pairs, ([, variance]) => variance),
          };
          const pooled = pooledStatistics(Array.from({ length: peers }, () => own));
          for (const [name, values] of Object.entries(own)) {
            values.forEach((value, k) => {
              expect(Math.abs(pooled[name]![k]! - value)).toBeLessThanOrEqual(1e-5 * Math.abs(value) + 1e-9);
            });
          }
        },
      ),
    );
  });

  it("of peers with equally many examples are those of all examples together", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(numbers, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 6 }),
        (examples) => {
          const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
          const varianceOf = (values: readonly number[]) => {
            const mean = meanOf(values);
            return meanOf(values.map((value) => (value - mean) ** 2));
          };
          const peers = examples.map((own) => ({
            "bn/moving_mean": Float32Array.of(meanOf(own)),
            "bn/moving_variance": Float32Array.of(varianceOf(own)),
          }));
          const pooled = pooledStatistics(peers);
          const all = examples.flat();
          expect(pooled["bn/moving_mean"]![0]).toBeCloseTo(meanOf(all), 2);
          const variance = varianceOf(all);
          expect(Math.abs(pooled["bn/moving_variance"]![0]! - variance)).toBeLessThan(1e-3 * variance + 1e-2);
        },
      ),
    );
  });
});

describe("a run of a model with batch normalisation", () => {
  const model = new URL("./support/normalised-model.mjs", import.meta.url).pathname;
  const settings = ["--model", "module", "--model.path", model, "--rounds", "60", "--learning-rate", "0.2"];
  const ring = new URL("../topologies/ring-4.json", import.meta.url).pathname;

  /** Accuracies of the graph's log in the last round: of the mean model, and of the peers. */
  function accuraciesIn(folder: string) {
    const lines = (name: string) =>
      readFileSync(join(folder, name), "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
    const mean = lines("graph.jsonl").findLast((line) => line.meanEvaluation);
    const peers = [0, 1, 2, 3].map(
      (peer) => lines(`peer-${peer}.jsonl`).findLast((line) => line.evaluation).evaluation.accuracy as number,
    );
    return { mean: mean.meanEvaluation.accuracy as number, isPooled: mean.hasPooledStatistics, peers };
  }

  it("evaluates its mean model with the statistics of all peers, in the simulator and in processes alike", () => {
    const folder = newFolder();
    const [simulated, processes] = [join(folder, "simulated"), join(folder, "processes")];
    for (const [command, out] of [
      ["simulate", simulated],
      ["up", processes],
    ] as const) {
      const { status, stderr } = murmur(command, ring, ...settings, "--out", out, "--save", `${out}-model`);
      expect(status, stderr).toBe(0);
    }
    const [ours, theirs] = [accuraciesIn(simulated), accuraciesIn(processes)];
    expect(ours).toEqual(theirs);
    expect(ours.isPooled).toBe(true);
    const median = ours.peers.toSorted((a, b) => a - b)[1]!;
    expect(ours.mean).toBeGreaterThan(median - 0.05);
    expect(ours.mean).toBeGreaterThan(0.5);
  });
});
