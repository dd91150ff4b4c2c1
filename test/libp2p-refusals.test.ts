import type { Stream } from "@libp2p/interface";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  compareFingerprints,
  digest,
  listed,
  MAX_LIST_BYTES,
  readListed,
} from "../src/exchange/fingerprint.js";
import { encodeFrame, FRAME_HEADER_BYTES, MAX_HEADER_BYTES } from "../src/exchange/frame.js";
import { MAX_UNRELEASED_FRAMES, MAX_VIOLATIONS } from "../src/exchange/transport.js";
import { createCounters } from "../src/foundation/counters.js";
import { HandshakeRefused, MalformedFrame, Unreachable } from "../src/foundation/errors.js";
import { banMs, FIRST_BAN_MS, MAX_BAN_DOUBLINGS } from "../src/transports/ban.js";
import type { Channel } from "../src/transports/libp2p/channel.js";
import { encodeHeartbeat, MAX_HEARTBEAT_BYTES } from "../src/transports/libp2p/heartbeat.js";
import { decodeHello, encodeHello } from "../src/transports/libp2p/hello.js";
import type { Libp2pTransport, Libp2pTransportOptions, LinkEvent } from "../src/transports/libp2p/index.js";
import {
  CREDIT_STEP_BYTES,
  MAX_CONNECTIONS_PER_NEIGHBOUR,
  MAX_HELLO_BYTES,
  MAX_STREAMS_PER_CONNECTION,
  WINDOW_BYTES,
} from "../src/transports/libp2p/limits.js";
import {
  Kind,
  listOf,
  MAX_PIECE_BODY_BYTES,
  message,
  messageHeader,
} from "../src/transports/libp2p/messages.js";
import { createManualClock } from "./support/clock.js";
import { checkError, expectRejection } from "./support/errors.js";
import { eventLog, frameOf, handPeer, join, members, pattern, transfer } from "./support/network.js";
import { saying } from "./support/sentences.js";

const cleanups: (() => Promise<unknown>)[] = [];
const later = <T>(value: T, cleanup: (value: T) => Promise<unknown>): T => {
  cleanups.push(() => cleanup(value));
  return value;
};
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

/** Peer 0 as shipped; peer 1 by hand; peer 2 as shipped, where asked for. */
async function surroundings({
  others = false,
  maximumPayloadBytes = 200_000,
  ...options
}: Partial<Libp2pTransportOptions> & { others?: boolean } = {}) {
  const topology = await members(others ? 3 : 2);
  const log = eventLog();
  const peer = later(
    await join(topology, 0, { report: log.report, maximumPayloadBytes, ...options }),
    (each) => each.close(),
  );
  const other = others ? later(await join(topology, 2), (each) => each.close()) : undefined;
  const hand = later(await handPeer(topology[1]!.identity, 1), (each) => each.stop());
  const connect = () => hand.connect(topology[0]!.dial[0]!, topology[0]!.identity.peerId);
  return { topology, log, peer, other, hand, connect };
}

/** A stream on which peer 1 may send frames. */
async function greeted({ hand, connect }: Awaited<ReturnType<typeof surroundings>>): Promise<Channel> {
  const channel = await hand.open(await connect());
  channel.sendHello(hand.hello());
  await channel.hello;
  return channel;
}

function endOf(channel: Channel): Promise<NonNullable<Channel["ending"]>> {
  return new Promise((resolve) => channel.listen({ credit() {}, taken() {}, ended: resolve }));
}

const wire =
  (...parts: readonly Uint8Array[]) =>
  (channel: Channel) =>
    channel.sendList(listOf(...parts));
const piece = (length: number) => [messageHeader(Kind.piece, length), new Uint8Array(length)] as const;
const full = MAX_PIECE_BODY_BYTES;

describe("what breaks the protocol", () => {
  const cases: Record<string, readonly [(channel: Channel) => void, string]> = {
    "a frame longer than this model's": [
      wire(message(Kind.frame, 1, MAX_HEADER_BYTES + 200_001)),
      "frame-length",
    ],
    "a frame of 4 GiB": [wire(message(Kind.frame, 1, 2 ** 32 - 1)), "frame-length"],
    "a frame without a header": [wire(message(Kind.frame, 1, 11)), "frame-length"],
    "a frame out of sequence": [wire(message(Kind.frame, 3, 100)), "frame-number"],
    "a frame that is cut short by another": [
      wire(message(Kind.frame, 1, full + 9), ...piece(full), message(Kind.frame, 2, 100)),
      "frame-inside-frame",
    ],
    "a piece of no frame": [wire(...piece(10)), "piece-without-frame"],
    "a piece that is too short": [wire(message(Kind.frame, 1, 100), ...piece(99)), "piece-length"],
    "a piece beyond its frame": [wire(message(Kind.frame, 1, 100), ...piece(101)), "piece-length"],
    "a piece longer than any": [wire(messageHeader(Kind.piece, full + 1)), "message-not-valid"],
    "a message of no kind": [wire(messageHeader(77 as Kind, 0)), "message-not-valid"],
    "a control message of another length": [wire(messageHeader(Kind.pong, 1)), "message-not-valid"],
    "a heartbeat longer than any": [
      wire(messageHeader(Kind.ping, MAX_HEARTBEAT_BYTES + 1)),
      "message-not-valid",
    ],
    "a heartbeat that is cut short": [
      wire(messageHeader(Kind.ping, 10), new Uint8Array(10)),
      "heartbeat-not-valid",
    ],
    "a heartbeat for another peer": [
      wire(messageHeader(Kind.ping, 9), encodeHeartbeat([{ peer: 2, activity: "computing", forMs: 1 }])),
      "heartbeat-of-another",
    ],
    "credit from the end that sends": [wire(message(Kind.credit, 1)), "message-out-of-place"],
    "a second hello": [
      (channel) =>
        channel.sendHello({ version: 2, id: 1, instance: "x", fingerprint: {}, epoch: 0, sequence: 1 }),
      "second-hello",
    ],
    "a frame of another version": [
      wire(message(Kind.frame, 1, 12), messageHeader(Kind.piece, 12), new Uint8Array(12).fill(9)),
      "frame-version",
    ],
  };

  it.each(Object.entries(cases))(
    "%s is refused, counted and told; others go on",
    async (_name, [send, code]) => {
      const reason = saying(code);
      const here = await surroundings({ others: true });
      const { peer, other, log } = here;
      const channel = await greeted(here);
      const ended = endOf(channel);
      send(channel);

      const { kind, refusal } = await ended;
      expect(kind).toBe("refused");
      expect(refusal).toEqual({ code: "violation", reason: expect.stringMatching(reason) });
      const event = await log.first("refused");
      expect(event).toEqual({ kind: "refused", from: 1, reason: expect.stringMatching(reason) });
      expect(peer.refusals(1)).toBe(1);
      expect(peer.refusals(2)).toBe(0);

      await transfer(other!, peer, frameOf(0, pattern(1000)));
    },
  );

  it("any bytes at all never crash it, and never arrive as a frame", async () => {
    const here = await surroundings();
    for (let salt = 0; salt < MAX_VIOLATIONS; salt++) {
      const channel = await here.hand.open(await here.connect());
      channel.sendList(listOf(pattern(5000, 10 + 7 * salt)));
      await expect(channel.hello).rejects.toThrow();
    }
    const event = await here.log.first("unreachable");
    expect(event.reason).toMatch(/^peer 0 bans peer 1 for 60 s: it broke the protocol 3 times/);
    const [first, ...more] = here.peer.events.seen;
    expect(first ?? (await here.peer.events.next("down"))).toMatchObject({ kind: "down", peer: 1 });
    expect(more).toEqual([]);
  });

  it(`bans a neighbour after ${MAX_VIOLATIONS} times: it cannot connect, and nothing waits for it`, async () => {
    const here = await surroundings();
    const { peer, connect } = here;
    peer.send(1, frameOf(0, pattern(10)));
    for (let times = 0; times < MAX_VIOLATIONS; times++) {
      const channel = await greeted(here);
      const ended = endOf(channel);
      channel.sendList(listOf(...piece(10)));
      await ended;
    }
    const { error } = await peer.events.next("down");
    checkError(error, Unreachable, { code: "banned", peer: 0, neighbour: 1 });
    expect(peer.refusals(1)).toBe(MAX_VIOLATIONS);
    await expect(greeted({ ...here, connect })).rejects.toThrow();
    peer.send(1, frameOf(1, pattern(10)));
  });
});

describe("what the reader of frames refuses", () => {
  it(`counts as a violation, is told to the neighbour, and bans it after ${MAX_VIOLATIONS} times`, async () => {
    const topology = await members(2);
    const log = eventLog();
    const peer = later(await join(topology, 0, { report: log.report }), (each) => each.close());
    const other = later(await join(topology, 1), (each) => each.close());
    for (let times = 1; times <= MAX_VIOLATIONS; times++) {
      other.send(0, frameOf(times, pattern(10)));
      const { frame, release } = await peer.events.next("frame");
      expect(frame.round).toBe(times);
      peer.refuse(1, `payload ${times} is malformed`);
      release();
      expect(peer.refusals(1)).toBe(times);
      await other.events.next("acknowledged");
    }
    const refused = log.events.filter(({ kind }) => kind === "refused");
    expect(refused).toEqual(
      [1, 2, 3].map((times) => ({ kind: "refused", from: 1, reason: `payload ${times} is malformed` })),
    );
    const { error } = await peer.events.next("down");
    checkError(error, Unreachable, { code: "banned", peer: 0, neighbour: 1 });
  });
});

describe("a ban", () => {
  it("ends after its time: violations count from 0 then, and the next ban lasts twice as long", async () => {
    const clock = createManualClock();
    const counters = createCounters();
    const here = await surroundings({ clock, counters });
    const { peer } = here;
    for (const forMs of [FIRST_BAN_MS, 2 * FIRST_BAN_MS, 4 * FIRST_BAN_MS]) {
      for (let times = 0; times < MAX_VIOLATIONS; times++) {
        const channel = await greeted(here);
        const ended = endOf(channel);
        channel.sendList(listOf(...piece(10)));
        await ended;
      }
      const { error } = await peer.events.next("down");
      checkError(error, Unreachable, { code: "banned", peer: 0, neighbour: 1 });
      expect(error.message).toContain(`for ${forMs / 1000} s`);
      clock.advance(forMs - 1);
      await expect(greeted(here)).rejects.toThrow();
      clock.advance(1);
    }
    await greeted(here);
    expect(counters.take().edgeCounters).toMatchObject([{ neighbour: 1, bans: 3, violations: 9 }]);
    const reasons = here.log.events.flatMap((event) => (event.kind === "unreachable" ? event.reason : []));
    expect(reasons).toHaveLength(3);
  });

  it("loses nothing: the edge is up again after it, and what was sent meanwhile arrives", async () => {
    const clock = createManualClock();
    const topology = await members(2);
    const peer = later(await join(topology, 0, { clock }), (each) => each.close());
    const other = later(await join(topology, 1), (each) => each.close());
    await peer.ready();
    for (let times = 0; times < MAX_VIOLATIONS; times++) {
      other.send(0, frameOf(times, pattern(10)));
      const { release } = await peer.events.next("frame");
      peer.refuse(1, "payload is malformed");
      release();
      await other.events.next("acknowledged");
    }
    await peer.events.next("down");
    peer.send(1, frameOf(0, pattern(20)));
    other.send(0, frameOf(MAX_VIOLATIONS, pattern(30)));
    expect(other.events.seen.filter(({ kind }) => kind === "frame")).toEqual([]);
    clock.advance(FIRST_BAN_MS);
    await peer.events.next("up");
    expect((await other.events.receive()).frame).toEqual(frameOf(0, pattern(20)));
    expect((await peer.events.receive()).frame).toEqual(frameOf(MAX_VIOLATIONS, pattern(30)));
  });

  it(`lasts ${2 ** MAX_BAN_DOUBLINGS} times as long as the first one at most`, () => {
    const lasts = Array.from({ length: 100 }, (_, before) => banMs(FIRST_BAN_MS, before));
    expect(lasts.every((forMs, k) => k === 0 || forMs === Math.min(2 * lasts[k - 1]!, lasts.at(-1)!))).toBe(
      true,
    );
    expect(lasts[MAX_BAN_DOUBLINGS - 1]).toBeLessThan(lasts[MAX_BAN_DOUBLINGS]!);
    expect(lasts.at(-1)).toBe(FIRST_BAN_MS * 2 ** MAX_BAN_DOUBLINGS);
  });
});

describe("a neighbour that comes back", () => {
  it.each<[string, number, string]>([
    ["a frame left out", 3, "frame-offered-out-of-turn"],
    ["a confirmed frame offered again", 0, "frame-offered-out-of-turn"],
  ])("with %s breaks the protocol", async (_name, sequence, code) => {
    const here = await surroundings();
    const channel = await greeted(here);
    channel.listen({ credit() {}, taken() {}, ended() {} });
    const bytes = encodeFrame(frameOf(0, new Uint8Array(0)));
    channel.sendList(
      listOf(message(Kind.frame, 1, bytes.length), messageHeader(Kind.piece, bytes.length), bytes),
    );
    await here.peer.events.receive();
    channel.abort("a break");
    const again = await here.hand.open(await here.connect());
    again.sendHello(here.hand.hello({ sequence }));
    await expect(again.hello).rejects.toThrow(saying(code));
    expect(here.peer.refusals(1)).toBe(1);
  });
});

it("a malformed frame does not count as received: its number is due again", async () => {
  const here = await surroundings();
  const channel = await greeted(here);
  const ended = endOf(channel);
  wire(message(Kind.frame, 1, 12), messageHeader(Kind.piece, 12), new Uint8Array(12).fill(9))(channel);
  expect((await ended).reason).toMatch(/^frame version 9/);
  const again = await here.hand.open(await here.connect());
  again.sendHello(here.hand.hello({ sequence: 1 }));
  expect((await again.hello).sequence).toBe(0);
  expect(here.peer.refusals(1)).toBe(1);
});

describe("limits", () => {
  it("what may be under way fits, headers and all, where a muxer stream would reset", () => {
    const mostHeaders = Math.ceil(WINDOW_BYTES / MAX_PIECE_BODY_BYTES) * 64;
    expect(WINDOW_BYTES + mostHeaders).toBeLessThan(4 * 1024 * 1024);
    // The next credit must come before the window is used up, or both ends wait.
    expect(CREDIT_STEP_BYTES + MAX_PIECE_BODY_BYTES).toBeLessThan(WINDOW_BYTES);
  });

  it(`no more than ${MAX_UNRELEASED_FRAMES} frames are confirmed and delivered before one is released`, async () => {
    const here = await surroundings();
    const { peer } = here;
    const channel = await greeted(here);
    const taken: number[] = [];
    let tookThird = () => {};
    const third = new Promise<void>((resolve) => {
      tookThird = resolve;
    });
    const ended = new Promise<NonNullable<Channel["ending"]>>((resolve) =>
      channel.listen({
        credit() {},
        taken(sequence) {
          taken.push(sequence);
          if (sequence === 3) tookThird();
        },
        ended: resolve,
      }),
    );
    const frame = (sequence: number) => {
      const bytes = encodeFrame(frameOf(sequence, new Uint8Array(0)));
      const { length } = bytes;
      channel.sendList(
        listOf(message(Kind.frame, sequence, length), messageHeader(Kind.piece, length), bytes),
      );
    };
    frame(1);
    frame(2);
    frame(3);
    expect(await channel.isAlive(10_000)).toBe(true);
    expect(await channel.isAlive(10_000)).toBe(true);
    // The third is complete, but neither confirmed nor delivered.
    expect(taken).toEqual([1, 2]);
    const events = [await peer.events.next("frame"), await peer.events.next("frame")];
    expect(await channel.isAlive(10_000)).toBe(true);
    expect(taken).toEqual([1, 2]);
    expect(peer.events.seen.length).toBe(2);
    events[0]!.release();
    await third;
    expect(taken).toEqual([1, 2, 3]);
    frame(4);
    frame(5);
    expect((await ended).reason).toBe("frame 5 begins before frame 4 is confirmed");
    // What was complete before is not lost.
    expect((await peer.events.next("frame")).frame.round).toBe(3);
    events[1]!.release();
    expect((await peer.events.next("frame")).frame.round).toBe(4);
  });

  it.each(["yamux", "mplex"] as const)(
    "a neighbour asleep in mid-frame holds up no more than the window on %s, and nobody resets",
    async (muxer) => {
      const topology = await members(2);
      const sleeper = later(await handPeer(topology[1]!.identity, 1, topology[1]!.dial, muxer), (each) =>
        each.stop(),
      );
      const log = eventLog();
      const peer = later(
        await join(topology, 0, { report: log.report, maximumPayloadBytes: 1e8, muxers: [muxer] }),
        (each) => each.close(),
      );
      const channel = await sleeper.accepted();
      const theirs = await channel.hello;
      channel.sendHello(sleeper.hello({ sequence: theirs.sequence - 1 }));

      const payload = pattern(20_000_000);
      peer.send(1, frameOf(0, payload));
      const acknowledged = peer.events.next("acknowledged");
      const received = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
      let filled = 0;
      let credited = 0;
      let isAwake = false;
      let wasFull = () => {};
      const full = new Promise<void>((resolve) => {
        wasFull = resolve;
      });
      const take = () => {
        channel.send(Kind.credit, filled - credited);
        credited = filled;
      };
      channel.listen({
        frame() {},
        piece() {},
        bytes(part) {
          received.set(part, filled);
          filled += part.length;
          expect(filled - credited).toBeLessThanOrEqual(WINDOW_BYTES);
          if (filled - credited > WINDOW_BYTES - MAX_PIECE_BODY_BYTES) wasFull();
          if (isAwake) take();
          if (filled === received.length) channel.send(Kind.taken, theirs.sequence);
        },
        ended() {},
      });
      await full;
      // Asleep: however long, nothing more comes and nothing breaks. Two round trips show that nothing is on its way.
      expect(await channel.isAlive(10_000)).toBe(true);
      expect(await channel.isAlive(10_000)).toBe(true);
      expect(filled).toBeLessThanOrEqual(WINDOW_BYTES);
      expect(peer.traffic(1).bytesSent).toBeLessThan(WINDOW_BYTES + 100_000);
      expect(peer.events.seen).toEqual([]);
      isAwake = true;
      take();
      await acknowledged;
      expect(Buffer.compare(received.subarray(FRAME_HEADER_BYTES), payload)).toBe(0);
      expect(log.events.filter(({ kind }) => kind !== "connected" && kind !== "redialling")).toEqual([]);
    },
  );

  it("one stream per connection: a second is refused, the first goes on", async () => {
    const here = await surroundings();
    const connection = await here.connect();
    const first = await here.hand.open(connection);
    first.sendHello(here.hand.hello());
    await first.hello;
    const second = await here.hand.open(connection);
    await expect(second.hello).rejects.toThrow("second stream on one connection");
    expect(await first.isAlive(10_000)).toBe(true);
    expect(here.peer.refusals(1)).toBe(1);
  });

  it.each(["yamux", "mplex"] as const)(
    `a flood of more than ${MAX_STREAMS_PER_CONNECTION} silent streams is stopped on %s, and others go on`,
    async (muxer) => {
      const topology = await members(3);
      const peer = later(await join(topology, 0, { muxers: [muxer] }), (each) => each.close());
      const other = later(await join(topology, 2), (each) => each.close());
      const hand = later(await handPeer(topology[1]!.identity, 1, [], muxer), (each) => each.stop());
      const connection = await hand.connect(topology[0]!.dial[0]!, topology[0]!.identity.peerId);
      // Below libp2p's stream negotiation, where a stream costs its opener nothing.
      const { muxer: raw } = connection as unknown as { muxer: { createStream(): Promise<Stream> } };
      const streams: Stream[] = [];
      for (let k = 0; k <= MAX_STREAMS_PER_CONNECTION; k++) streams.push(await raw.createStream());
      const closed = streams.map(
        (stream) => new Promise((resolve) => stream.addEventListener("close", () => resolve(stream))),
      );
      expect(streams).toContain(await Promise.race(closed));
      await transfer(other, peer, frameOf(0, pattern(1000)));
    },
  );

  it(`a neighbour has at most ${MAX_CONNECTIONS_PER_NEIGHBOUR} connections`, async () => {
    const here = await surroundings();
    for (let k = 0; k < MAX_CONNECTIONS_PER_NEIGHBOUR; k++)
      expect((await here.connect()).status).toBe("open");
    await expect(here.connect().then((connection) => here.hand.open(connection))).rejects.toThrow();
  });

  it("a hello beyond its limit is refused before it is read", async () => {
    const here = await surroundings();
    const channel = await here.hand.open(await here.connect());
    channel.sendList(listOf(messageHeader(Kind.hello, MAX_HELLO_BYTES + 1)));
    await expect(channel.hello).rejects.toThrow(saying("message-not-valid"));
    expect(here.peer.refusals(1)).toBe(1);
  });

  it("a fingerprint too large for the handshake is refused at home", async () => {
    const topology = await members(2);
    const fields = Object.fromEntries(Array.from({ length: 65 }, (_, k) => [`field ${k}`, "1"]));
    for (const fingerprint of [{ layout: "x".repeat(MAX_LIST_BYTES + 1) }, fields]) {
      await expectRejection(join(topology, 0, { fingerprint }), MalformedFrame, { code: "hello-too-large" });
    }
  });
});

describe("the handshake", () => {
  it("refuses another experiment at both ends, naming the field and both values", async () => {
    const topology = await members(2);
    const logs = [eventLog(), eventLog()];
    const values = [
      { seed: "1", compressor: "sign" },
      { seed: "2", compressor: "sign" },
    ];
    const peers: Libp2pTransport[] = [];
    for (const id of [0, 1]) {
      peers[id] = later(
        await join(topology, id, { fingerprint: values[id]!, report: logs[id]!.report }),
        (each) => each.close(),
      );
    }
    const reasons = await Promise.all(peers.map((peer) => peer.ready().catch((error: Error) => error)));
    for (const id of [0, 1]) {
      const expected = { code: "experiment-differs", peer: id, neighbour: 1 - id, field: "seed" };
      const { message } = checkError(reasons[id], HandshakeRefused, expected);
      expect(message).toContain(`"seed" is "${id + 1}" here and "${2 - id}" at peer ${1 - id}`);
    }
    expect((await logs[0]!.first("refused")).from).toBe(1);
    expect((await logs[1]!.first("refused")).from).toBe(0);
    expect(peers[0]!.refusals(1)).toBeGreaterThan(0);
  });

  it.each<[string, object, RegExp]>([
    [
      "another version",
      { version: 2 },
      /^peer 0 speaks version 4 and peer 1 version 2: run the same version/,
    ],
    ["another peer's number", { id: 2 }, /^peer 0 refused the peer that answers as 2 with the key of peer 1/],
    [
      "control characters",
      { fingerprint: { algorithm: "\u001b[31mx", seed: "1" } },
      /"algorithm" is "deepsqueeze" here and "\\u001b\[31mx" at peer 1/,
    ],
  ])("refuses %s", async (_name, changes, reason) => {
    const here = await surroundings();
    const channel = await here.hand.open(await here.connect());
    channel.sendHello(here.hand.hello(changes));
    // The answer says what this peer is, so that the other can see the difference too.
    expect((await channel.hello).id).toBe(0);
    expect((await here.log.first("refused")).reason).toMatch(reason);
    expect(here.peer.refusals(1)).toBe(1);
  });

  it("refuses strangers, and neighbours of others, before they can open a stream", async () => {
    const topology = await members(3);
    const log = eventLog();
    const peer = later(await join(topology, 0, { neighbours: [1], report: log.report }), (each) =>
      each.close(),
    );
    const [outsider] = await members(1);
    const refusedFrom: LinkEvent[] = [];
    for (const [identity, id] of [
      [outsider!.identity, 1],
      [topology[2]!.identity, 2],
    ] as const) {
      const hand = later(await handPeer(identity, id), (each) => each.stop());
      await expect(
        hand
          .connect(topology[0]!.dial[0]!, topology[0]!.identity.peerId)
          .then((connection) => hand.open(connection)),
      ).rejects.toThrow();
    }
    refusedFrom.push(...log.events.filter(({ kind }) => kind === "refused"));
    expect(refusedFrom).toEqual([
      { kind: "refused", from: outsider!.identity.peerId, reason: "it is not a neighbour of peer 0" },
      { kind: "refused", from: 2, reason: "it is not a neighbour of peer 0" },
    ]);
    expect(peer.refusals("strangers")).toBe(2);
    expect(peer.refusals(1)).toBe(0);
  });
});

describe("fingerprints", () => {
  it("differ by field, whichever side has it", () => {
    expect(compareFingerprints({ a: "1", b: "2" }, { b: "2", a: "1" })).toEqual([]);
    expect(compareFingerprints({ a: "1", b: "2" }, { b: "3", c: "4" })).toEqual([
      { field: "a", ours: "1", theirs: undefined },
      { field: "b", ours: "2", theirs: "3" },
      { field: "c", ours: undefined, theirs: "4" },
    ]);
    expect(compareFingerprints({}, JSON.parse('{"toString":"x"}'))).toEqual([
      { field: "toString", ours: undefined, theirs: "x" },
    ]);
  });

  it("show a list where it is short; equal values mean equal lists", () => {
    const lists = fc.array(fc.oneof(fc.constantFrom("a", "b"), fc.string({ maxLength: 300 })));
    fc.assert(
      fc.property(lists, lists, (one, other) => {
        const [value, otherValue] = [listed(one), listed(other)];
        expect(value === otherValue).toBe(JSON.stringify(one) === JSON.stringify(other));
        const { count, entries } = readListed(value)!;
        expect(count).toBe(one.length);
        expect(entries ?? one).toEqual(one);
        expect(Buffer.byteLength(JSON.stringify(value))).toBeLessThanOrEqual(MAX_LIST_BYTES);
      }),
    );
    // Quotes, brackets and the backslashes that a hello adds take eight bytes.
    expect(readListed(listed(["x".repeat(MAX_LIST_BYTES - 8)]))).toHaveProperty("entries");
    expect(readListed(listed(["x".repeat(MAX_LIST_BYTES - 7)]))).toEqual({ count: 1 });
    expect(readListed(listed(["é".repeat(MAX_LIST_BYTES / 2 - 3)]))).toEqual({ count: 1 });
  });

  it("with the longest lists and 29 digests fit into a hello", () => {
    const longest = listed(["x".repeat(MAX_LIST_BYTES - 8)]);
    const fields = Array.from({ length: 32 }, (_, k) => [
      `field number ${k}`,
      k < 3 ? longest : digest(String(k)),
    ]);
    const fingerprint = Object.fromEntries(fields);
    const hello = { version: 2, id: 1, instance: crypto.randomUUID(), fingerprint, epoch: 0, sequence: 1 };
    const bytes = encodeHello(hello);
    expect(bytes.length).toBeLessThanOrEqual(MAX_HELLO_BYTES);
    expect(decodeHello(bytes)).toEqual(hello);
  });

  it("digest is SHA-256, blind to the order of an object's keys", () => {
    expect(digest("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(digest(new TextEncoder().encode("abc"))).toBe(digest("abc"));
    expect(digest({ a: 1, b: { c: [2, 3], d: 4 } })).toBe(digest({ b: { d: 4, c: [2, 3] }, a: 1 }));
    expect(digest({ a: [1, 2] })).not.toBe(digest({ a: [2, 1] }));
  });
});
