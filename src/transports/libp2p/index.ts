/**
 * Frames over libp2p: the same run on one machine or many.
 *
 *     send      one frame at a time per neighbour, in pieces, under credits        outgoing.ts
 *     receive   frames as they become complete                                    incoming.ts
 *     link      dials, shakes hands, resumes after breaks                         link.ts
 *     channel   one stream as messages                                            channel.ts
 *     node      libp2p itself, and who may connect                                node.ts
 *
 * A frame is sent until the neighbour confirms it, over as many connections as it takes, and delivered once.
 */
import "./node-20.js";
import type { Connection, MultiaddrConnection, PeerId } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { type Clock, systemClock } from "../../clock.js";
import { CannotListen, InvalidTopology, type MurmurationError, Unreachable } from "../../errors.js";
import type { Fingerprint } from "../../fingerprint.js";
import type { Transport } from "../../transport.js";
import { createEventQueue } from "../event-queue.js";
import { within } from "./deadline.js";
import { encodeHello } from "./hello.js";
import { decodePrivateKey } from "./identity.js";
import {
  DEFAULT_MUXERS,
  type Deadlines,
  defaultDeadlines,
  MAX_STREAMS_PER_CONNECTION,
  type Muxer,
  PROTOCOL,
  PROTOCOL_VERSION,
} from "./limits.js";
import { createLink, type Link, type LinkEvent } from "./link.js";
import { createMeter } from "./meter.js";
import { createNode, type NodeMetrics } from "./node.js";
import { answerProbes } from "./probe.js";
import { seconds } from "./reasons.js";

export type { Difference, Fingerprint } from "../../fingerprint.js";
export { decodeIdentity, encodeIdentity, generateIdentity, type Identity } from "./identity.js";
export { type Deadlines, defaultDeadlines, type Muxer } from "./limits.js";
export type { LinkEvent } from "./link.js";
export type { NodeMetrics } from "./node.js";

/** A peer as the topology names it. */
export interface NetworkPeer {
  readonly id: number;
  readonly peerId: string;
  /** Multiaddrs at which it can be dialled; none when it can only dial. */
  readonly dial: readonly string[];
}

export interface Libp2pTransportOptions {
  readonly id: number;
  /** In libp2p's protobuf encoding, as in {@link Identity}. */
  readonly privateKey: Uint8Array;
  /** All peers of the topology, this one included. */
  readonly peers: readonly NetworkPeer[];
  /** Numbers of the peers this one has edges to. Nobody else can connect. */
  readonly neighbours: readonly number[];
  /** Multiaddrs to listen on: TCP, WebSockets (`/ws`) or `/memory/…`. */
  readonly listen: readonly string[];
  /** What all peers must agree on. */
  readonly fingerprint: Fingerprint;
  /** Largest payload of a frame; the compressor knows it. */
  readonly maximumPayloadBytes: number;
  /** In the order of preference; `DEFAULT_MUXERS` where left out. */
  readonly muxers?: readonly Muxer[];
  readonly deadlines?: Partial<Deadlines>;
  /** Default {@link systemClock}. */
  readonly clock?: Clock;
  /** Where libp2p counts what it does; nowhere when left out. */
  readonly metrics?: NodeMetrics;
  /** Receives what happens on the edges, for logs and displays. */
  readonly report?: (event: LinkEvent) => void;
}

export interface Libp2pTransport extends Transport {
  /** Where this peer listens, with the ports it was given. */
  readonly addresses: readonly string[];
  /**
   * Resolves when every neighbour is connected.
   *
   * @throws HandshakeRefused as soon as every neighbour runs something else than this peer
   * @throws IdentityInUse when another process runs with this peer's key
   * @throws Unreachable after the deadline; names who is missing, and why
   */
  ready(): Promise<void>;
  /** How often a neighbour was refused something, or `"strangers"` were. */
  refusals(from: number | "strangers"): number;
}

/**
 * Joins the network. The transport listens when the promise resolves, and dials in the background.
 *
 * An edge counts as up at first. It is `down` (with Unreachable) once its neighbour has missed the deadline for the
 * first connection, for reconnecting or for progress, or is banned; `up` follows when both of its streams are open
 * again. `closed` carries IdentityInUse when another process runs with this peer's key.
 *
 * @throws InvalidTopology a key, PeerId, address or neighbour that cannot be
 * @throws CannotListen an address that is taken or not this machine's
 * @throws MalformedFrame a fingerprint too large for the handshake
 */
export async function createLibp2pTransport(options: Libp2pTransportOptions): Promise<Libp2pTransport> {
  const {
    id,
    fingerprint,
    maximumPayloadBytes,
    muxers = DEFAULT_MUXERS,
    clock = systemClock,
    report = () => {},
  } = options;
  const deadlines: Deadlines = { ...defaultDeadlines, ...options.deadlines };
  const instance = crypto.randomUUID();
  const privateKey = decodePrivateKey(options.privateKey);
  // Refuses a fingerprint that is too large here, where it can be mended.
  encodeHello({ version: PROTOCOL_VERSION, id, instance, fingerprint, sequence: 0 });

  const events = createEventQueue();
  const meter = createMeter();
  let strangers = 0;
  let isClosed = false;
  let failure: MurmurationError | undefined;
  const waitingForReady = new Set<() => void>();

  const node = await createNode({
    privateKey,
    listen: options.listen,
    muxers,
    neighbours: options.neighbours.length,
    deadlines,
    metrics: options.metrics,
    connecting: (connection) => meter.watch(connection),
    allows,
  });

  const self = peerOf(id);
  if (self.peerId !== node.peerId.toString()) {
    throw new InvalidTopology(
      `the key of peer ${id} belongs to ${node.peerId}, but the topology names ${self.peerId}: use the key that \`murmur keys\` made for it`,
    );
  }
  const links = new Map<number, Link>();
  const byPeerId = new Map<string, { readonly id: number; readonly link: Link }>();
  for (const neighbour of options.neighbours) {
    const link = createLinkTo(peerOf(neighbour));
    links.set(neighbour, link);
    byPeerId.set(peerOf(neighbour).peerId, { id: neighbour, link });
  }

  function peerOf(peer: number): NetworkPeer {
    const found = options.peers.find((each) => each.id === peer);
    if (!found) throw new InvalidTopology(`peer ${peer} is a neighbour, but the topology has no such peer`);
    return found;
  }

  function createLinkTo({ id: neighbour, peerId, dial }: NetworkPeer): Link {
    const targets = dial.map((address) => dialTarget(neighbour, address, peerId));
    const isFirst = id < neighbour || self.dial.length === 0;
    const connections = () =>
      node
        .getConnections()
        .filter((connection) => connection.remotePeer.toString() === peerId && connection.status === "open");
    return createLink({
      id,
      neighbour,
      instance,
      fingerprint,
      maximumPayloadBytes,
      deadlines,
      clock,
      dials: targets.length === 0 ? "never" : isFirst ? "first" : "later",
      dial: () => within(clock, deadlines.dialMs, (signal) => node.dial(targets, { signal })),
      openStream: (connection) =>
        within(clock, deadlines.handshakeMs, (signal) => connection.newStream(PROTOCOL, { signal })),
      connections,
      report,
      emit: events.put,
      fail,
      changed: () => {
        for (const check of waitingForReady) check();
      },
    });
  }

  function allows(peerId: PeerId, connection: MultiaddrConnection): boolean {
    const known = byPeerId.get(peerId.toString());
    if (known && !known.link.isBanned) {
      meter.assign(connection, known.link.traffic);
      return true;
    }
    if (!known) {
      strangers++;
      const peer = options.peers.find((each) => each.peerId === peerId.toString());
      report({
        kind: "refused",
        from: peer?.id ?? peerId.toString(),
        reason: `it is no neighbour of peer ${id}`,
      });
    }
    return false;
  }

  function linkTo(peer: number): Link {
    const link = links.get(peer);
    if (!link) throw new InvalidTopology(`peer ${peer} is not a neighbour of peer ${id}`);
    return link;
  }

  /** This peer cannot take part: every wait ends with the reason. */
  function fail(error: MurmurationError): void {
    if (failure || isClosed) return;
    failure = error;
    for (const link of links.values()) link.stop();
    events.close(error);
    for (const check of waitingForReady) check();
  }

  await node.handle(
    PROTOCOL,
    (stream, connection) => {
      const known = byPeerId.get(connection.remotePeer.toString());
      if (known) return known.link.accept(stream, connection);
      stream.abort(new Error("no neighbour"));
    },
    { maxInboundStreams: MAX_STREAMS_PER_CONNECTION },
  );
  await answerProbes(node, clock, () => ({
    version: PROTOCOL_VERSION,
    id,
    instance,
    fingerprint,
    sequence: 0,
  }));
  node.addEventListener("connection:open", ({ detail }: CustomEvent<Connection>) => {
    byPeerId.get(detail.remotePeer.toString())?.link.connectionOpened();
  });
  try {
    await node.start();
  } catch (cause) {
    throw cannotListen(id, options.listen, cause);
  }
  let cancelBeat = () => {};
  const beat = () => {
    for (const link of links.values()) link.beat();
    cancelBeat = clock.after(deadlines.heartbeatMs, beat);
  };
  cancelBeat = clock.after(deadlines.heartbeatMs, beat);
  for (const link of links.values()) link.start();

  return {
    addresses: node.getMultiaddrs().map((address) => address.decapsulateCode(CODE_P2P).toString()),

    async ready() {
      const all = [...links.values()];
      const missing = () => [...links].filter(([, link]) => !link.isConnected);
      const isDecided = () =>
        failure !== undefined || isClosed || missing().length === 0 || all.every((link) => link.refusal);
      if (!isDecided()) {
        await new Promise<void>((resolve) => {
          const check = () => {
            if (isDecided()) done();
          };
          const done = () => {
            cancel();
            waitingForReady.delete(check);
            resolve();
          };
          const cancel = clock.after(deadlines.readyMs, done);
          waitingForReady.add(check);
        });
      }
      if (failure) throw failure;
      if (isClosed || missing().length === 0) return;
      const refused = all.every((link) => link.refusal) ? all[0]!.refusal : undefined;
      if (refused) throw refused;
      const who = missing().map(([neighbour, link]) => `peer ${neighbour} (${link.reason})`);
      throw new Unreachable(
        `peer ${id} waited ${seconds(deadlines.readyMs)} for ${who.join(", ")}: start what is missing, or find the cause with \`murmur doctor\``,
      );
    },

    send: (to, frame) => linkTo(to).send(frame),
    next: events.next,
    refuse: (peer, reason) => linkTo(peer).violated(reason),
    traffic: (neighbour) => linkTo(neighbour).traffic,

    refusals: (from) => (from === "strangers" ? strangers : (links.get(from)?.refusals ?? 0)),

    async close() {
      if (isClosed) return;
      isClosed = true;
      cancelBeat();
      const left = Promise.all([...links.values()].map((link) => link.leave()));
      // After the links: frames that nobody reads any more are not confirmed.
      events.close();
      let cancel = () => {};
      const expired = new Promise<void>((resolve) => {
        cancel = clock.after(deadlines.closeMs, resolve);
      });
      await Promise.race([left, expired]);
      cancel();
      for (const link of links.values()) link.stop();
      for (const check of waitingForReady) check();
      await node.stop();
    },
  };
}

/** The code of `/p2p/…` in a multiaddr. */
const CODE_P2P = 421;

function dialTarget(neighbour: number, address: string, peerId: string) {
  try {
    return multiaddr(address).decapsulateCode(CODE_P2P).encapsulate(`/p2p/${peerId}`);
  } catch (cause) {
    throw new InvalidTopology(
      `the address ${address} of peer ${neighbour} is no multiaddr: write one as /ip4/192.0.2.7/tcp/4001`,
      { cause },
    );
  }
}

function cannotListen(id: number, listen: readonly string[], cause: unknown): CannotListen {
  const text = cause instanceof Error ? cause.message : String(cause);
  const why = /EADDRINUSE|already in use/.test(text)
    ? "it is in use; stop what listens there (perhaps this peer already runs), or choose another port"
    : /EADDRNOTAVAIL/.test(text)
      ? "this machine has no such address"
      : /EACCES/.test(text)
        ? "that port needs privileges; choose one above 1023"
        : text.split("\n").join(" ");
  return new CannotListen(`peer ${id} cannot listen on ${listen.join(", ")}: ${why}`, { cause });
}
