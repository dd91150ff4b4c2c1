import { describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { createPowerIteration } from "../src/algorithms/power-iteration.js";
import { compressorSettings } from "../src/compressors/index.js";
import { MalformedPayload } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { parseTopology } from "../src/graphs/topology.js";
import { createLayout } from "../src/vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../src/vectors/vector.js";
import { createGossip, type GossipOptions, initialNumbers, largestDifference } from "./support/gossip.js";
import { createMutator } from "./support/mutate.js";

const ring8 = parseTopology({ graph: { kind: "ring", peers: 8 } }, "ring-8");
const { mixing } = ring8;
const compressor = compressorSettings.parse({ kind: "identity" });
const matrix = createLayout([
  { name: "kernel", shape: [24, 16] },
  { name: "bias", shape: [16] },
]);

/** The consensus distance after given rounds, as a share of the first, and the bytes that peer 0 has sent on an edge. */
async function consensus(
  name: keyof typeof algorithms,
  at: readonly number[],
  options: Partial<GossipOptions> & Pick<GossipOptions, "layout">,
) {
  const gossip = createGossip({
    ...{ mixing, algorithm: algorithms[name], compressor, rate: 1, rounds: at.at(-1)!, seed: 5, ...options },
  });
  const [first, mean] = [gossip.consensusDistance(), gossip.mean()];
  const ratios: number[] = [];
  const bytes: number[] = [];
  for (let round = 1; await gossip.round(); round++) {
    if (!at.includes(round)) continue;
    ratios.push(gossip.consensusDistance() / first);
    bytes.push(gossip.transports[0]!.traffic(1).bytesSent);
  }
  return { ratios, bytes, drift: largestDifference(gossip.mean(), mean) };
}

describe("PowerGossip", () => {
  it("has no floor at η = 1: differences of full rank fall linearly to float32 rounding", async () => {
    const at = [150, 300, 450, 600, 1500];
    const { ratios, drift } = await consensus("powergossip", at, { layout: matrix });
    const factors = ratios.slice(1, 4).map((ratio, k) => ratio / ratios[k]!);
    for (const factor of factors) expect(factor).toBeLessThan(0.1);
    expect(ratios.at(-1)).toBeLessThan(1e-12);
    expect(drift).toBeLessThan(1e-5);
  });

  it("agrees with a sixth of exact gossip's bytes where models differ by matrices of low rank", async () => {
    const draws = random(3, "factors");
    const initial = (peer: number, k: number) =>
      k < 384 ? normal(draws, 100 * peer + (k % 16)) * normal(draws, 5000 + (k >> 4)) : 0;
    const exact = await consensus("dpsgd", [50], { layout: matrix, initial });
    const ours = await consensus("powergossip", [75], { layout: matrix, initial });
    expect(exact.ratios[0]).toBeLessThan(1e-9);
    expect(ours.ratios[0]).toBeLessThan(1e-9);
    expect(ours.bytes[0]! / exact.bytes[0]!).toBeLessThan(1 / 6);
  });

  it("has the same direction at both ends of an edge, to the bit, also when edges are skipped", async () => {
    const gossip = createGossip({
      ...{ mixing, layout: matrix, algorithm: algorithms.powergossip, compressor, rate: 0.8, rounds: 15 },
      edges: (a, b, round) => (a + b + round) % 3 > 0,
      update: (peer, k, round) => Math.sin(peer + 3 * k + round),
    });
    while (await gossip.round());
    for (const [id, { state }] of gossip.peers.entries()) {
      for (const { peer } of mixing.neighbours[id]!) {
        const theirs = gossip.peers[peer]!.state;
        expect(state.vectors[`direction ${peer}`]).toEqual(theirs.vectors[`direction ${id}`]);
        expect(state.scalars[`exchanges ${peer}`]).toBe(10);
      }
    }
  });

  it("starts a direction anew where two models agree", async () => {
    const alike = initialNumbers(1, 0);
    const gossip = createGossip({
      ...{ mixing, layout: matrix, algorithm: algorithms.powergossip, compressor, rate: 1, rounds: 8 },
      initial: (_, k) => alike(k),
    });
    const before = [...gossip.models[0]!];
    while (await gossip.round());
    for (const model of gossip.models) expect([...model]).toEqual(before);
    const direction = gossip.peers[0]!.state.vectors["direction 1"]!;
    expect(Math.hypot(...direction.subarray(0, 16))).toBeCloseTo(1, 5);
  });
});

describe("a payload of a power iteration", () => {
  it("that is damaged is refused or harmless", () => {
    const space = createVectorSpace(spaceBytes(8, 400, 4096));
    const power = createPowerIteration(matrix, space);
    const [model, direction] = [space.vector(matrix.length), space.vector(power.directionLength)];
    power.start(direction, "0 1 0");
    for (let k = 0; k < model.length; k++) model[k] = Math.sin(k);
    const whole = (["right", "left"] as const).map((side) => power.project(model, direction, side).slice());
    const mutator = createMutator(11);
    let refused = 0;
    for (let run = 0; run < 2000; run++) {
      const damaged = mutator.mutate(whole);
      try {
        power.check(damaged);
        expect(power.normBound(damaged)).toBeLessThan(1e40);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedPayload);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(200);
    expect(refused).toBeLessThan(2000);
  });
});
