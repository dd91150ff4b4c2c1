import { afterEach, describe, expect, it } from "vitest";
import { eventText } from "../src/cli/events.js";
import type { Durability } from "../src/exchange/transport.js";
import { createVirtualClock } from "../src/foundation/virtual-clock.js";
import { defaultDeadlines } from "../src/transports/libp2p/limits.js";
import { Kind, listOf, messageHeader } from "../src/transports/libp2p/messages.js";
import { createMemoryTransports } from "../src/transports/memory.js";
import { createSimulatedNetwork } from "../src/transports/simulated/network.js";
import { parseNetwork } from "../src/transports/simulated/settings.js";
import { createManualClock } from "./support/clock.js";
import { readEvents } from "./support/edge-events.js";
import {
  eventLog,
  frameOf,
  type HandPeer,
  handPeer,
  join,
  type Member,
  members,
  pattern,
  type TestPeer,
  transfer,
} from "./support/network.js";

const { lingerMs, absentMs, roundMs, heartbeatMs } = defaultDeadlines;
const frame = (round: number, size = 1000) => frameOf(round, pattern(size, round));

/** A process that goes on after so many frames each way. */
const goingOn = (sent: number, received: number): Durability => ({
  position: () => ({ sent, received }),
  keep() {},
});

/** Lets everything that is on its way inside this process arrive. */
const settle = async () => {
  for (let k = 0; k < 50; k++) await new Promise((resolve) => setImmediate(resolve));
};

/** A promise whose state can be seen. */
function watched(promise: Promise<void>) {
  const seen = { isOver: false, promise };
  void promise.then(() => {
    seen.isOver = true;
  });
  return seen;
}

describe("over libp2p, a peer that is done", () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  const joined = async (...parameters: Parameters<typeof join>): Promise<TestPeer> => {
    const peer = await join(...parameters);
    cleanups.push(() => peer.close());
    return peer;
  };
  afterEach(async () => {
    await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
  });

  /** Two peers that have exchanged a frame each way; the clock is that of peer 0. */
  async function pair(options: Parameters<typeof join>[2] = {}) {
    const topology = await members(2);
    const clock = createManualClock();
    const log = eventLog();
    const first = await joined(topology, 0, { clock, report: log.report, ...options });
    const second = await joined(topology, 1);
    await Promise.all([first.ready(), second.ready()]);
    await Promise.all([transfer(first, second, frame(0)), transfer(second, first, frame(0))]);
    return { topology, clock, log, first, second };
  }

  it.each([
    [0, 1],
    [1, 0],
  ])("stays until its neighbour is: peer %i before peer %i", async (earlier, later) => {
    const { first, second } = await pair();
    const peers = [first, second];
    const stay = watched(peers[earlier]!.finish!());
    await settle();
    expect(stay.isOver).toBe(false);
    // The other one still exchanges.
    await transfer(peers[later]!, peers[earlier]!, frame(1));
    await peers[later]!.finish!();
    await stay.promise;
    await Promise.all(peers.map((peer) => peer.close()));
  });

  it("does not wait for a neighbour that was done before, and has left", async () => {
    const { log, first, second } = await pair();
    void second.finish!();
    await settle();
    await second.close();
    await log.first("disconnected");
    await first.finish!();
  });

  it("acknowledges what a neighbour sends again after a crash; then both end", async () => {
    const { topology, clock, log, first, second } = await pair();
    const stay = watched(first.finish!());
    second.send(0, frame(1));
    await first.events.receive();
    await second.close();
    await log.first("disconnected");
    clock.advance(lingerMs - 1);
    // Its journal has neither the acknowledgement of its last frame nor the last frame of its neighbour.
    const again = await joined(topology, 1, { durability: goingOn(1, 1) });
    again.send(0, frame(1));
    await again.events.next("acknowledged");
    clock.advance(lingerMs);
    await settle();
    expect(stay.isOver).toBe(false);
    await again.finish!();
    await stay.promise;
    expect(first.traffic(1).messagesReceived).toBe(2);
  });

  it("leaves once a neighbour that went without a word is not back in time, and says whom it waits for", async () => {
    const { clock, log, first, second } = await pair();
    const stay = watched(first.finish!());
    await second.close();
    await log.first("disconnected");
    for (let passed = 0; passed < lingerMs - 1; passed += heartbeatMs) {
      expect(log.events.filter(({ kind }) => kind === "lingering")).toHaveLength(passed / heartbeatMs);
      clock.advance(Math.min(heartbeatMs, lingerMs - 1 - passed));
    }
    await settle();
    expect(stay.isOver).toBe(false);
    clock.advance(1);
    await stay.promise;
    const event = await log.first("lingering");
    expect(event).toEqual({ kind: "lingering", peer: 0, neighbour: 1, waitMs: lingerMs });
    expect(eventText(event)).toBe("peer 0 is done and waits up to 60 s for peer 1, which has not finished");
  });

  it("waits only briefly for a neighbour that it has never seen", async () => {
    const topology = await members(2);
    const clock = createManualClock();
    const alone = await joined(topology, 0, { clock, durability: goingOn(5, 5) });
    const stay = watched(alone.finish!());
    clock.advance(absentMs - 1);
    await settle();
    expect(stay.isOver).toBe(false);
    clock.advance(1);
    await stay.promise;
  });

  it("does not wait for ever for a neighbour that is connected and never done", async () => {
    const { clock, first } = await pair({ deadlines: { heartbeatMs: roundMs } });
    const stay = watched(first.finish!());
    clock.advance(roundMs - 1);
    await settle();
    expect(stay.isOver).toBe(false);
    clock.advance(1);
    await stay.promise;
  });

  it("stops waiting when it is closed, twice if need be; afterwards there is nothing to finish", async () => {
    const { first } = await pair();
    const stays = [first.finish!(), first.finish!()];
    await Promise.all([first.close(), first.close()]);
    await Promise.all(stays);
    await first.finish!();
    await first.close();
  });

  describe("and a hostile neighbour", () => {
    /** Peer 0, and what the hostile peer 1 has as the streams of the edge. */
    async function hostile(topology: readonly Member[], hand: HandPeer) {
      const log = eventLog();
      const peer = await joined(topology, 0, { report: log.report });
      const connection = await hand.connect(topology[0]!.dial[0]!, topology[0]!.identity.peerId);
      const toPeer = await hand.open(connection);
      return { log, peer, toPeer };
    }
    async function setup() {
      const topology = await members(2);
      const hand = await handPeer(topology[1]!.identity, 1, topology[1]!.dial);
      cleanups.push(() => hand.stop());
      return { hand, ...(await hostile(topology, hand)) };
    }

    it("that states done while frames are open changes nothing: they are exchanged all the same", async () => {
      const { hand, log, peer, toPeer } = await setup();
      toPeer.sendHello(hand.hello());
      await toPeer.hello;
      const fromPeer = await hand.accepted();
      await fromPeer.hello;
      fromPeer.sendHello(hand.hello({ sequence: 0 }));
      await log.first("connected");
      peer.send(1, frame(0));
      let length = 0;
      await new Promise<void>((resolve) =>
        fromPeer.listen({
          frame(_sequence, announced) {
            length = announced;
            // In the middle of a frame, on both streams, and more than once.
            for (const channel of [fromPeer, toPeer, fromPeer]) channel.send(Kind.done);
          },
          piece() {},
          bytes(part) {
            length -= part.length;
            if (length === 0) resolve();
          },
          ended() {},
        }),
      );
      await settle();
      expect(peer.events.seen).toEqual([]);
      fromPeer.send(Kind.taken, 1);
      await peer.events.next("acknowledged");
      await peer.finish!();
      expect(log.events.filter(({ kind }) => kind === "refused")).toEqual([]);
    });

    it.each([
      ["done before a hello", false, 0],
      ["message of kind 10 and 1 bytes is not valid in this protocol", true, 1],
    ])("is refused with %j", async (reason, hasHello, length) => {
      const { hand, log, toPeer } = await setup();
      if (hasHello) toPeer.sendHello(hand.hello());
      toPeer.sendList(listOf(messageHeader(Kind.done, length), new Uint8Array(length)));
      expect((await log.first("refused")).reason).toBe(reason);
    });
  });
});

describe("on a simulated network, a peer that is done", () => {
  const RECONNECT_MS = 200_000;
  const LATENCY_MS = 5;
  function network() {
    const clock = createVirtualClock();
    const simulated = createSimulatedNetwork({
      clock,
      settings: parseNetwork({ latencyMs: LATENCY_MS, reconnectMs: RECONNECT_MS }),
      neighbours: [[{ peer: 1 }], [{ peer: 0 }]],
      maximumPayloadBytes: 1000,
    });
    const at = (milliseconds: number) =>
      new Promise<void>((resolve) => clock.after(milliseconds - clock.now(), resolve));
    return { clock, simulated, at };
  }

  it.each([
    [0, 1],
    [1, 0],
  ])("stays until its neighbour is: peer %i before peer %i", async (earlier, later) => {
    const { clock, simulated, at } = network();
    const ends: [number, number][] = [];
    const peers = [0, 1].map(async (id) => {
      const transport = simulated.endpoint(id);
      await at(id === earlier ? 10 : 3000);
      await transport.finish!();
      ends.push([id, clock.now()]);
      await transport.close();
    });
    await clock.run(Promise.all(peers));
    expect(ends).toEqual([
      [later, 3000],
      [earlier, 3000 + LATENCY_MS],
    ]);
  });

  it("acknowledges what a neighbour sends again after a crash; then both end", async () => {
    const { clock, simulated, at } = network();
    const first = simulated.endpoint(0);
    const events = readEvents(first);
    const course = async () => {
      const second = simulated.endpoint(1);
      second.send(0, frameOf(0, pattern(10)));
      const stay = first.finish!();
      await events.receive();
      // The acknowledgement is on its way, and nothing of it is in the journal.
      simulated.crash(1);
      await at(50_000);
      const again = simulated.endpoint(1, goingOn(0, 0));
      again.send(0, frameOf(0, pattern(10)));
      await readEvents(again).next("acknowledged");
      await Promise.all([again.finish!(), stay]);
      await Promise.all([again.close(), first.close()]);
    };
    await clock.run(course());
    expect(clock.now()).toBeLessThan(51_000);
    expect(events.seen.filter(({ kind }) => kind === "frame")).toHaveLength(1);
  });

  it.each([
    ["went without a word", 60_000, true],
    ["it has never seen", 10_000, false],
  ])("leaves when a neighbour that %s is not there after %i ms", async (_, waitMs, wasThere) => {
    const { clock, simulated, at } = network();
    const course = async () => {
      const first = simulated.endpoint(0);
      if (wasThere) simulated.endpoint(1);
      await at(100);
      simulated.crash(1);
      await first.finish!();
      await first.close();
      await first.close();
    };
    await clock.run(course());
    expect(clock.now()).toBe(100 + waitMs);
  });

  it("does not wait for ever for a neighbour that is connected and never done, or when it is closed", async () => {
    const { clock, simulated } = network();
    const first = simulated.endpoint(0);
    const second = simulated.endpoint(1);
    await clock.run(first.finish!());
    expect(clock.now()).toBe(RECONNECT_MS);
    const stay = second.finish!();
    await second.close();
    await clock.run(stay);
    await first.close();
    await clock.run(first.finish!());
    expect(clock.now()).toBe(RECONNECT_MS);
  });
});

it("in one process nobody is waited for", async () => {
  const [first] = createMemoryTransports(2, 1000);
  await first!.finish!();
});
