import { afterEach, describe, expect, it } from "vitest";
import { CannotListen, IdentityInUse, InvalidTopology, Unreachable } from "../src/errors.js";
import {
  createLibp2pTransport,
  decodeIdentity,
  encodeIdentity,
  generateIdentity,
  type Libp2pTransport,
} from "../src/transports/libp2p/index.js";
import { MAX_MISSED_HEARTBEATS } from "../src/transports/libp2p/limits.js";
import {
  eventLog,
  fingerprint,
  handPeer,
  join,
  type Member,
  members,
  memoryAddress,
  pattern,
} from "./support/network.js";

const cleanups: (() => Promise<unknown>)[] = [];
const later = <T>(value: T, cleanup: (value: T) => Promise<unknown>): T => {
  cleanups.push(() => cleanup(value));
  return value;
};
const joined = async (...parameters: Parameters<typeof join>): Promise<Libp2pTransport> =>
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

const frame = (round: number, size = 1000) =>
  ({ kind: "exchange", round, payload: pattern(size, round) }) as const;

describe("dialling", () => {
  it("goes on until a neighbour that starts late is there, over TCP", async () => {
    const topology = await tcpMembers(2);
    const log = eventLog();
    const first = await joined(topology, 0, { report: log.report });
    const sending = first.send(1, frame(0));
    const { neighbour, reason } = await log.first("redialling");
    expect(neighbour).toBe(1);
    expect(reason).toBe("nothing listens at its address (connection refused)");
    const second = await joined(topology, 1);
    await Promise.all([sending, second.receive(), first.ready(), second.ready()]);
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
    await Promise.all([first.send(1, frame(0)), second.send(0, frame(0)), first.receive(), second.receive()]);
  });

  it("pauses longer and longer, up to a bound, the same in every run", async () => {
    const [lower, higher] = await members(2);
    const log = eventLog();
    const deadlines = { firstPauseMs: 1, longestPauseMs: 8, readyMs: 150 };
    await joined([lower!, higher!], 0, { report: log.report, deadlines });
    await log.first("unreachable");
    const pauses = log.events.flatMap((event) => (event.kind === "redialling" ? [event.pauseMs] : []));
    expect(pauses.length).toBeGreaterThan(6);
    for (const [attempt, pause] of pauses.entries()) {
      const longest = Math.min(8, 2 ** attempt);
      expect(pause).toBeGreaterThanOrEqual(Math.floor(longest / 2));
      expect(pause).toBeLessThanOrEqual(longest);
    }
  });
});

describe("a neighbour that goes away", () => {
  it("and comes back as a new process is taken up again; what waited for it arrives once", async () => {
    const topology = await members(2);
    const log = eventLog();
    const first = await joined(topology, 0, { report: log.report });
    const second = await joined(topology, 1);
    await Promise.all([first.send(1, frame(0)), second.receive(), second.send(0, frame(0)), first.receive()]);
    await second.close();
    expect((await log.first("disconnected")).reason).toBe("it left the run");
    const sending = first.send(1, frame(1));
    const again = await joined(topology, 1);
    const [delivery] = await Promise.all([again.receive(), sending]);
    expect(delivery!.frame.round).toBe(1);
    await Promise.all([again.send(0, frame(2)), first.receive()]);
    expect(first.traffic(1)).toMatchObject({ messagesSent: 2, messagesReceived: 2 });
  });

  it("is reported once to whoever receives, fails what waits for it, and does not stop the others", async () => {
    const topology = await members(3);
    const deadlines = { reconnectMs: 60 };
    const log = eventLog();
    const first = await joined(topology, 0, { deadlines, report: log.report });
    const second = await joined(topology, 1);
    const third = await joined(topology, 2);
    await Promise.all([first.ready(), second.ready(), third.ready()]);
    await second.close();
    const lost = /^peer 0 waited 0\.06 s for peer 1 to connect: /;
    await expect(first.receive()).rejects.toThrow(lost);
    await expect(first.send(1, frame(0))).rejects.toThrow(lost);
    await expect(first.send(1, frame(0))).rejects.toBeInstanceOf(Unreachable);
    await Promise.all([third.send(0, frame(0)), first.receive()]);
  });

  it("without a word is noticed by its silence", async () => {
    const topology = await members(2);
    const silent = later(await handPeer(topology[1]!.identity, 1, topology[1]!.dial), (each) => each.stop());
    const log = eventLog();
    await joined(topology, 0, { report: log.report, deadlines: { heartbeatMs: 2 } });
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
    expect((await log.first("disconnected")).reason).toBe(
      `no sign of life for ${MAX_MISSED_HEARTBEATS + 1} heartbeats`,
    );
  });

  it("or takes nothing of a frame fails that frame after its deadline", async () => {
    const topology = await members(2);
    const lazy = later(await handPeer(topology[1]!.identity, 1, topology[1]!.dial), (each) => each.stop());
    const peer = await joined(topology, 0, { deadlines: { heartbeatMs: 2, progressMs: 10 } });
    const rejected = expect(peer.send(1, frame(7, 6_000_000))).rejects.toThrow(
      "peer 0 waited 0.01 s for peer 1 to take the frame of round 7 (3.1 MB of 6.0 MB sent): it is connected, but takes nothing",
    );
    const channel = await lazy.accepted();
    const theirs = await channel.hello;
    channel.sendHello(lazy.hello({ sequence: theirs.sequence - 1 }));
    channel.listen({ frame() {}, piece() {}, bytes() {}, ended() {} });
    await rejected;
  });
});

describe("ready", () => {
  it("names who is missing and why, once its deadline has passed", async () => {
    const topology = await tcpMembers(3);
    await joined(topology, 2);
    const log = eventLog();
    const first = await joined(topology, 0, { report: log.report, deadlines: { readyMs: 300 } });
    expect(await log.first("connected")).toMatchObject({ neighbour: 2 });
    expect(await log.first("redialling")).toMatchObject({ neighbour: 1 });
    await expect(first.ready()).rejects.toThrow(
      "peer 0 waited 0.3 s for peer 1 (nothing listens at its address (connection refused)): start what is missing, or find the cause with `murmur doctor`",
    );
  });
});

describe("two processes with one identity", () => {
  it("the second is told so and stops; the first goes on", async () => {
    const topology = await members(2);
    const first = await joined(topology, 0);
    const second = await joined(topology, 1);
    await Promise.all([first.ready(), second.ready()]);
    const impostor = await joined(topology, 1, { listen: [memoryAddress()] });
    const message =
      "peer 1 already runs in another process, says peer 0: stop that one first, or give this one its own --id and key";
    await expect(impostor.ready()).rejects.toThrow(IdentityInUse);
    await expect(impostor.ready()).rejects.toThrow(message);
    await expect(impostor.receive()).rejects.toThrow(message);
    await expect(impostor.send(0, frame(0))).rejects.toThrow(message);
    await Promise.all([first.send(1, frame(0)), second.receive(), second.send(0, frame(0)), first.receive()]);
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
    await Promise.all([
      peer.send(1, frame(0)),
      successor.receive(),
      successor.send(0, frame(0)),
      peer.receive(),
    ]);
  });
});

describe("what cannot be is refused before anything starts", () => {
  it("an address in use", async () => {
    const topology = await members(2);
    const port = await freePort();
    const listen = [`/ip4/127.0.0.1/tcp/${port}`];
    await joined(topology, 0, { listen });
    const second = join(topology, 1, { listen });
    await expect(second).rejects.toBeInstanceOf(CannotListen);
    await expect(second).rejects.toThrow(
      `peer 1 cannot listen on /ip4/127.0.0.1/tcp/${port}: it is in use; stop what listens there (perhaps this peer already runs), or choose another port`,
    );
  });

  it("another peer's key, a key that is none, an address that is none, a neighbour that is none", async () => {
    const topology = await members(2);
    const privateKey = topology[1]!.identity.privateKey;
    await expect(join(topology, 0, { privateKey })).rejects.toThrow(/^the key of peer 0 belongs to 12D3/);
    await expect(join(topology, 0, { privateKey: pattern(20) })).rejects.toThrow(InvalidTopology);
    const bad = [topology[0]!, { ...topology[1]!, dial: ["localhost:4001"] }];
    await expect(join(bad, 0)).rejects.toThrow(/^the address localhost:4001 of peer 1 is no multiaddr/);
    await expect(join(topology, 0, { neighbours: [5] })).rejects.toThrow(
      /^peer 5 is a neighbour, but the topology/,
    );
    const peer = await joined(topology, 0);
    await expect(peer.send(5, frame(0))).rejects.toThrow("peer 0 sends to peer 5, which is no neighbour");
    expect(() => peer.traffic(5)).toThrow(InvalidTopology);
  });
});

it("an identity survives its text form, and no other text is one", async () => {
  const identity = await generateIdentity();
  const text = encodeIdentity(identity);
  expect(decodeIdentity(`${text}\n`)).toEqual(identity);
  expect(identity.peerId).toMatch(/^12D3KooW/);
  expect((await generateIdentity()).peerId).not.toBe(identity.peerId);
  for (const bad of ["", "no base64!", text.slice(4), text.slice(0, -8)]) {
    expect(() => decodeIdentity(bad)).toThrow(InvalidTopology);
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
