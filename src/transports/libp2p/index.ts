/**
 * Frames over libp2p: the same run on one machine or many.
 *
 *     outgoing    one frame at a time per neighbour, in pieces, under credits
 *     incoming    frames as they become complete
 *     streams     the two streams of an edge, from the handshake to a break
 *     link        the edge to one neighbour: dialling, standing, deadlines
 *     channel     one stream as messages (messages.ts)
 *     node        libp2p itself, and who may connect
 *
 * A frame is sent until the neighbour confirms it, over as many connections as it takes, and delivered once.
 */
import "./node-20.js";
import type { Connection, Libp2p, MultiaddrConnection, PeerId } from "@libp2p/interface";
import type { Fingerprint } from "../../exchange/fingerprint.js";
import { type Durability, notDurable, type Transport } from "../../exchange/transport.js";
import { type Chain, chainFrom, type State } from "../../exchange/waiting.js";
import { type Clock, systemClock } from "../../foundation/clock.js";
import { type Counters, createCounters } from "../../foundation/counters.js";
import { InvalidTopology, type MurmurationError } from "../../foundation/errors.js";
import { createEventQueue } from "../event-queue.js";
import { cannotListen, dialTarget, withoutPeerId } from "./addresses.js";
import { createMeter } from "./carrier.js";
import { atMost, every, within } from "./deadline.js";
import { helloOf, type Self } from "./handshake.js";
import { encodeHello } from "./hello.js";
import { decodePrivateKey } from "./identity.js";
import { answerJoins } from "./join.js";
import {
  DEFAULT_MUXERS,
  type Deadlines,
  defaultDeadlines,
  MAX_STREAMS_PER_CONNECTION,
  type Muxer,
  PROTOCOL,
  REPORTED_WAIT_HEARTBEATS,
} from "./limits.js";
import { createLink, type Link } from "./link.js";
import type { LinkEvent } from "./link-event.js";
import { answerTo, isExpected, type Members } from "./members.js";
import { createNode, type NodeMetrics } from "./node.js";
import { answerProbes } from "./probe.js";
import { createReadiness } from "./ready.js";
import { isBanned } from "./standing.js";
import { answerStatus, edgeStatus } from "./status.js";

export type { Difference, Fingerprint } from "../../exchange/fingerprint.js";
export { decodeIdentity, encodeIdentity, generateIdentity, type Identity } from "./identity.js";
export {
  DEFAULT_DEADLINE_MS,
  type Deadlines,
  deadlinesFrom,
  defaultDeadlines,
  MIN_DEADLINE_MS,
  type Muxer,
} from "./limits.js";
export type { LinkEvent } from "./link-event.js";
export type { Members } from "./members.js";
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
  /** Numbers of the peers this one has edges to. No other peer can connect. */
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
  /** Who takes part, while that may change; no peer can join where left out. */
  readonly members?: Members | undefined;
  /** What makes the edges outlive this process; nothing where left out. */
  readonly durability?: Durability;
  /** Counts what happens on the edges; not read when left out. */
  readonly counters?: Counters;
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
    neighbours,
    clock = systemClock,
    durability = notDurable,
    counters = createCounters(),
    report = () => {},
  } = options;
  const deadlines: Deadlines = { ...defaultDeadlines, ...options.deadlines };
  const { members } = options;
  const epoch = members?.membership.epoch.number ?? 0;
  const self: Self = { id, instance: crypto.randomUUID(), fingerprint: options.fingerprint, epoch };
  // A fingerprint that is too large fails here, before anything has started.
  encodeHello(helloOf(self, 0));

  const events = createEventQueue();
  const meter = createMeter();
  const links = new Map<number, Link>();
  const byPeerId = new Map<string, Link>();
  let strangers = 0;
  let closed: { readonly error?: MurmurationError } | undefined;
  const readiness = createReadiness({
    ...{ id, clock, readyMs: deadlines.readyMs, closed: () => closed },
    standings: () => [...links].map(([neighbour, { standing }]) => [neighbour, standing]),
  });

  const node = await createNode({
    privateKey: decodePrivateKey(options.privateKey),
    listen: options.listen,
    muxers: options.muxers ?? DEFAULT_MUXERS,
    neighbours: neighbours.length,
    deadlines,
    metrics: options.metrics,
    onConnection: meter.onConnection,
    allows,
  });
  requireOwnKey(options, node);
  for (const neighbour of neighbours) {
    const { peerId } = peerOf(options, neighbour);
    const link = createLink({
      ...{ self, neighbour, clock, counters, deadlines, durability, report },
      activity: ownChain,
      ...{ maximumPayloadBytes: options.maximumPayloadBytes, emit: events.put, changed: readiness.check },
      ...reach(options, node, neighbour, clock, deadlines),
      fail: end,
    });
    links.set(neighbour, link);
    byPeerId.set(peerId, link);
  }

  /** Until the run begins this peer waits for its neighbours to connect. */
  const began = clock.now();
  let activity = (): State => ({
    activity: "waiting",
    forMs: clock.now() - began,
    awaited: [...links].filter(([, { standing }]) => !standing.isConnected).map(([neighbour]) => neighbour),
  });
  function ownChain(): Chain {
    return chainFrom(id, activity(), (neighbour) => linkTo(neighbour).chain);
  }

  /** One heartbeat of every link. */
  function beat(): void {
    for (const link of links.values()) link.beat();
    reportLingering();
    const chain = ownChain();
    const isLong = chain[0].forMs >= REPORTED_WAIT_HEARTBEATS * deadlines.heartbeatMs;
    if (chain.length > 1 && isLong) report({ kind: "waiting", chain });
  }

  let doneAt: number | undefined;
  /** A wait that is shorter than a heartbeat is no news. */
  function reportLingering(): void {
    if (doneAt === undefined || clock.now() - doneAt < deadlines.heartbeatMs) return;
    for (const [neighbour, { lingersMs: waitMs }] of links) {
      if (waitMs !== undefined) report({ kind: "lingering", peer: id, neighbour, waitMs });
    }
  }

  /** Whether this PeerId may connect. */
  function allows(peerId: PeerId, connection: MultiaddrConnection): boolean {
    const link = byPeerId.get(peerId.toString());
    if (link) {
      const isAllowed = !isBanned(link.standing);
      if (isAllowed) meter.assign(connection, link.traffic);
      return isAllowed;
    }
    if (members && isExpected(members, peerId.toString())) return true;
    strangers++;
    counters.count("refusedConnections");
    const from = options.peers.find((each) => each.peerId === peerId.toString())?.id ?? peerId.toString();
    report({ kind: "refused", from, reason: `it is not a neighbour of peer ${id}` });
    return false;
  }

  function linkTo(peer: number): Link {
    const link = links.get(peer);
    if (!link)
      throw new InvalidTopology(`peer ${peer} is not a neighbour of peer ${id}`, {
        code: "not-a-neighbour",
        peer: id,
        neighbour: peer,
      });
    return link;
  }

  /** This peer cannot take part: every wait ends with the error. */
  function end(error: MurmurationError): void {
    if (closed) return;
    closed = { error };
    for (const link of links.values()) link.stop();
    events.close(error);
    readiness.check();
  }

  await node.handle(
    PROTOCOL,
    (stream, connection) => {
      const link = byPeerId.get(connection.remotePeer.toString());
      if (link) return link.accept(stream, connection);
      stream.abort(new Error("not a neighbour"));
    },
    { maxInboundStreams: MAX_STREAMS_PER_CONNECTION },
  );
  await answerProbes(node, clock, self);
  await answerStatus(node, (peerId) => {
    const link = byPeerId.get(peerId.toString());
    return link && { round: activity().round, chain: ownChain(), edge: edgeStatus(link.standing) };
  });
  await answerJoins(node, (peerId) => {
    const link = byPeerId.get(peerId.toString());
    const peer = [...links].find(([, each]) => each === link)?.[0];
    return answerTo(members, peer, link, doneAt !== undefined);
  });
  node.addEventListener("connection:open", ({ detail }: CustomEvent<Connection>) => {
    void byPeerId.get(detail.remotePeer.toString())?.connect();
  });
  try {
    await node.start();
  } catch (cause) {
    throw cannotListen(id, options.listen, cause);
  }
  const stopBeating = every(clock, deadlines.heartbeatMs, beat);
  for (const link of links.values()) link.start();

  const finish = async (): Promise<void> => {
    if (closed) return;
    doneAt ??= clock.now();
    const since = doneAt;
    const { round } = activity();
    activity = () => ({ activity: "reporting", forMs: clock.now() - since, awaited: [], round });
    await Promise.all([...links.values()].map((link) => link.finish()));
  };

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closed ??= {};
    stopBeating();
    const left = Promise.all([...links.values()].map((link) => link.leave()));
    // After the links: frames that are dropped unread are not confirmed.
    events.close();
    await atMost(clock, deadlines.closeMs, left);
    for (const link of links.values()) link.stop();
    readiness.check();
    await node.stop();
  };

  return {
    addresses: node.getMultiaddrs().map((address) => withoutPeerId(address).toString()),
    ready: readiness.wait,
    send: (to, frame) => linkTo(to).send(frame),
    listen: events.listen,
    refuse: (peer, reason) => linkTo(peer).refuse(reason),
    traffic: (neighbour) => linkTo(neighbour).traffic,
    activity(now) {
      activity = now;
    },
    waitsFor: (neighbour) => linkTo(neighbour).chain,
    finish,
    refusals: (from) => (from === "strangers" ? strangers : (links.get(from)?.standing.refusals ?? 0)),
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function peerOf({ peers }: Libp2pTransportOptions, peer: number): NetworkPeer {
  const found = peers.find((each) => each.id === peer);
  if (!found)
    throw new InvalidTopology(`peer ${peer} is a neighbour, but not in the topology: add it to the peers`, {
      code: "neighbour-not-in-topology",
      neighbour: peer,
    });
  return found;
}

function requireOwnKey(options: Libp2pTransportOptions, { peerId }: Libp2p): void {
  const { id } = options;
  const named = peerOf(options, id).peerId;
  if (named === peerId.toString()) return;
  throw new InvalidTopology(
    `the key of peer ${id} belongs to ${peerId}, but the topology names ${named}: use the key that \`murmur keys\` made for it`,
    { code: "own-key-of-another-peer", peer: id },
  );
}

/** How a link reaches its neighbour. */
function reach(
  options: Libp2pTransportOptions,
  node: Libp2p,
  neighbour: number,
  clock: Clock,
  { dialMs, handshakeMs }: Deadlines,
) {
  const { id } = options;
  const { peerId, dial } = peerOf(options, neighbour);
  const targets = dial.map((address) => dialTarget(neighbour, address, peerId));
  const isFirst = id < neighbour || peerOf(options, id).dial.length === 0;
  return {
    dials: targets.length === 0 ? "never" : isFirst ? "first" : "later",
    dial: () => within(clock, dialMs, (signal) => node.dial(targets, { signal })),
    openStream: (connection: Connection) =>
      within(clock, handshakeMs, (signal) => connection.newStream(PROTOCOL, { signal })),
    connections: () =>
      node
        .getConnections()
        .filter((connection) => connection.remotePeer.toString() === peerId && connection.status === "open"),
  } as const;
}
