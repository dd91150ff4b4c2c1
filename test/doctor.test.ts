import { createServer } from "node:net";
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import type { Libp2p, StreamMuxerFactory } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { createLibp2p } from "libp2p";
import { afterEach, describe, expect, it } from "vitest";
import { MAX_CHAIN } from "../src/exchange/waiting.js";
import { MalformedFrame } from "../src/foundation/errors.js";
import { encodeAnswer } from "../src/transports/libp2p/answer.js";
import {
  createProbe,
  type Diagnosis,
  type Layer,
  layers,
  type Probe,
} from "../src/transports/libp2p/diagnose.js";
import { decodePrivateKey } from "../src/transports/libp2p/identity.js";
import type { Identity } from "../src/transports/libp2p/index.js";
import { MAX_REASON_CHARACTERS, MAX_STATUS_BYTES } from "../src/transports/libp2p/limits.js";
import { decodeStatus } from "../src/transports/libp2p/status.js";
import { fingerprint, identities, join } from "./support/network.js";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const loopback = "/ip4/127.0.0.1/tcp/0";
const keys = await identities(3);

/** What peer 0 finds out about peer 1 at this address. */
async function diagnose(address: readonly string[], options: { knows?: Identity } = {}): Promise<Diagnosis> {
  const probe = await probeOf(0, address, options.knows ?? keys[1]!);
  return probe.diagnose(1);
}

async function probeOf(
  id: number,
  dial: readonly string[],
  other: Identity,
  listen: string[] = [],
): Promise<Probe> {
  const probe = await createProbe({
    id,
    identity: keys[id]!,
    peers: [
      { id: 0, peerId: keys[0]!.peerId, dial: [] },
      { id: 1, peerId: other.peerId, dial },
    ],
    neighbours: [1 - id],
    listen,
    fingerprint,
    deadlines: { dialMs: 2_000, handshakeMs: 2_000 },
  });
  closing.push(() => probe.close());
  return probe;
}

/** Peer 1 as it should be, but for what the test changes. */
async function realPeer(options: Parameters<typeof join>[2] = {}): Promise<string> {
  const members = [
    { identity: keys[0]!, dial: [] },
    { identity: keys[1]!, dial: [loopback] },
  ];
  const others = [...members, { identity: keys[2]!, dial: [] }];
  const transport = await join(members, 1, { neighbours: [0], ...options, peers: peersOf(others) });
  closing.push(() => transport.close());
  return transport.addresses[0]!;
}

function peersOf(members: readonly { identity: Identity; dial: readonly string[] }[]) {
  return members.map(({ identity, dial }, id) => ({ id, peerId: identity.peerId, dial }));
}

/** A libp2p node with peer 1's key that lacks something. */
async function strangeNode(streamMuxers: readonly unknown[], choosesMuxer = false): Promise<string> {
  const extensions = { webtransportCerthashes: [], streamMuxers: [] };
  const node: Libp2p = await createLibp2p({
    privateKey: decodePrivateKey(keys[1]!.privateKey),
    addresses: { listen: [loopback] },
    transports: [tcp()],
    connectionEncrypters: [choosesMuxer ? noise() : noise({ extensions })],
    streamMuxers: streamMuxers as (() => StreamMuxerFactory)[],
  });
  closing.push(() => node.stop());
  return node.getMultiaddrs()[0]!.toString();
}

async function plainServer(): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    socket.end("220 mail.example ESMTP\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return `/ip4/127.0.0.1/tcp/${(server.address() as { port: number }).port}`;
}

/** A port on which nothing listens, since it was given back a moment ago. */
async function closedPort(): Promise<string> {
  const address = await plainServer();
  await closing.pop()!();
  return address;
}

describe("the doctor names the first layer that fails, and no other", () => {
  const cases: [breaks: string, layer: Layer, says: RegExp, find: () => Promise<Diagnosis>][] = [
    ["no address", "address", /no address: add "listen"/, () => diagnose([])],
    ["no multiaddr", "address", /not a multiaddr/, () => diagnose(["/nonsense/7"])],
    [
      "a host name that nobody knows",
      "address",
      /host name no-such-host\.invalid is unknown/,
      () => diagnose(["/dns4/no-such-host.invalid/tcp/4001"]),
    ],
    [
      "a closed port",
      "TCP",
      /connection refused.*start that peer/,
      async () => diagnose([await closedPort()]),
    ],
    ["a server of another kind", "Noise", /./, async () => diagnose([await plainServer()])],
    [
      "another key at the address",
      "Noise",
      /another key answers/,
      async () => diagnose([await realPeer()], { knows: keys[2]! }),
    ],
    [
      "a peer that does not know this one",
      "Noise",
      /closed the connection after the key exchange/,
      async () => diagnose([await realPeer({ neighbours: [2] })]),
    ],
    [
      "no muxer in common",
      "muxer",
      /neither yamux nor mplex/,
      async () =>
        diagnose([await strangeNode([() => ({ protocol: "/qmux/9", createStreamMuxer: () => undefined })])]),
    ],
    [
      "no muxer in common, seen while Noise shakes hands",
      "muxer",
      /neither yamux nor mplex/,
      async () =>
        diagnose([
          await strangeNode([() => ({ protocol: "/qmux/9", createStreamMuxer: () => undefined })], true),
        ]),
    ],
    [
      "a libp2p node that is no murmur",
      "protocol",
      /does not speak this protocol.*not murmur of this version/,
      async () => diagnose([await strangeNode([yamux()])]),
    ],
    [
      "another number than the topology's",
      "protocol",
      /answers as peer 5/,
      async () => {
        const members = [{ identity: keys[0]!, dial: [] }];
        const peers = [...peersOf(members), { id: 5, peerId: keys[1]!.peerId, dial: [] }];
        const transport = await join(
          [keys[0]!, keys[0]!, keys[0]!, keys[0]!, keys[0]!, keys[1]!].map((identity) => ({
            identity,
            dial: [],
          })),
          5,
          { peers, neighbours: [0], listen: [loopback] },
        );
        closing.push(() => transport.close());
        return diagnose(transport.addresses);
      },
    ],
    [
      "another seed",
      "fingerprint",
      /"seed" is "1" here and "2" at peer 1/,
      async () => diagnose([await realPeer({ fingerprint: { ...fingerprint, seed: "2" } })]),
    ],
  ];
  it.each(cases)("%s: %s", async (_, layer, says, find) => {
    const { failed, reason } = await find();
    expect({ failed, reason }).toEqual({ failed: layer, reason: expect.stringMatching(says) });
    expect(reason).not.toContain("\n");
  });

  it("has a case for every layer", () => {
    expect(new Set(cases.map(([, layer]) => layer))).toEqual(new Set(layers));
  });
});

describe("a status", () => {
  const edge = { isConnected: true, reason: "connected" };
  const waiters = (count: number) =>
    Array.from({ length: count }, (_, peer) => ({ peer, activity: "waiting", forMs: 1 }));

  it("has a chain and a reason within the protocol's limits", () => {
    const longest = encodeAnswer({ chain: waiters(MAX_CHAIN), edge });
    expect(longest.length).toBeLessThan(MAX_STATUS_BYTES);
    expect(decodeStatus(longest)?.chain).toHaveLength(MAX_CHAIN);
    expect(decodeStatus(longest.subarray(0, 9))).toBeUndefined();
    for (const status of [
      { chain: waiters(MAX_CHAIN + 1), edge },
      { chain: waiters(1), edge: { ...edge, reason: "x".repeat(MAX_REASON_CHARACTERS + 1) } },
      { chain: waiters(1), edge: { ...edge, reason: "x".repeat(MAX_STATUS_BYTES) } },
      { chain: [], edge },
    ]) {
      expect(() => decodeStatus(encodeAnswer(status))).toThrow(MalformedFrame);
    }
  });

  it("is what a peer states of its edge to the one that asks", async () => {
    const { status } = await diagnose([await realPeer()]);
    expect(status).toEqual({
      chain: [expect.objectContaining({ peer: 1, activity: "waiting" }), expect.anything()],
      edge: { isConnected: false, reason: expect.any(String) },
    });
  });
});

describe("where nothing is broken the doctor", () => {
  it("finds nothing, at the address that works", async () => {
    const works = await realPeer();
    const diagnosis = await diagnose([await closedPort(), works]);
    expect(diagnosis).toMatchObject({ from: 0, to: 1, address: works, answers: "peer" });
    expect(diagnosis).not.toHaveProperty("failed");
    expect(diagnosis.attempts.map(({ answers }) => answers)).toEqual(["nothing", "peer"]);
  });

  it("does not disturb a peer that waits for its neighbour", async () => {
    const members = [
      { identity: keys[0]!, dial: [] },
      { identity: keys[1]!, dial: [loopback] },
    ];
    const waiting = await join(members, 1, { peers: peersOf(members) });
    closing.push(() => waiting.close());
    const ready = waiting.ready();
    expect(await diagnose(waiting.addresses)).not.toHaveProperty("failed");
    await closing.pop()!();

    const peers = peersOf([members[0]!, { ...members[1]!, dial: waiting.addresses }]);
    const other = await join(members, 0, { peers, listen: [] });
    closing.push(() => other.close());
    await Promise.all([ready, other.ready()]);
    expect(waiting.refusals(0)).toBe(0);
  });

  it("stands in for peers that do not run, and marks it", async () => {
    const played = await probeOf(1, [], keys[1]!, [loopback]);
    expect(await diagnose(played.addresses)).toMatchObject({ answers: "peer", isStandIn: true });
  });
});
