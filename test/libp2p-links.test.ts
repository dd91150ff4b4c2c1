import { afterEach, describe, expect, it } from "vitest";
import type { Frame } from "../src/exchange/frame.js";
import { type Durability, notDurable } from "../src/exchange/transport.js";
import {
  CannotListen,
  HandshakeRefused,
  IdentityInUse,
  InvalidTopology,
  MalformedFrame,
  Unreachable,
} from "../src/foundation/errors.js";
import {
  createLibp2pTransport,
  decodeIdentity,
  encodeIdentity,
  generateIdentity,
} from "../src/transports/libp2p/index.js";
import { defaultDeadlines, MAX_MISSED_HEARTBEATS, WINDOW_BYTES } from "../src/transports/libp2p/limits.js";
import { MAX_PIECE_BODY_BYTES } from "../src/transports/libp2p/messages.js";
import { createManualClock } from "./support/clock.js";
import { checkError, type Expected, expectError, expectRejection } from "./support/errors.js";
import {
  eventLog,
  fingerprint,
  frameOf,
  handPeer,
  join,
  type Member,
  members,
  memoryAddress,
  pattern,
  type TestPeer,
  transfer,
} from "./support/network.js";

const cleanups: (() => Promise<unknown>)[] = [];
const later = <T>(value: T, cleanup: (value: T) => Promise<unknown>): T => {
  cleanups.push(() => cleanup(value));
  return value;
};
const joined = async (...parameters: Parameters<typeof join>): Promise<TestPeer> =>
  later(await join(...parameters), (transport) => transport.close());
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

/** A port on loopback at which nothing listens. */
async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function tcpMembers(count: number): Promise<Member[]> {
  const topology: Member[] = [];
  for (const { identity } of await members(count)) {
    topology.push({ identity, dial: [`/ip4/127.0.0.1/tcp/${await freePort()}`] });
  }
  return topology;
}

const frame = (round: number, size = 1000) => frameOf(round, pattern(size, round));

/** Lets everything that is on its way inside this process arrive. */
const settle = async () => {
  for (let k = 0; k < 50; k++) await new Promise((resolve) => setImmediate(resolve));
};

describe("dialling", () => {
  it("goes on until a neighbour that starts late is there, over TCP", async () => {
    const topology = await tcpMembers(2);
    const log = eventLog();
    const first = await joined(topology, 0, { report: log.report });
    first.send(1, frame(0));
    const { neighbour, reason } = await log.first("redialling");
    expect(neighbour).toBe(1);
    expect(reason).toBe("nothing listens at its address (connection refused)");
    const second = await joined(topology, 1);
    await Promise.all([first.ready(), second.ready()]);
    expect((await second.events.receive()).frame).toEqual(frame(0));
    await first.events.next("acknowledged");
  });

  it("falls to the higher number when only the lower one has an address", async () => {
    const [lower, higher] = await members(2);
    const topology = [lower!, { ...higher!, dial: [] }];
    const second = await joined(topology, 1, { listen: [] });
    const first = await joined(topology, 0);
    await Promise.all([first.ready(), second.ready()]);
  });

  it("falls to the higher number when the lower one cannot reach it", async () => {
    const [lower, higher] = await members(2);
    const first = await joined([lower!, { ...higher!, dial: [memoryAddress()] }], 0);
    const second = await joined([lower!, higher!], 1);
    await Promise.all([first.ready(), second.ready()]);
    await Promise.all([transfer(first, second, frame(0)), transfer(second, first, frame(0))]);
  });

  it("pauses longer and longer, up to a bound, the same in every run", async () => {
    const [lower, higher] = await members(2);
    const deadlines = { firstPauseMs: 100, longestPauseMs: 800 };
    const pausesOfOneRun = async (): Promise<number[]> => {
      const clock = createManualClock();
      const pauses: number[] = [];
      const peer = await joined([lower!, higher!], 0, {
        clock,
        deadlines,
        report(event) {
          if (event.kind !== "redialling") return;
          pauses.push(event.pauseMs);
          // The timer is set once the report returns.
          if (pauses.length < 8) queueMicrotask(() => clock.advance(event.pauseMs));
          else void peer.close();
        },
      });
      await peer.events.next("closed");
      return pauses;
    };
    const pauses = await pausesOfOneRun();
    for (const [attempt, pause] of pauses.entries()) {
      const longest = Math.min(800, 100 * 2 ** attempt);
      expect(pause).toBeGreaterThanOrEqual(longest / 2);
      expect(pause).toBeLessThanOrEqual(longest);
    }
    expect(await pausesOfOneRun()).toEqual(pauses);
  });
});

/** A process that goes on after so many frames each way. */
const goingOn = (sent: number, received: number): Durability => ({
  position: () => ({ sent, received }),
  keep() {},
});

describe("a neighbour that goes away", () => {
  it("and comes back as a new process is taken up again; what waited for it arrives once", async () => {
    const topology = await members(2);
    const log = eventLog();
    const first = await joined(topology, 0, { report: log.report });
    const second = await joined(topology, 1);
    await Promise.all([transfer(first, second, frame(0)), transfer(second, first, frame(0))]);
    await second.close();
    expect((await log.first("disconnected")).reason).toBe("it left the run");
    first.send(1, frame(1));
    const again = await joined(topology, 1, { durability: goingOn(1, 1) });
    expect((await again.events.receive()).frame).toEqual(frame(1));
    await first.events.next("acknowledged");
    await transfer(again, first, frame(2));
    expect(first.traffic(1)).toMatchObject({ messagesSent: 2, messagesReceived: 2 });
  });

  it("and comes back without what it had exchanged is refused by name, at both ends", async () => {
    for (const [position, lost] of [
      [goingOn(0, 0), 1],
      [goingOn(1, 0), 1],
      [goingOn(4, 1), 0],
    ] as const) {
      const topology = await members(2);
      const log = eventLog();
      const first = await joined(topology, 0, { report: log.report });
      const second = await joined(topology, 1);
      for (const each of [0, 1]) {
        await Promise.all([transfer(first, second, frame(each)), transfer(second, first, frame(each))]);
      }
      await second.close();
      await log.first("disconnected");
      const again = await joined(topology, 1, { durability: position });
      const details = { code: "state-lost", peer: 1, neighbour: 0 };
      const error = await expectRejection(again.ready(), HandshakeRefused, details);
      expect(error.message).toMatch(new RegExp(`^peer ${lost} cannot go on with peer ${1 - lost}: `));
      await log.first("refused", ({ reason }) => reason === error.message);
    }
  });

  it("and comes back with a frame that only lacks its confirmation does not send it twice", async () => {
    const topology = await members(2);
    const first = await joined(topology, 0);
    const second = await joined(topology, 1);
    await transfer(second, first, frame(0));
    await second.close();
    const again = await joined(topology, 1, { durability: goingOn(0, 0) });
    await again.ready();
    again.send(0, frame(0));
    await again.events.next("acknowledged");
    await transfer(again, first, frame(1));
    expect(first.traffic(1).messagesReceived).toBe(2);
  });

  it("gets no acknowledgement of a frame that could not be kept, and the frame again", async () => {
    const topology = await members(2);
    const first = await joined(topology, 0);
    const offered: Frame[] = [];
    const keep = (_from: number, kept: Frame) => {
      offered.push({ ...kept, payload: kept.payload.slice() });
      if (offered.length === 1) throw new MalformedFrame("no room", { code: "no-room" });
    };
    const second = await joined(topology, 1, { durability: { ...notDurable, keep } });
    first.send(1, frame(5));
    await first.events.next("acknowledged");
    expect(offered).toEqual([frame(5), frame(5)]);
    expect((await second.events.receive()).frame).toEqual(frame(5));
  });

  it("is down once its deadline has passed, and up when it is back; frames stay queued, other edges go on", async () => {
    const topology = await members(3);
    const clock = createManualClock();
    const log = eventLog();
    const first = await joined(topology, 0, { clock, report: log.report });
    const second = await joined(topology, 1);
    const third = await joined(topology, 2);
    await Promise.all([first.ready(), second.ready(), third.ready()]);
    await second.close();
    await log.first("disconnected");
    clock.advance(defaultDeadlines.reconnectMs);
    const { peer, error } = await first.events.next("down");
    expect(peer).toBe(1);
    checkError(error, Unreachable, { code: "unreachable", peer: 0, neighbour: 1 });
    expect(error.message).toMatch(/^peer 0 waited 600 s for peer 1 to connect: /);
    expect((await log.first("unreachable")).reason).toBe(error.message);
    first.send(1, frame(0));
    await transfer(third, first, frame(0));

    const again = await joined(topology, 1, { listen: [memoryAddress()] });
    expect((await again.events.receive()).frame).toEqual(frame(0));
    expect(await first.events.next("up")).toEqual({ kind: "up", peer: 1 });
    await first.events.next("acknowledged");
    const kinds = first.events.seen.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "down" || kind === "up")).toEqual(["down", "up"]);
  });

  it("without a word is noticed by its silence", async () => {
    const topology = await members(2);
    const silent = later(await handPeer(topology[1]!.identity, 1, topology[1]!.dial), (each) => each.stop());
    const log = eventLog();
    const clock = createManualClock();
    await joined(topology, 0, { clock, report: log.report });
    const incoming = await silent.open(await connectionOf(silent, topology));
    incoming.sendHello(silent.hello());
    const accepted = await silent.accepted();
    const theirs = await accepted.hello;
    accepted.sendHello(silent.hello({ sequence: theirs.sequence - 1 }));
    await incoming.hello;
    await log.first("connected");
    // It is there, but deaf: its end of the streams takes nothing and answers nothing.
    for (const connection of silent.node.getConnections())
      for (const stream of connection.streams) stream.pause();
    await settle();
    // The first beat counts what has arrived until now.
    clock.advance(defaultDeadlines.heartbeatMs * (MAX_MISSED_HEARTBEATS + 2));
    expect((await log.first("disconnected")).reason).toBe(
      `no sign of life for ${MAX_MISSED_HEARTBEATS + 1} heartbeats`,
    );
  });

  it("or takes nothing of a frame is down after a deadline", async () => {
    const topology = await members(2);
    const lazy = later(await handPeer(topology[1]!.identity, 1, topology[1]!.dial), (each) => each.stop());
    const clock = createManualClock();
    const peer = await joined(topology, 0, {
      clock,
      deadlines: { readyMs: 2 * defaultDeadlines.progressMs },
    });
    peer.send(1, frame(7, 6_000_000));
    const channel = await lazy.accepted();
    const theirs = await channel.hello;
    channel.sendHello(lazy.hello({ sequence: theirs.sequence - 1 }));
    let filled = 0;
    await new Promise<void>((resolve) =>
      channel.listen({
        frame() {},
        piece() {},
        bytes(part) {
          filled += part.length;
          if (filled > WINDOW_BYTES - MAX_PIECE_BODY_BYTES) resolve();
        },
        ended() {},
      }),
    );
    // Its stream is alive: it answers every beat.
    for (let passed = 0; passed <= defaultDeadlines.progressMs; passed += defaultDeadlines.heartbeatMs) {
      clock.advance(defaultDeadlines.heartbeatMs);
      await settle();
    }
    const { error } = await peer.events.next("down");
    checkError(error, Unreachable, { code: "unreachable", peer: 0, neighbour: 1 });
    expect(error.message).toContain("the frame of round 8 (3.1 MB of 6.0 MB sent)");
  });
});

describe("ready", () => {
  it("names who is missing and why, once its deadline has passed", async () => {
    const topology = await tcpMembers(3);
    await joined(topology, 2);
    const log = eventLog();
    const clock = createManualClock();
    const first = await joined(topology, 0, { clock, report: log.report });
    expect(await log.first("connected")).toMatchObject({ neighbour: 2 });
    expect(await log.first("redialling")).toMatchObject({ neighbour: 1 });
    const waiting = first.ready();
    clock.advance(defaultDeadlines.readyMs);
    const expected = { code: "not-connected-in-time", peer: 0, neighbour: 1 };
    const { message } = await expectRejection(waiting, Unreachable, expected);
    expect(message).toContain("peer 1 (nothing listens at its address (connection refused))");
  });
});

describe("two processes with one identity", () => {
  it("the second is told so and stops; the first goes on", async () => {
    const topology = await members(2);
    const first = await joined(topology, 0);
    const second = await joined(topology, 1);
    await Promise.all([first.ready(), second.ready()]);
    const impostor = await joined(topology, 1, { listen: [memoryAddress()] });
    const expected = { code: "identity-in-use", peer: 1, neighbour: 0 };
    await expectRejection(impostor.ready(), IdentityInUse, expected);
    checkError((await impostor.events.next("closed")).error, IdentityInUse, expected);
    impostor.send(0, frame(0));
    await Promise.all([transfer(first, second, frame(0)), transfer(second, first, frame(0))]);
    expect(first.refusals(1)).toBeGreaterThan(0);
  });

  it("a session that does not answer any more makes room for its successor", async () => {
    const topology = await members(2);
    const log = eventLog();
    const peer = await joined(topology, 0, { report: log.report, deadlines: { livenessMs: 20 } });
    const dead = later(await handPeer(topology[1]!.identity, 1), (each) => each.stop());
    const channel = await dead.open(await connectionOf(dead, topology));
    channel.sendHello(dead.hello());
    await channel.hello;
    for (const connection of dead.node.getConnections())
      for (const stream of connection.streams) stream.pause();
    const successor = await joined(topology, 1);
    await Promise.all([peer.ready(), successor.ready()]);
    await Promise.all([transfer(peer, successor, frame(0)), transfer(successor, peer, frame(0))]);
  });
});

describe("what cannot be is refused before anything starts", () => {
  it("an address in use", async () => {
    const topology = await members(2);
    const port = await freePort();
    const listen = [`/ip4/127.0.0.1/tcp/${port}`];
    await joined(topology, 0, { listen });
    const second = join(topology, 1, { listen });
    const { message } = await expectRejection(second, CannotListen, { code: "cannot-listen", peer: 1 });
    expect(message).toContain(`/ip4/127.0.0.1/tcp/${port}: it is in use`);
  });

  it("another peer's key, a key that is none, an address that is none, a neighbour that is none", async () => {
    const topology = await members(2);
    const privateKey = topology[1]!.identity.privateKey;
    const refused = (attempt: Promise<unknown>, expected: Expected) =>
      expectRejection(attempt, InvalidTopology, expected);
    await refused(join(topology, 0, { privateKey }), { code: "own-key-of-another-peer", peer: 0 });
    await refused(join(topology, 0, { privateKey: pattern(20) }), { code: "not-a-key" });
    const bad = [topology[0]!, { ...topology[1]!, dial: ["localhost:4001"] }];
    const field = "localhost:4001";
    await refused(join(bad, 0), { code: "address-not-a-multiaddr", neighbour: 1, field });
    await refused(join(topology, 0, { neighbours: [5] }), {
      code: "neighbour-not-in-topology",
      neighbour: 5,
    });
    const peer = await joined(topology, 0);
    for (const act of [() => peer.send(5, frame(0)), () => peer.refuse(5, ""), () => peer.traffic(5)]) {
      expectError(act, InvalidTopology, { code: "not-a-neighbour", peer: 0, neighbour: 5 });
    }
  });
});

it("an identity survives its text form, and no other text is one", async () => {
  const identity = await generateIdentity();
  const text = encodeIdentity(identity);
  expect(decodeIdentity(`${text}\n`)).toEqual(identity);
  expect(identity.peerId).toMatch(/^12D3KooW/);
  expect((await generateIdentity()).peerId).not.toBe(identity.peerId);
  for (const bad of ["", "no base64!", text.slice(4), text.slice(0, -8)]) {
    expectError(() => decodeIdentity(bad), InvalidTopology, { code: "not-a-key" });
  }
});

it("needs no more than its options: defaults make a working pair", async () => {
  const topology = await members(2);
  const peers = topology.map(({ identity, dial }, id) => ({ id, peerId: identity.peerId, dial }));
  const [second, first] = await Promise.all(
    [1, 0].map((id) =>
      createLibp2pTransport({
        id,
        privateKey: topology[id]!.identity.privateKey,
        peers,
        neighbours: [1 - id],
        listen: topology[id]!.dial,
        fingerprint,
        maximumPayloadBytes: 100,
      }).then((transport) => later(transport, (each) => each.close())),
    ),
  );
  await Promise.all([first!.ready(), second!.ready()]);
});

function connectionOf(hand: Awaited<ReturnType<typeof handPeer>>, topology: readonly Member[]) {
  return hand.connect(topology[0]!.dial[0]!, topology[0]!.identity.peerId);
}
