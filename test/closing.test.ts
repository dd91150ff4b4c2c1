import { describe, expect, it } from "vitest";
import { closingPayloadBytes, MAX_CLOSING_LENGTH, totalRounds } from "../src/closing.js";
import { parseExperiment } from "../src/experiment.js";
import { simulate } from "../src/simulate.js";
import { parseTopology } from "../src/topology.js";

const topology = parseTopology({ graph: { kind: "chain", peers: 3 } }, "test");
const run = (dimension: number) =>
  simulate(
    topology,
    parseExperiment({
      trainer: { kind: "quadratic", dimension },
      compressor: "sign",
      rounds: 2,
      evaluateEvery: 0,
    }),
  );

describe("closing consensus", () => {
  it("goes over a model that is too long for one payload part by part, to the mean of all models", async () => {
    const length = MAX_CLOSING_LENGTH + 3;
    const simulation = await run(length);
    const rounds = simulation.run();
    for (let round = 0; round < 2; round++) await rounds.next();
    const models = simulation.peers.map(({ model }) => model);
    // Around where the parts meet, and at both ends.
    const places = [0, 1, MAX_CLOSING_LENGTH - 1, MAX_CLOSING_LENGTH, length - 1];
    const means = places.map((k) => models.reduce((sum, model) => sum + model[k]!, 0) / models.length);
    expect(models[0]![0]).not.toBeCloseTo(means[0]!, 3);

    const payloads: number[] = [];
    let before = [0, 0, 0];
    for await (const { kind, reports } of rounds) {
      expect(kind).toBe("closing");
      const sent = reports.map(({ traffic }) => traffic.reduce((sum, { bytesSent }) => sum + bytesSent, 0));
      payloads.push(sent[0]! - before[0]!);
      before = sent;
    }
    // Three eigenvalues, so two exchanges for each of the two parts.
    const { closingRates } = simulation.plan;
    expect(closingRates).toHaveLength(2);
    expect(totalRounds(simulation.plan, length)).toBe(2 + 4);
    const whole = closingPayloadBytes(length);
    expect(whole).toBe(4 * MAX_CLOSING_LENGTH);
    expect(payloads.slice(1)).toEqual([whole, 12, 12].map((bytes) => bytes + payloads[1]! - whole));
    for (const [at, k] of places.entries()) {
      for (const model of models) expect(model[k]).toBeCloseTo(means[at]!, 4);
    }
    for (const model of models) {
      const apart = model.reduce((most, x, k) => Math.max(most, Math.abs(x - models[0]![k]!)), 0);
      expect(apart).toBeLessThan(1e-4);
    }
    simulation.dispose();
  });

  it("takes a model that fits in one payload whole", () => {
    const plan = { rounds: 10, closingRates: [1, 2, 3] };
    expect(totalRounds(plan, MAX_CLOSING_LENGTH)).toBe(13);
    expect(totalRounds(plan, MAX_CLOSING_LENGTH + 1)).toBe(16);
    expect(closingPayloadBytes(1000)).toBe(4000);
  });
});
