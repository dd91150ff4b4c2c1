import { afterEach, describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import type { Transport } from "../src/exchange/transport.js";
import { stoppedClock } from "../src/foundation/clock.js";
import { createPeer } from "../src/peer.js";
import { createMemoryTransports } from "../src/transports/memory.js";
import { createLayout } from "../src/vectors/layout.js";
import { join, members } from "./support/network.js";
import { functionTrainer, plainDescent } from "./support/trainers.js";

const open: { close(): Promise<void> }[] = [];
const keep = async <T extends { close(): Promise<void> }>(coming: Promise<T>): Promise<T> => {
  const transport = await coming;
  open.push(transport);
  return transport;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()));
});

describe("a run of peers", () => {
  const peers = 5;
  const layout = createLayout([{ name: "x", shape: [7] }]);

  /** DeepSqueeze on a ring, where every peer pulls towards its own point; the models at the end. */
  async function run(transports: readonly Transport[]): Promise<number[][]> {
    const all = transports.map((_, id) =>
      createPeer({
        id,
        neighbours: ring(id).map((peer) => ({ peer, weight: 1 / 3 })),
        trainer: functionTrainer(
          layout,
          (model) => model.fill(0),
          (point, k, round) => point[k]! - Math.sin(id + k + round),
        ),
        plan: {
          seed: 3,
          algorithm: algorithms.deepsqueeze,
          compressor: { kind: "sign", scope: "whole", block: 64 },
          rounds: 12,
          learningRate: () => 0.1,
          ...plainDescent,
          consensusRate: () => 0.5,
          closingRates: [0.9, 0.7],
          evaluateEvery: 0,
        },
      }),
    );
    await Promise.all(
      all.map(async (peer) => {
        const transport = transports[peer.id]!;
        for await (const { traffic } of peer.run({ transport, clock: stoppedClock })) {
          expect(traffic.length).toBe(2);
        }
        await transport.close();
      }),
    );
    return all.map(({ model }) => [...model]);
  }
  const ring = (id: number) => [(id + 1) % peers, (id + peers - 1) % peers].sort();

  it("ends with the same models to the bit over libp2p as in memory, whatever the order of starting", async () => {
    const topology = await members(peers);
    const order = [3, 0, 4, 2, 1];
    const transports: Transport[] = [];
    for (const id of order) transports[id] = await keep(join(topology, id, { neighbours: ring(id) }));
    expect(await run(transports)).toEqual(await run(createMemoryTransports(peers, 1000)));
  });
});
