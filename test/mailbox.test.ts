import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createMailbox, MAX_ROUNDS_AHEAD } from "../src/mailbox.js";
import { permutation, random } from "../src/random.js";
import { createMemoryTransports } from "../src/transports/memory.js";

const payload = (from: number, round: number) => Uint8Array.of(from, round);

describe("a mailbox", () => {
  it("hands out every round once and in neighbour order, however frames of two rounds are interleaved", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const [own, ...others] = createMemoryTransports(4, 16);
        const mailbox = createMailbox(own!, [1, 2, 3]);
        for (let round = 0; round < 6; round += 2) {
          // Every neighbour is a round ahead, and keeps its own order.
          const order = permutation(6, random(seed, round)).map((k) => k % 3);
          const next = [round, round, round];
          for (const k of order) {
            await others[k]!.send(0, {
              kind: "exchange",
              round: next[k]!,
              payload: payload(k + 1, next[k]!),
            });
            next[k]!++;
          }
          for (const expected of [round, round + 1]) {
            expect(await mailbox.collect(expected)).toEqual([1, 2, 3].map((from) => payload(from, expected)));
          }
        }
        expect(mailbox.takeRefusals()).toEqual([]);
      }),
    );
  });

  it("refuses what is late, too far ahead, sent twice or from a stranger, says so once, and goes on", async () => {
    const [own, neighbour, stranger] = createMemoryTransports(3, 16);
    const mailbox = createMailbox(own!, [1]);
    const send = (transport = neighbour!, round: number, mark = 0) =>
      transport.send(0, { kind: "exchange", round, payload: payload(mark, round) });
    await send(neighbour, 4);
    await send(neighbour, 5 + MAX_ROUNDS_AHEAD + 1);
    await send(stranger, 5);
    await send(neighbour, 5 + MAX_ROUNDS_AHEAD, 1);
    await send(neighbour, 5 + MAX_ROUNDS_AHEAD, 2);
    await send(neighbour, 5);
    expect(await mailbox.collect(5)).toEqual([payload(0, 5)]);
    expect(mailbox.takeRefusals()).toEqual([
      { from: 1, reason: "frame of round 4 arrived in round 5" },
      { from: 1, reason: "frame of round 7 arrived in round 5" },
      { from: 2, reason: "peer 2 is no neighbour of this peer" },
      { from: 1, reason: "second frame of round 6" },
    ]);
    expect(mailbox.takeRefusals()).toEqual([]);
    expect(await mailbox.collect(6)).toEqual([payload(1, 6)]);
  });

  it("stops waiting when the transport is closed", async () => {
    const [own] = createMemoryTransports(2, 16);
    const waiting = createMailbox(own!, [1]).collect(0);
    await own!.close();
    expect(await waiting).toBeUndefined();
  });
});

describe("a memory transport", () => {
  it("counts the bytes of whole frames at both ends", async () => {
    const [a, b] = createMemoryTransports(2, 100);
    await a!.send(1, { kind: "exchange", round: 0, payload: new Uint8Array(92) });
    await a!.send(1, { kind: "exchange", round: 1, payload: new Uint8Array(0) });
    const none = { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 };
    expect(a!.traffic(1)).toEqual({ ...none, bytesSent: 108, messagesSent: 2 });
    expect(b!.traffic(0)).toEqual({ ...none, bytesReceived: 108, messagesReceived: 2 });
  });

  it("keeps a payload as it was sent, also when the sender goes on writing to it", async () => {
    const [a, b] = createMemoryTransports(2, 100);
    const shared = Uint8Array.of(1, 2, 3);
    await a!.send(1, { kind: "exchange", round: 0, payload: shared });
    shared.fill(0);
    expect((await b!.receive())!.frame.payload).toEqual(Uint8Array.of(1, 2, 3));
  });

  it("refuses payloads beyond its limit and peers that are not there", async () => {
    const [a] = createMemoryTransports(2, 3);
    const frame = { kind: "exchange", round: 0, payload: new Uint8Array(4) } as const;
    await expect(a!.send(1, frame)).rejects.toThrow(/limit of 3/);
    await expect(a!.send(2, { ...frame, payload: new Uint8Array(3) })).rejects.toThrow(/there are 2 peers/);
  });
});
