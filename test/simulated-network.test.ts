import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFrame, FRAME_HEADER_BYTES, type Frame } from "../src/exchange/frame.js";
import { type Durability, type EdgeEvent, notDurable, type Transport } from "../src/exchange/transport.js";
import { IdentityInUse, InvalidNetwork, Unreachable } from "../src/foundation/errors.js";
import { random } from "../src/foundation/random.js";
import { createVirtualClock, type VirtualClock } from "../src/foundation/virtual-clock.js";
import type { Tamper } from "../src/transports/simulated/lane.js";
import { createSimulatedNetwork, type SimulatedNetwork } from "../src/transports/simulated/network.js";
import { networkJsonSchema, parseNetwork } from "../src/transports/simulated/settings.js";

const ring3 = [
  [{ peer: 1 }, { peer: 2 }],
  [{ peer: 0 }, { peer: 2 }],
  [{ peer: 0 }, { peer: 1 }],
];
const pair = [[{ peer: 1 }], [{ peer: 0 }]];

function frameOf(exchange: number, bytes = 100): Frame {
  const payload = Uint8Array.from({ length: bytes - FRAME_HEADER_BYTES }, (_, k) => 3 * k + exchange);
  return { kind: "learning", round: exchange, step: 0, exchange, payload };
}

/** An event, when it came, and what it was about. */
interface Seen {
  readonly at: number;
  readonly kind: EdgeEvent["kind"] | "closed";
  readonly peer?: number;
  readonly exchange?: number;
  readonly error?: unknown;
}

interface Setup {
  readonly settings?: object;
  readonly neighbours?: readonly (readonly { readonly peer: number }[])[];
  readonly tamper?: Tamper;
}

/** A network whose peers read every event at once and release every frame unless told otherwise. */
function networkOf({ settings = {}, neighbours = pair, tamper }: Setup = {}) {
  const clock = createVirtualClock();
  const network = createSimulatedNetwork({
    ...{ clock, neighbours, maximumPayloadBytes: 1e6, settings: parseNetwork(settings) },
    ...(tamper && { tamper }),
  });
  return {
    clock,
    network,
    start: (id: number, options?: Durability) => start(clock, network, id, options),
  };
}

function start(clock: VirtualClock, network: SimulatedNetwork, id: number, options?: Durability) {
  const transport = network.endpoint(id, options);
  const seen: Seen[] = [];
  transport.listen((event) => {
    seen.push({
      at: clock.now(),
      kind: event.kind,
      ...("peer" in event && { peer: event.peer }),
      ...(event.kind === "frame" && { exchange: event.frame.exchange }),
      ...(event.kind === "down" && { error: event.error }),
    });
    if (event.kind === "frame") event.release();
  });
  const of = (kind: Seen["kind"]) => seen.filter((each) => each.kind === kind);
  return { transport, seen, of, numbers: () => of("frame").map(({ exchange }) => exchange) };
}

/** Lets so much time pass. */
const pass = (clock: VirtualClock, milliseconds: number) =>
  clock.run(new Promise<void>((resolve) => clock.after(milliseconds, resolve)));

describe("time on a simulated network", () => {
  it("is bytes / bandwidth + latency to a frame, and the latency again to its confirmation", async () => {
    const { clock, start } = networkOf({ settings: { bandwidth: "8 kbit/s", latencyMs: 30 } });
    const [a, b] = [start(0), start(1)];
    for (const exchange of [0, 1]) a.transport.send(1, frameOf(exchange, 200));
    await pass(clock, 1000);
    // 200 bytes at a byte per millisecond; the second frame leaves when the first is confirmed.
    expect(b.of("frame").map(({ at }) => at)).toEqual([230, 490]);
    expect(a.of("acknowledged").map(({ at }) => at)).toEqual([260, 520]);
  });

  it("draws the jitter of every message anew, between nothing and all of it", async () => {
    const { clock, start } = networkOf({ settings: { latencyMs: 10, jitterMs: 5 } });
    const [a, b] = [start(0), start(1)];
    for (let exchange = 0; exchange < 50; exchange++) a.transport.send(1, frameOf(exchange));
    await pass(clock, 5000);
    const there = b.of("frame").map(({ at }, k) => at - (a.of("acknowledged")[k - 1]?.at ?? 0));
    expect(Math.min(...there)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...there)).toBeLessThanOrEqual(15);
    expect(new Set(there.map((delay) => delay.toFixed(3))).size).toBeGreaterThan(40);
  });

  it("is shared by the links of a peer with an uplink, frame by frame, and not by different peers", async () => {
    const settings = { uplink: "8 kbit/s", edges: [{ between: [0, 2], bandwidth: "4 kbit/s" }] };
    const { clock, start } = networkOf({ settings, neighbours: ring3 });
    const [a, b, c] = [start(0), start(1), start(2)];
    a.transport.send(1, frameOf(0));
    a.transport.send(2, frameOf(0));
    b.transport.send(2, frameOf(7));
    await pass(clock, 1000);
    expect(b.of("frame")).toMatchObject([{ at: 100, peer: 0 }]);
    expect(c.of("frame")).toMatchObject([
      { at: 100, peer: 1 },
      { at: 300, peer: 0 },
    ]);
  });

  it("is given back to the other links of an uplink when a connection breaks", async () => {
    const { clock, network, start } = networkOf({ settings: { uplink: "8 kbit/s" }, neighbours: ring3 });
    const [a, _b, c] = [start(0), start(1), start(2)];
    a.transport.send(1, frameOf(0, 500));
    a.transport.send(2, frameOf(0, 100));
    clock.after(50, () => network.cut(0, 1));
    await pass(clock, 1000);
    expect(c.of("frame")).toMatchObject([{ at: 150 }]);
  });
});

describe("a connection that breaks", () => {
  it("takes its turn on an uplink anew: what waited there is not sent twice", async () => {
    const { clock, network, start } = networkOf({
      settings: { uplink: "8 kbit/s", redialMs: 10 },
      neighbours: ring3,
    });
    const [a, _b, c] = [start(0), start(1), start(2)];
    a.transport.send(1, frameOf(0, 500));
    a.transport.send(2, frameOf(0, 100));
    clock.after(50, () => network.cut(0, 2));
    clock.after(60, network.heal);
    await pass(clock, 2000);
    expect(c.of("frame")).toMatchObject([{ at: 600 }]);
    expect(a.transport.traffic(2).bytesSent).toBe(100);
  });

  it("does not come back while the path is cut, however often it opens for a moment", async () => {
    const { clock, network, start } = networkOf({ settings: { redialMs: 100 } });
    const [a, b] = [start(0), start(1)];
    await pass(clock, 1);
    for (let k = 0; k < 5; k++) {
      network.cut(0, 1);
      await pass(clock, 50);
      network.heal();
      await pass(clock, 50);
    }
    network.cut(0, 1);
    a.transport.send(1, frameOf(0));
    await pass(clock, 1000);
    expect(b.numbers()).toEqual([]);
    network.heal();
    await pass(clock, 101);
    expect(b.numbers()).toEqual([0]);
  });

  it("is not lost more often after it has broken for other reasons", async () => {
    const { clock, network, start } = networkOf({
      settings: { bandwidth: 1, connectionLoss: 100, redialMs: 0 },
    });
    const [a] = [start(0), start(1)];
    for (let k = 0; k < 500; k++) {
      network.cut(0, 1);
      network.heal();
      await pass(clock, 1);
    }
    a.transport.send(1, frameOf(0));
    await pass(clock, 0);
    const before = a.transport.traffic(1).bytesSent;
    await pass(clock, 100_000);
    // One loss is expected, and each shows as at least a byte and at most the few that left before it.
    expect(a.transport.traffic(1).bytesSent - before).toBeLessThan(100);
  });

  it("loses what is under way, which is sent again from its first byte; traffic counts what has left", async () => {
    const { clock, network, start } = networkOf({
      settings: { bandwidth: "8 kbit/s", latencyMs: 30, redialMs: 100 },
    });
    const [a, b] = [start(0), start(1)];
    a.transport.send(1, frameOf(0, 200));
    clock.after(50, () => {
      network.cut(0, 1);
      network.heal();
    });
    await pass(clock, 1000);
    expect(b.of("frame")).toMatchObject([{ at: 50 + 100 + 230, exchange: 0 }]);
    expect(a.transport.traffic(1)).toMatchObject({ bytesSent: 50 + 200, messagesSent: 1 });
    expect(b.transport.traffic(0)).toMatchObject({ bytesReceived: 200, messagesReceived: 1 });
  });

  it("loses a confirmation too; the frame is not sent again", async () => {
    const { clock, network, start } = networkOf({ settings: { latencyMs: 30 } });
    const [a, b] = [start(0), start(1)];
    a.transport.send(1, frameOf(0));
    clock.after(45, () => {
      network.cut(0, 1);
      network.heal();
    });
    await pass(clock, 1000);
    expect(b.numbers()).toEqual([0]);
    expect(a.of("acknowledged")).toMatchObject([{ at: 45 + 100 + 30 }]);
    expect(a.transport.traffic(1).bytesSent).toBe(100);
  });

  it("never loses, repeats or reorders a frame, whatever breaks when", async () => {
    const faults = fc.array(fc.record({ at: fc.nat({ max: 400 }), forMs: fc.nat({ max: 60 }) }), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(fc.integer(), faults, async (seed, cuts) => {
        const { clock, network, start } = networkOf({
          settings: { ...lossy, seed },
          neighbours: ring3,
        });
        const peers = [start(0), start(1), start(2)];
        for (const { at, forMs } of cuts) {
          clock.after(at, () => clock.after(forMs, network.partition([[at % 3]])));
        }
        const draws = random(seed, "sizes");
        for (let k = 0; k < 20; k++) {
          for (const [id, { transport }] of peers.entries()) {
            transport.send((id + 1) % 3, frameOf(k, 20 + Math.floor(200 * draws.uniform(3 * k + id))));
          }
        }
        await pass(clock, 10_000);
        const all = Array.from({ length: 20 }, (_, k) => k);
        for (const { of, numbers } of peers) {
          expect(numbers()).toEqual(all);
          expect(of("acknowledged")).toHaveLength(20);
        }
      }),
      { numRuns: 50 },
    );
  });
  const lossy = { bandwidth: "100 kbit/s", latencyMs: 2, jitterMs: 8, connectionLoss: 0.05, redialMs: 4 };

  it("is at random with connectionLoss: about as often as it says, and takes the same course for a seed", async () => {
    const course = async (seed: number) => {
      const { clock, start } = networkOf({
        settings: { bandwidth: 1, connectionLoss: 1, redialMs: 0, seed },
      });
      const [a] = [start(0), start(1)];
      const breaks: number[] = [];
      // A frame that takes for ever shows every loss: what had left of it counts, and it is sent again.
      a.transport.send(1, frameOf(0));
      await pass(clock, 0);
      for (let k = 0; k < 3000; k++) {
        const before = a.transport.traffic(1).bytesSent;
        await pass(clock, 100);
        if (a.transport.traffic(1).bytesSent > before) breaks.push(k);
      }
      return breaks;
    };
    const [first, same, other] = [await course(1), await course(1), await course(2)];
    expect(same).toEqual(first);
    expect(other).not.toEqual(first);
    // Of 3000 times 100 ms, a share of 1 − e^(−0.1) has a loss or more: 285, with a deviation of 16.
    for (const { length } of [first, other]) expect(Math.abs(length - 285)).toBeLessThan(64);
  });
});

describe("a neighbour that cannot be reached", () => {
  it("is down after reconnectMs at both ends, and up when the partition heals", async () => {
    const partitions = [
      { from: 1, to: 10, groups: [[0]] },
      { from: 12, to: 15, groups: [[1, 2], [0]] },
    ];
    const { clock, start } = networkOf({
      settings: { partitions, reconnectMs: 2000, redialMs: 50 },
      neighbours: ring3,
    });
    const [a, b, c] = [start(0), start(1), start(2)];
    await pass(clock, 20_000);
    for (const { seen, peer } of [
      { seen: b.seen, peer: 0 },
      { seen: c.seen, peer: 0 },
    ]) {
      expect(seen).toMatchObject([
        { at: 3000, kind: "down", peer },
        { at: 10_050, kind: "up", peer },
        { at: 14_000, kind: "down", peer },
        { at: 15_050, kind: "up", peer },
      ]);
    }
    expect(a.of("down").map(({ peer }) => peer)).toEqual([1, 2, 1, 2]);
    expect(a.of("down")[0]!.error).toBeInstanceOf(Unreachable);
    expect(a.of("down")[0]!.error).toMatchObject({ code: "unreachable", peer: 0, neighbour: 1 });
    expect(a.of("up").map(({ peer }) => peer)).toEqual([1, 2, 1, 2]);
  });

  it("is not down when it is back in time", async () => {
    const partitions = [{ from: 1, to: 2.9, groups: [[0], [1]] }];
    const { clock, start } = networkOf({ settings: { partitions, reconnectMs: 2000, redialMs: 50 } });
    const [a, b] = [start(0), start(1)];
    await pass(clock, 20_000);
    expect([...a.seen, ...b.seen]).toEqual([]);
  });

  it("never came", async () => {
    const { clock, start } = networkOf({ settings: { reconnectMs: 500 } });
    const a = start(0);
    await pass(clock, 1000);
    expect(a.seen).toMatchObject([{ at: 500, kind: "down", peer: 1 }]);
    start(1);
    await pass(clock, 1000);
    expect(a.of("up")).toHaveLength(1);
  });

  it("has left: what it sent and confirmed before still arrives", async () => {
    const { clock, start } = networkOf({ settings: { latencyMs: 10, reconnectMs: 500 } });
    const [a, b] = [start(0), start(1)];
    a.transport.send(1, frameOf(0));
    await pass(clock, 12);
    expect(b.numbers()).toEqual([0]);
    b.transport.send(0, frameOf(5));
    await pass(clock, 1);
    await b.transport.close();
    await pass(clock, 1000);
    expect(a.numbers()).toEqual([5]);
    expect(a.of("acknowledged")).toHaveLength(1);
    expect(a.of("down")).toMatchObject([{ at: 13 + 10 + 500 }]);
  });
});

describe("a peer that leaves", () => {
  it("sends no more of a frame that is not all sent", async () => {
    const { clock, start } = networkOf({ settings: { bandwidth: "8 kbit/s", jitterMs: 2000 } });
    const [a, b] = [start(0), start(1)];
    a.transport.send(1, frameOf(0, 200));
    await pass(clock, 150);
    await a.transport.close();
    await pass(clock, 5000);
    expect(b.numbers()).toEqual([]);
  });

  it("and comes back at once has a new connection, which what it left behind does not break", async () => {
    const { clock, network, start } = networkOf({
      settings: { bandwidth: "8 kbit/s", latencyMs: 50, redialMs: 0 },
    });
    const [a, b] = [start(0), start(1)];
    await a.transport.close();
    const again = start(0);
    await pass(clock, 1);
    again.transport.send(1, frameOf(0, 200));
    // What the earlier process does now is nothing to the network.
    a.transport.send(1, frameOf(9));
    for (let k = 0; k < 5; k++) a.transport.refuse(1, "it says nonsense");
    await pass(clock, 5000);
    expect(b.of("frame")).toMatchObject([{ at: 251, exchange: 0 }]);
    expect(again.transport.traffic(1).bytesSent).toBe(200);
    expect(network.describe()).toBe("no frame is under way");
  });
});

describe("a peer that crashes", () => {
  it("loses what it had no room for, and what it releases afterwards makes no room in its next process", async () => {
    const { clock, network } = networkOf({ settings: { redialMs: 5 } });
    const sender = start(clock, network, 0);
    for (let exchange = 0; exchange < 8; exchange++) sender.transport.send(1, frameOf(exchange));
    const hold = (received: number) => {
      const held: { exchange: number; release(): void }[] = [];
      const transport = network.endpoint(1, { ...notDurable, position: () => ({ sent: 0, received }) });
      transport.listen((event) => {
        if (event.kind === "frame") held.push({ exchange: event.frame.exchange, release: event.release });
      });
      return held;
    };
    const numbers = (held: readonly { exchange: number }[]) => held.map(({ exchange }) => exchange);
    const first = hold(0);
    await pass(clock, 100);
    // The third has arrived and waits for room.
    expect(numbers(first)).toEqual([0, 1]);
    network.crash(1);
    const second = hold(2);
    await pass(clock, 100);
    expect(numbers(second)).toEqual([2, 3]);
    for (const { release } of first) release();
    await pass(clock, 100);
    expect(numbers(second)).toEqual([2, 3]);
    second[0]!.release();
    await pass(clock, 100);
    expect(numbers(second)).toEqual([2, 3, 4]);
  });

  it("goes on from its positions: each frame is kept exactly once, whenever it crashes", async () => {
    const crashes = fc.array(fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 300 })), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.integer(), crashes, async (seed, plan) => {
        const { clock, network } = networkOf({
          settings: { latencyMs: 3, jitterMs: 6, connectionLoss: 0.1, redialMs: 5, seed },
        });
        /** What a peer has on disk: what it holds of the other, and how many of its own are confirmed. */
        const disks = [0, 1].map(() => ({ kept: [] as number[], confirmed: 0 }));
        const most = 15;
        const boot = (id: number): void => {
          const { kept, confirmed } = disks[id]!;
          const transport: Transport = network.endpoint(id, {
            position: () => ({ sent: confirmed, received: kept.length }),
            keep: (_peer, frame) => kept.push(frame.exchange),
          });
          transport.listen((event) => {
            if (event.kind === "down") expect(event.error).toBeUndefined();
            if (event.kind === "frame") event.release();
            if (event.kind === "acknowledged") disks[id]!.confirmed++;
          });
          for (let k = confirmed; k < most; k++) transport.send(1 - id, frameOf(k));
        };
        boot(0);
        boot(1);
        for (const [id, at] of plan) {
          clock.after(at, () => {
            network.crash(id);
            boot(id);
          });
        }
        await pass(clock, 5000);
        const all = Array.from({ length: most }, (_, k) => k);
        expect(disks.map(({ kept }) => kept)).toEqual([all, all]);
        expect(disks.map(({ confirmed }) => confirmed)).toEqual([most, most]);
      }),
      { numRuns: 60 },
    );
  });

  it("is down at both ends when it goes back behind what it confirmed, until it comes with what it promised", async () => {
    const { clock, network, start } = networkOf({ settings: { latencyMs: 1 } });
    const [a, b] = [start(0), start(1)];
    for (const exchange of [0, 1]) a.transport.send(1, frameOf(exchange));
    await pass(clock, 100);
    expect(b.numbers()).toEqual([0, 1]);
    network.crash(1);
    await Promise.resolve();
    expect(b.seen.at(-1)!.kind).toBe("closed");
    const forgetful = start(1);
    await pass(clock, 200);
    for (const { of } of [a, forgetful]) {
      expect(of("down")).toHaveLength(1);
      expect(of("down")[0]!.error).toMatchObject({ code: "positions-differ" });
    }
    network.crash(1);
    const mindful = start(1, { ...notDurable, position: () => ({ sent: 0, received: 2 }) });
    a.transport.send(1, frameOf(2));
    await pass(clock, 200);
    expect(a.of("up")).toHaveLength(1);
    expect(mindful.numbers()).toEqual([2]);
  });

  it("cannot start twice at once", () => {
    const { start } = networkOf();
    start(0);
    expect(() => start(0)).toThrow(IdentityInUse);
  });
});

describe("a broken or hostile peer", () => {
  it("has its connection ended for bytes that are no frame, and may send the frame again", async () => {
    const settings = { corruption: 0.2, maxViolations: 1e6, redialMs: 5 };
    const { clock, start } = networkOf({ settings });
    const [a, b] = [start(0), start(1)];
    // Most of the frame is header, so that most wrong bytes make it no frame, or one of another number.
    const bytes = FRAME_HEADER_BYTES;
    for (let exchange = 0; exchange < 200; exchange++) a.transport.send(1, frameOf(exchange, bytes));
    await pass(clock, 60_000);
    expect(b.of("frame")).toHaveLength(200);
    expect(a.of("acknowledged")).toHaveLength(200);
    expect(a.transport.traffic(1).bytesSent).toBeGreaterThan(200 * bytes);
    expect(b.numbers()).not.toEqual(Array.from({ length: 200 }, (_, k) => k));
  });

  it.each([1, 3])(
    "is banned after %i violations, and not before, for a time that doubles",
    async (maxViolations) => {
      const settings = { maxViolations, redialMs: 5, reconnectMs: 1000, banMs: 20_000 };
      const { clock, start } = networkOf({ settings });
      const [a, b] = [start(0), start(1)];
      for (let k = 1; k < maxViolations; k++) {
        b.transport.refuse(0, "it says nonsense");
        await pass(clock, 50);
      }
      a.transport.send(1, frameOf(0));
      await pass(clock, 50);
      expect(b.numbers()).toEqual([0]);
      const at = clock.now();
      b.transport.refuse(0, "it says nonsense");
      a.transport.send(1, frameOf(1));
      await pass(clock, 10_000);
      expect(b.seen.slice(1)).toMatchObject([{ at, kind: "down", peer: 0 }]);
      expect(a.of("down")).toMatchObject([{ at: at + 1000, peer: 1 }]);
      expect(b.numbers()).toEqual([0]);
      expect(b.of("down")[0]!.error).toMatchObject({ code: "banned", peer: 1, neighbour: 0 });

      await pass(clock, at + 20_000 - clock.now() + 10);
      expect(b.numbers()).toEqual([0, 1]);
      expect(a.of("up")).toHaveLength(1);
      const again = clock.now();
      for (let k = 0; k < maxViolations; k++) b.transport.refuse(0, "it says nonsense");
      a.transport.send(1, frameOf(2));
      await pass(clock, again + 40_000 - 1 - clock.now());
      expect(b.numbers()).toEqual([0, 1]);
      await pass(clock, 20);
      expect(b.numbers()).toEqual([0, 1, 2]);
    },
  );

  it("sends what it likes in the place of a frame", async () => {
    const tamper: Tamper = (from, to, frame) =>
      from === 0 && frame.exchange === 1 ? [] : [frame, { ...frame, exchange: 1000 * to + frame.exchange }];
    const { clock, start } = networkOf({ tamper });
    const [a, b] = [start(0), start(1)];
    for (const exchange of [0, 1, 2]) a.transport.send(1, frameOf(exchange));
    await pass(clock, 10);
    expect(b.numbers()).toEqual([0, 1000, 2, 1002]);
    expect(a.of("acknowledged")).toHaveLength(3);
    expect(b.transport.traffic(0).bytesReceived).toBe(4 * encodeFrame(frameOf(0)).length);
  });
});

describe("settings of a network", () => {
  it("give a bandwidth in words or as a number", () => {
    const bandwidths = ["1 bit/s", "56 kbit/s", "20 Mbit/s", "2.5Gbit/s", 1e7];
    expect(bandwidths.map((bandwidth) => parseNetwork({ bandwidth }).bandwidth)).toEqual([
      1, 56e3, 20e6, 2.5e9, 1e7,
    ]);
  });

  it.each([
    [{ latncyMs: 3 }, /net has an unknown setting "latncyMs": did you mean "latencyMs"\?/],
    [{ bandwidth: "20 MB/s" }, /bandwidth.*"20 MB\/s".*"20 Mbit\/s"/],
    [{ bandwidth: 0 }, /bandwidth/],
    [{ bandwidth: "0 bit/s" }, /bandwidth/],
    [{ corruption: 1.5 }, /corruption must be at most 1/],
    [{ partitions: [{ from: 1, to: 2 }] }, /partitions\[0\]\.groups is missing/],
  ])("are an error of one line where they are wrong: %j", (settings, says) => {
    expect(() => parseNetwork(settings, "net")).toThrow(InvalidNetwork);
    expect(() => parseNetwork(settings, "net")).toThrow(says);
  });

  it.each([
    [{ edges: [{ between: [0, 3] }] }, "network-without-edge"],
    [{ slow: { peers: [9], factor: 2 } }, "network-without-peer"],
    [{ slow: { factor: 2 } }, "network-slow-peers"],
    [{ slow: { peers: [0], share: 0.5, factor: 2 } }, "network-slow-peers"],
    [{ partitions: [{ from: 2, to: 2, groups: [[0]] }] }, "network-partition-time"],
    [{ partitions: [{ from: 1, to: 2, groups: [[0, 3]] }] }, "network-without-peer"],
    [{ partitions: [{ from: 1, to: 2, groups: [[0, 1], [1]] }] }, "network-partition-group"],
  ])("must fit the graph: %j", (settings, code) => {
    expect(() => networkOf({ settings, neighbours: ring3 })).toThrow(expect.objectContaining({ code }));
  });

  it("have the schema that is published: after a change, npm run schemas", () => {
    const published = readFileSync(new URL("../networks/network.schema.json", import.meta.url), "utf8");
    expect(published).toBe(`${JSON.stringify(networkJsonSchema(), null, 2)}\n`);
  });

  it.each(["home.json", "data-centre.json"])("of networks/%s are right", (name) => {
    const text = readFileSync(new URL(`../networks/${name}`, import.meta.url), "utf8");
    expect(() => parseNetwork(JSON.parse(text), name)).not.toThrow();
  });
});
