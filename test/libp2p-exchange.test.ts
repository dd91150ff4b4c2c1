import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { FRAME_HEADER_BYTES } from "../src/exchange/frame.js";
import { createCounters } from "../src/foundation/counters.js";
import { decodePrivateKey } from "../src/transports/libp2p/identity.js";
import type { Muxer } from "../src/transports/libp2p/index.js";
import { defaultDeadlines, WINDOW_BYTES } from "../src/transports/libp2p/limits.js";
import { createNode } from "../src/transports/libp2p/node.js";
import {
  createRelay,
  eventLog,
  frameOf,
  join,
  type Member,
  members,
  memoryAddress,
  pattern,
  type TestPeer,
  transfer,
} from "./support/network.js";

/** What a connection over TCP has inside. */
interface Carrier {
  readonly socket: Socket;
}

const open: { close(): Promise<void> }[] = [];
const keep = async <T extends { close(): Promise<void> }>(coming: Promise<T>): Promise<T> => {
  const transport = await coming;
  open.push(transport);
  return transport;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()));
});

/** A pair on TCP or WebSockets: the second listens on a port of its own, the first dials it. */
async function pair(listen: string, muxers: readonly Muxer[]) {
  const topology = (await members(2)).map(({ identity }) => ({ identity, dial: [] as string[] }));
  const second = await keep(join(topology, 1, { listen: [listen], muxers }));
  const dialled: Member[] = [topology[0]!, { ...topology[1]!, dial: second.addresses }];
  const first = await keep(join(dialled, 0, { listen: [], muxers }));
  await Promise.all([first.ready(), second.ready()]);
  return [first, second] as const;
}

const carriers = {
  TCP: () => "/ip4/127.0.0.1/tcp/0",
  WebSockets: () => "/ip4/127.0.0.1/tcp/0/ws",
  memory: memoryAddress,
};

describe.each(Object.entries(carriers))("frames over %s", (_name, address) => {
  it.each(["yamux", "mplex"] as const)(
    "arrive whole and in order, both ways at once, on %s",
    async (muxer) => {
      const [first, second] = await pair(address(), [muxer]);
      const h = FRAME_HEADER_BYTES;
      const sizes = [
        0,
        1,
        65_531 - h,
        65_532 - h,
        65_533 - h,
        131_064 - h,
        WINDOW_BYTES - h,
        WINDOW_BYTES - h + 1,
      ];
      sizes.push(4_000_000);

      const send = async (from: TestPeer, to: number) => {
        for (const [round, size] of sizes.entries()) from.send(to, frameOf(round, pattern(size, round)));
        for (const _ of sizes) await from.events.next("acknowledged");
      };
      const receive = async (at: TestPeer, from: number) => {
        for (const [round, size] of sizes.entries()) {
          const { from: sender, frame } = await at.events.receive();
          expect(sender).toBe(from);
          expect(frame.round).toBe(round);
          expect(Buffer.compare(frame.payload, pattern(size, round))).toBe(0);
        }
      };
      await Promise.all([send(first, 1), send(second, 0), receive(first, 1), receive(second, 0)]);

      const payloadBytes = sizes.reduce((sum, size) => sum + size, 0);
      for (const traffic of [first.traffic(1), second.traffic(0)]) {
        expect(traffic.messagesSent).toBe(sizes.length);
        expect(traffic.messagesReceived).toBe(sizes.length);
        // Noise, muxer and handshakes cost something, but not one byte in two hundred.
        expect(traffic.bytesSent).toBeGreaterThan(payloadBytes);
        expect(traffic.bytesSent).toBeLessThan(payloadBytes * 1.005 + 10_000);
      }
    },
  );
});

it.each(["yamux", "mplex"] as const)(
  "hands what a stream sends to its socket in one call, on %s",
  async (muxer) => {
    const dialling: Carrier[] = [];
    const topology = await members(2);
    const nodeOf = (id: number, listen: string[], carriers: Carrier[]) =>
      createNode({
        privateKey: decodePrivateKey(topology[id]!.identity.privateKey),
        listen,
        muxers: [muxer],
        neighbours: 1,
        deadlines: defaultDeadlines,
        onConnection: (connection) => carriers.push(connection as unknown as Carrier),
        allows: () => true,
      });
    const listener = await nodeOf(1, ["/ip4/127.0.0.1/tcp/0"], []);
    const dialler = await nodeOf(0, [], dialling);
    open.push({ close: async () => listener.stop() }, { close: async () => dialler.stop() });
    const sent = [1, 65_519, 65_520, 200_000].map((size, k) => pattern(size, k));
    const received: Uint8Array[] = [];
    let missing = 0;
    let isWhole = () => {};
    const arrival = (bytes: number) =>
      new Promise<void>((resolve) => {
        missing = bytes;
        isWhole = resolve;
      });
    await listener.handle("/test/1.0.0", (stream) => {
      stream.addEventListener("message", ({ data }) => {
        received.push(data.slice());
        missing -= data.byteLength;
        if (missing === 0) isWhole();
      });
    });
    await listener.start();
    await dialler.start();
    const stream = await dialler.dialProtocol(listener.getMultiaddrs(), "/test/1.0.0");

    const { socket } = dialling.at(-1)!;
    let calls = 0;
    for (const name of ["_write", "_writev"] as const) {
      const original = socket[name]!.bind(socket) as (...parameters: unknown[]) => void;
      socket[name] = (...parameters: unknown[]) => {
        calls++;
        original(...parameters);
      };
    }
    for (const bytes of sent) {
      const before = calls;
      const whole = arrival(bytes.length);
      stream.send(bytes);
      await whole;
      // Noise makes three parts or more of each 65,519 bytes; by themselves they would be as many calls.
      expect(calls - before).toBe(1);
    }
    expect(Buffer.compare(Buffer.concat(received), Buffer.concat(sent))).toBe(0);
  },
);

it("counts the same bytes at both ends of an edge once it is quiet", async () => {
  const [first, second] = await pair("/ip4/127.0.0.1/tcp/0", ["mplex"]);
  await transfer(first, second, frameOf(0, pattern(300_000)));
  const [ours, theirs] = [first.traffic(1), second.traffic(0)];
  expect(ours.bytesSent).toBeGreaterThan(300_000);
  expect(ours.bytesSent).toBe(theirs.bytesReceived);
  expect(ours.bytesReceived).toBe(theirs.bytesSent);
});

it("reuses the memory of released frames, and of no others", async () => {
  const [first, second] = await pair(memoryAddress(), ["yamux"]);
  const exchange = async (round: number) => {
    const payload = pattern(2000, round);
    first.send(1, frameOf(round, payload));
    const event = await second.events.next("frame");
    expect(Buffer.compare(event.frame.payload, payload)).toBe(0);
    return event;
  };
  const [one, two] = [await exchange(0), await exchange(1)];
  const memory = [one, two].map((event) => event.frame.payload.buffer);
  one.release();
  one.release();
  const three = await exchange(2);
  expect(three.frame.payload.buffer).toBe(memory[0]);
  expect(Buffer.compare(two.frame.payload, pattern(2000, 1))).toBe(0);
  three.release();
  two.release();
  expect((await exchange(3)).frame.payload.buffer).toBe(memory[1]);
  expect((await exchange(4)).frame.payload.buffer).toBe(memory[0]);
});

it("lets ends with opposite muxer preferences agree", async () => {
  const topology = await members(2);
  const second = await keep(join(topology, 1, { muxers: ["mplex", "yamux"] }));
  const first = await keep(join(topology, 0, { muxers: ["yamux", "mplex"] }));
  await Promise.all([first.ready(), second.ready()]);
  const payload = pattern(100_000);
  const frame = await transfer(first, second, frameOf(0, payload));
  expect(Buffer.compare(frame.payload, payload)).toBe(0);
});

describe("a connection that breaks", () => {
  it.each(["yamux", "mplex"] as const)(
    "in the middle of a frame loses and doubles nothing on %s",
    async (muxer) => {
      const topology = (await members(2)).map(({ identity }) => ({ identity, dial: [] as string[] }));
      const second = await keep(join(topology, 1, { listen: ["/ip4/127.0.0.1/tcp/0"], muxers: [muxer] }));
      const relay = await keep(createRelay(second.addresses[0]!));
      const log = eventLog();
      const counters = createCounters();
      const first = await keep(
        join([topology[0]!, { ...topology[1]!, dial: [relay.address] }], 0, {
          listen: [],
          muxers: [muxer],
          report: log.report,
          counters,
        }),
      );
      await Promise.all([first.ready(), second.ready()]);

      const frames = 6;
      const size = 700_000;
      const sender = async () => {
        for (let round = 0; round < frames; round++) {
          // Each time a little later in the frame, its end and its confirmation included.
          relay.breakAfter(round * 140_050);
          first.send(1, frameOf(round, pattern(size, round)));
          await first.events.next("acknowledged");
        }
      };
      const backwards = async () => {
        for (let round = 0; round < frames; round++) second.send(0, frameOf(round, pattern(size, -round)));
        for (let round = 0; round < frames; round++) await second.events.next("acknowledged");
      };
      const reader = async (at: TestPeer, sign: 1 | -1) => {
        for (let round = 0; round < frames; round++) {
          const { frame } = await at.events.receive();
          expect(frame.round).toBe(round);
          expect(Buffer.compare(frame.payload, pattern(size, sign * round))).toBe(0);
        }
      };
      await Promise.all([sender(), backwards(), reader(second, 1), reader(first, -1)]);
      expect(relay.breaks).toBeGreaterThanOrEqual(4);
      expect(log.events.filter(({ kind }) => kind === "disconnected").length).toBeGreaterThanOrEqual(4);
      expect(first.traffic(1).messagesSent).toBe(frames);
      expect(second.traffic(0).messagesReceived).toBe(frames);
      expect(second.refusals(0)).toBe(0);
      expect(first.refusals(1)).toBe(0);
      const connected = log.events.filter(({ kind }) => kind === "connected").length;
      const { edgeCounters } = counters.take();
      expect(edgeCounters).toMatchObject([{ neighbour: 1, reconnects: connected - 1 }]);
      expect(edgeCounters![0]!.resentFrames).toBeGreaterThanOrEqual(4);
    },
  );
});

it("keeps delivering from others while one neighbour is not there, and ends every wait on close", async () => {
  const topology = await members(3);
  const first = await keep(join(topology, 0));
  const second = await keep(join(topology, 1));
  first.send(2, frameOf(0, pattern(10)));
  await transfer(second, first, frameOf(0, pattern(10)));

  const waits = Promise.all([first.events.next("closed"), first.ready()]);
  await first.close();
  expect((await waits)[0]).toEqual({ kind: "closed" });
  await first.close();
});
