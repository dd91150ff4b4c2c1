import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { compressorSettings, createCompressor } from "../src/compressors/index.js";
import type { Transport } from "../src/exchange/transport.js";
import { stoppedClock } from "../src/foundation/clock.js";
import { MalformedPayload } from "../src/foundation/errors.js";
import { random } from "../src/foundation/random.js";
import { createPeer, type Peer, type Plan } from "../src/peer.js";
import { createMemoryTransports } from "../src/transports/memory.js";
import { createLayout } from "../src/vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../src/vectors/vector.js";
import { expectRejection } from "./support/errors.js";
import { join, members } from "./support/network.js";
import { plainDescent, updateTrainer } from "./support/trainers.js";

const layout = createLayout([{ name: "x", shape: [6] }]);
const exchanging = Object.values<AlgorithmKind>(algorithms).filter(({ sends }) => sends !== "nothing");
const sign = compressorSettings.parse({ kind: "sign", scope: "whole" });

/** Peer 0 between two neighbours; its model starts at 1 and learning adds 1 a round. */
function middle(algorithm: AlgorithmKind, plan: Partial<Plan> = {}): Peer {
  return createPeer({
    id: 0,
    neighbours: [1, 2].map((peer) => ({ peer, weight: 0.25 })),
    trainer: updateTrainer(
      layout,
      () => 1,
      () => 1,
    ),
    plan: {
      ...{ seed: 1, algorithm, compressor: sign, rounds: 3, ...plainDescent, closingRates: [1, 1] },
      ...{ learningRate: () => 1, consensusRate: () => 0.5, evaluateEvery: 0, ...plan },
    },
  });
}

/** Runs until nothing more can happen, then closes the transport. */
async function stopped(peer: Peer, transport: Transport): Promise<number> {
  const next = peer.run({ transport, clock: stoppedClock }).next();
  await new Promise((resolve) => setImmediate(resolve));
  await transport.close();
  const { value, done } = await next;
  expect([value, done]).toEqual([undefined, true]);
  return peer.model.length;
}

describe("a run that stops while it waits", () => {
  for (const algorithm of exchanging) {
    it(`keeps its model with ${algorithm.name}: what it was, and what it learned since`, async () => {
      const peer = middle(algorithm);
      const [transport] = createMemoryTransports(3, 10_000);
      await stopped(peer, transport!);
      // Where compressed updates are what moves models, none has yet.
      if (!algorithm.movesMean) expect([...peer.point]).toEqual([2, 2, 2, 2, 2, 2]);
      expect(peer.point.every(Number.isFinite)).toBe(true);
      for (const vector of Object.values(peer.state.vectors))
        expect(vector.every(Number.isFinite)).toBe(true);
    });
  }

  it("keeps its model in the closing consensus", async () => {
    const peer = middle(algorithms.alone, { rounds: 1 });
    const [transport] = createMemoryTransports(3, 10_000);
    const run = peer.run({ transport: transport!, clock: stoppedClock });
    expect((await run.next()).value).toMatchObject({ kind: "learning" });
    const closing = run.next();
    await new Promise((resolve) => setImmediate(resolve));
    await transport!.close();
    expect((await closing).done).toBe(true);
    expect([...peer.model]).toEqual([2, 2, 2, 2, 2, 2]);
  });
});

describe("a malformed payload", () => {
  const space = createVectorSpace(spaceBytes(8, layout.length, 1 << 16));
  const good = (() => {
    const compressor = createCompressor(sign, { layout, space });
    return compressor.squeeze(space.vector(layout.length).fill(10), random(0)).slice();
  })();
  const bad = Uint8Array.of(1, 2, 3);
  const frame = (payload: Uint8Array) =>
    ({ kind: "learning", round: 0, step: 0, exchange: 0, payload }) as const;

  it("ends a run that needs every edge before any neighbour is mixed, with the peer and the round, and counts", async () => {
    for (const order of [
      [1, 2],
      [2, 1],
    ]) {
      const peer = middle(algorithms.choco);
      const transports = createMemoryTransports(3, 10_000);
      const refused: [number, string][] = [];
      const transport: Transport = {
        ...transports[0]!,
        refuse: (peer, reason) => refused.push([peer, reason]),
      };
      for (const id of order) transports[id]!.send(0, frame(id === 1 ? good : bad));
      const next = peer.run({ transport, clock: stoppedClock }).next();
      await expectRejection(next, MalformedPayload, { code: "payload-refused", peer: 0, neighbour: 2 });
      expect([...peer.model]).toEqual([2, 2, 2, 2, 2, 2]);
      expect(refused).toEqual([[2, expect.stringMatching(/malformed payload in round 1/)]]);
    }
  });

  it("counts as a violation of the neighbour on its link", async () => {
    const topology = await members(2);
    const [one, other] = await Promise.all([0, 1].map((id) => join(topology, id)));
    await Promise.all([one!.ready(), other!.ready()]);
    const peer = createPeer({
      id: 0,
      neighbours: [{ peer: 1, weight: 0.5 }],
      trainer: updateTrainer(
        layout,
        () => 1,
        () => 1,
      ),
      plan: {
        ...{ seed: 1, algorithm: algorithms.choco, compressor: sign, rounds: 3, ...plainDescent },
        ...{ learningRate: () => 1, consensusRate: () => 0.5, evaluateEvery: 0, closingRates: [] },
      },
    });
    const next = peer.run({ transport: one!, clock: stoppedClock }).next();
    other!.send(0, frame(bad));
    await expectRejection(next, MalformedPayload, { code: "payload-refused", peer: 0, neighbour: 1 });
    expect(one!.refusals(1)).toBe(1);
    await Promise.all([one!.close(), other!.close()]);
  });
});
