import { createServer, type Server, type Socket } from "node:net";
import type { Connection, Libp2p } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import type { Frame } from "../../src/exchange/frame.js";
import { systemClock } from "../../src/foundation/clock.js";
import { type Channel, createChannel } from "../../src/transports/libp2p/channel.js";
import type { Hello } from "../../src/transports/libp2p/hello.js";
import { decodePrivateKey } from "../../src/transports/libp2p/identity.js";
import {
  createLibp2pTransport,
  type Deadlines,
  defaultDeadlines,
  generateIdentity,
  type Identity,
  type Libp2pTransport,
  type Libp2pTransportOptions,
  type LinkEvent,
  type Muxer,
} from "../../src/transports/libp2p/index.js";
import { PROTOCOL, PROTOCOL_VERSION } from "../../src/transports/libp2p/limits.js";
import { createNode } from "../../src/transports/libp2p/node.js";
import { type EdgeEvents, readEvents } from "./edge-events.js";

/** Short pauses between dials, so that tests on one machine do not wait for nothing. */
export const quick: Partial<Deadlines> = { firstPauseMs: 2, longestPauseMs: 40, dialAfterMs: 50 };
export const fingerprint = { algorithm: "deepsqueeze", seed: "1" };

export async function identities(count: number): Promise<Identity[]> {
  return Promise.all(Array.from({ length: count }, generateIdentity));
}

/** What a transport reports, and a way to wait for it. */
export interface EventLog {
  readonly events: LinkEvent[];
  readonly report: (event: LinkEvent) => void;
  /** The first event of this kind, past or future, that matches. */
  first<Kind extends LinkEvent["kind"]>(
    kind: Kind,
    matches?: (event: Extract<LinkEvent, { kind: Kind }>) => boolean,
  ): Promise<Extract<LinkEvent, { kind: Kind }>>;
}

export function eventLog(): EventLog {
  const events: LinkEvent[] = [];
  const waiting: (() => void)[] = [];
  return {
    events,
    report(event) {
      events.push(event);
      for (const check of [...waiting]) check();
    },
    first: (kind, matches = () => true) =>
      new Promise((resolve) => {
        type Wanted = Extract<LinkEvent, { kind: typeof kind }>;
        const check = () => {
          const found = events.find((event) => event.kind === kind && matches(event as Wanted));
          if (found) resolve(found as Wanted);
        };
        waiting.push(check);
        check();
      }),
  };
}

export interface Member {
  readonly identity: Identity;
  readonly dial: readonly string[];
}

let memoryNames = 0;
/** An address inside this process that nobody else uses. */
export function memoryAddress(): string {
  return `/memory/test-${memoryNames++}`;
}

/** A topology whose peers are dialled inside this process. */
export async function members(count: number): Promise<Member[]> {
  const keys = await identities(count);
  return keys.map((identity) => ({ identity, dial: [memoryAddress()] }));
}

/** A transport whose events a test reads by kind. */
export interface TestPeer extends Libp2pTransport {
  readonly id: number;
  /** The first use starts reading. */
  readonly events: EdgeEvents;
}

/** Peer `id` of a topology; by default it listens where it is dialled and everyone is its neighbour. */
export async function join(
  topology: readonly Member[],
  id: number,
  options: Partial<Libp2pTransportOptions> = {},
): Promise<TestPeer> {
  const transport = await createLibp2pTransport({
    id,
    privateKey: topology[id]!.identity.privateKey,
    peers: topology.map(({ identity, dial }, peer) => ({ id: peer, peerId: identity.peerId, dial })),
    neighbours: topology.map((_, peer) => peer).filter((peer) => peer !== id),
    listen: topology[id]!.dial,
    fingerprint,
    maximumPayloadBytes: 5_000_000,
    ...options,
    deadlines: { ...quick, ...options.deadlines },
  });
  let events: EdgeEvents | undefined;
  return {
    ...transport,
    id,
    get events() {
      events ??= readEvents(transport);
      return events;
    },
  };
}

/** A frame of this round, numbered like it. */
export function frameOf(round: number, payload: Uint8Array): Frame {
  return { kind: "learning", round, step: 0, exchange: round, payload };
}

/** Sends a frame from one peer to the other; resolves with it when both ends are done. */
export async function transfer(from: TestPeer, to: TestPeer, frame: Frame): Promise<Frame> {
  from.send(to.id, frame);
  const [received] = await Promise.all([to.events.receive(), from.events.next("acknowledged")]);
  if (received.from !== from.id) throw new Error(`peer ${to.id} received a frame of peer ${received.from}`);
  return received.frame;
}

/** A process that holds a key and speaks the protocol by hand, well or badly. */
export interface HandPeer {
  readonly node: Libp2p;
  readonly addresses: string[];
  hello(changes?: Partial<Hello>): Hello;
  connect(address: string, peerId: string): Promise<Connection>;
  /** Opens a stream, without saying anything yet. */
  open(connection: Connection): Promise<Channel>;
  /** The next stream that somebody opens to this peer. */
  accepted(): Promise<Channel>;
  stop(): Promise<void>;
}

export async function handPeer(
  identity: Identity,
  id: number,
  listen: readonly string[] = [],
  muxer: Muxer = "mplex",
): Promise<HandPeer> {
  const node = await createNode({
    privateKey: decodePrivateKey(identity.privateKey),
    listen,
    muxers: [muxer],
    neighbours: 8,
    deadlines: defaultDeadlines,
    allows: () => true,
  });
  const streams: Channel[] = [];
  const waiting: ((channel: Channel) => void)[] = [];
  await node.handle(PROTOCOL, (stream) => {
    const channel = createChannel(stream, systemClock);
    const next = waiting.shift();
    if (next) next(channel);
    else streams.push(channel);
  });
  await node.start();
  return {
    node,
    addresses: node.getMultiaddrs().map((address) => address.decapsulateCode(421).toString()),
    hello: (changes) => ({
      version: PROTOCOL_VERSION,
      id,
      instance: `by hand ${id}`,
      fingerprint,
      epoch: 0,
      sequence: 1,
      ...changes,
    }),
    connect: (address, peerId) => node.dial(multiaddr(`${address}/p2p/${peerId}`), { force: true } as object),
    open: async (connection) => createChannel(await connection.newStream(PROTOCOL), systemClock),
    accepted: async () => streams.shift() ?? new Promise((resolve) => waiting.push(resolve)),
    stop: async () => {
      await node.stop();
    },
  };
}

/** A TCP relay that can break its connections. */
export interface Relay {
  readonly address: string;
  /** Breaks everything once this many more bytes have passed from the dialling end. */
  breakAfter(bytes: number): void;
  readonly breaks: number;
  close(): Promise<void>;
}

export async function createRelay(target: string): Promise<Relay> {
  const { createConnection } = await import("node:net");
  const port = Number(/tcp\/(\d+)/.exec(target)![1]);
  const sockets = new Set<Socket>();
  let allowed = Number.POSITIVE_INFINITY;
  let breaks = 0;
  const server: Server = createServer((near) => {
    const far = createConnection(port, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on("data", (data) => {
      allowed -= data.length;
      if (allowed >= 0) {
        far.write(data);
        return;
      }
      allowed = Number.POSITIVE_INFINITY;
      breaks++;
      for (const socket of sockets) socket.resetAndDestroy();
    });
    far.on("data", (data) => near.write(data));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: own } = server.address() as { port: number };
  return {
    address: `/ip4/127.0.0.1/tcp/${own}`,
    breakAfter(bytes) {
      allowed = bytes;
    },
    get breaks() {
      return breaks;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Bytes that differ from place to place. */
export function pattern(length: number, salt = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let k = 0; k < length; k++) bytes[k] = (k * 31 + (k >> 8) + salt) & 255;
  return bytes;
}
