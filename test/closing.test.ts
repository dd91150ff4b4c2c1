import { describe, expect, it } from "vitest";
import { alone } from "../src/algorithms/alone.js";
import { closingPayloadBytes, MAX_CLOSING_LENGTH, totalRounds } from "../src/algorithms/closing.js";
import { FRAME_HEADER_BYTES } from "../src/exchange/frame.js";
import { closingRates } from "../src/graphs/closing-rates.js";
import { spectrum } from "../src/graphs/spectrum.js";
import { parseTopology } from "../src/graphs/topology.js";
import type { Plan } from "../src/peer.js";
import { createSimulation } from "../src/runs/simulate.js";
import { createLayout } from "../src/vectors/layout.js";
import { functionTrainer, plainDescent } from "./support/trainers.js";

/** A chain of three with a model of so many numbers, different at every peer, that nobody learns from. */
function chain(length: number) {
  const trainer = (peer: number) =>
    functionTrainer(
      createLayout([{ name: "numbers", shape: [length] }]),
      (model) => {
        for (let k = 0; k < length; k++) model[k] = peer * (1 + (k % 7));
      },
      () => 0,
    );
  const { mixing } = parseTopology({ graph: { kind: "chain", peers: 3 } }, "test");
  const { rates } = closingRates(spectrum(mixing));
  const plan: Plan = {
    seed: 1,
    algorithm: alone,
    compressor: { kind: "identity" },
    rounds: 1,
    learningRate: () => 0,
    ...plainDescent,
    consensusRate: () => 1,
    closingRates: rates,
    evaluateEvery: 0,
  };
  return {
    plan,
    ...createSimulation({ neighbours: mixing.neighbours, plan, trainers: [0, 1, 2].map(trainer) }),
  };
}

describe("closing consensus", () => {
  it("goes over a model that is too long for one payload part by part, to the mean of all models", async () => {
    const length = MAX_CLOSING_LENGTH + 3;
    const { plan, peers, run } = chain(length);
    const payloads: number[] = [];
    let before = 0;
    for await (const { kind, reports } of run()) {
      const sent = reports[0]!.traffic[0]!.bytesSent;
      if (kind === "closing") payloads.push(sent - before);
      before = sent;
    }
    // Two eigenvalues beside 1, so two exchanges for each of the two parts.
    const header = FRAME_HEADER_BYTES;
    const [first, last] = [closingPayloadBytes(length), 12].map((bytes) => bytes + header);
    expect(payloads).toEqual([first, first, last, last]);
    expect(totalRounds(plan, length)).toBe(1 + 4);

    // The mean of 0, 1 and 2 times the same.
    for (const { model } of peers) {
      const worst = model.reduce((most, x, k) => Math.max(most, Math.abs(x - (1 + (k % 7)))), 0);
      expect(worst).toBeLessThan(1e-5);
    }
  });

  it("takes a model that fits in one payload whole", () => {
    const plan = { rounds: 10, closingRates: [1, 2, 3] };
    expect(totalRounds(plan, MAX_CLOSING_LENGTH)).toBe(13);
    expect(totalRounds(plan, MAX_CLOSING_LENGTH + 1)).toBe(16);
    expect(closingPayloadBytes(1000)).toBe(4000);
  });
});
