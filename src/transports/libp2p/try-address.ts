/** One address of one neighbour, tried layer by layer from the outside in. */
import { lookup } from "node:dns/promises";
import type { Connection, Libp2p } from "@libp2p/interface";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { causesAmong, describeDifferences, remedyFor } from "../../exchange/differences.js";
import { compareFingerprints, type Fingerprint } from "../../exchange/fingerprint.js";
import type { Clock } from "../../foundation/clock.js";
import { withPeerId } from "./addresses.js";
import { within } from "./deadline.js";
import { type Greeting, greet, type SocketAddress } from "./greeting.js";
import type { Self } from "./handshake.js";
import type { Hello } from "./hello.js";
import type { NetworkPeer } from "./index.js";
import type { Deadlines } from "./limits.js";
import { askHello, PROBE_PROTOCOL } from "./probe.js";
import { describeFailure } from "./reasons.js";
import { type PeerStatus, readStatus, STATUS_PROTOCOL } from "./status.js";

/** What must work between two peers, each on top of the one before. */
export const layers = ["address", "TCP", "Noise", "muxer", "protocol", "fingerprint"] as const;
export type Layer = (typeof layers)[number];

/** The instance in a probe's hello; a probe may know only a part of its fingerprint. */
export const PROBE_INSTANCE = "probe";

/**
 * Who answers at an address. `peer`: the peer that should, its PeerId proven. `other`: another key, or the key of this
 * peer under another number. `foreign`: a program that is not murmur. `silent`: a process that accepts connections and
 * does not answer. `nothing`: no connection. `unproven`: libp2p, as far as it shows without a neighbour's key.
 */
export type Answers = "peer" | "other" | "foreign" | "silent" | "nothing" | "unproven";

/** What an attempt at one address found. */
export interface Attempt {
  readonly address: string;
  readonly answers: Answers;
  /** The first layer that fails; absent when all work. */
  readonly failed?: Layer;
  /** What happened there, and what to do. */
  readonly reason?: string;
  /** Whether a probe answers in place of the peer: that of another doctor, or of this one. */
  readonly isStandIn?: true;
  /** What the peer states of itself; absent for a probe. */
  readonly status?: PeerStatus;
}

type Failure = Required<Pick<Attempt, "answers" | "failed" | "reason">>;

/** Who tries. */
export interface Prober {
  readonly self: Self;
  readonly node: Libp2p;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

/** Tries one address, layer by layer, and asks the peer that answers for its settings and its status. */
export async function tryAddress(
  prober: Prober,
  peers: readonly NetworkPeer[],
  to: NetworkPeer,
  address: string,
): Promise<Attempt> {
  let target: Multiaddr;
  try {
    target = withPeerId(address, to.peerId);
  } catch {
    const reason = `${address} is not a multiaddr: write one as /ip4/192.0.2.7/tcp/4001`;
    return { address, ...failure("nothing", "address", reason) };
  }
  const socket = socketOf(target);
  if (socket && !(await isKnown(socket))) {
    const reason = `the host name ${socket.host} is unknown here: correct it in the topology, or in DNS`;
    return { address, ...failure("nothing", "address", reason) };
  }
  const dialled = await tryDial(prober, { peers, to, target, address });
  if ("failed" in dialled) return { address, ...(await classify(prober, dialled, socket, address)) };
  try {
    return { address, ...(await tryHello(prober, to, dialled)) };
  } finally {
    dialled.abort(new Error("the probe is complete"));
  }
}

function failure(answers: Answers, failed: Layer, reason: string): Failure {
  return { answers, failed, reason };
}

/** What listens at an address, as far as it shows without a key that it knows. */
export async function tryListener(clock: Clock, deadlineMs: number, address: string): Promise<Greeting> {
  const socket = socketOf(address);
  if (!socket) return { kind: "open", reason: "" };
  return greet(socket, clock, deadlineMs);
}

async function isKnown({ host }: SocketAddress): Promise<boolean> {
  return lookup(host).then(
    () => true,
    () => false,
  );
}

/** Why a dial failed, as a bare socket shows it where it shows more. A peer that answers has one connection only. */
async function classify(
  { clock, deadlines }: Prober,
  failed: Failure,
  socket: SocketAddress | undefined,
  address: string,
): Promise<Failure> {
  if (!socket || failed.answers === "peer" || failed.answers === "other" || failed.failed === "muxer") {
    return failed;
  }
  const { kind, reason } = await greet(socket, clock, deadlines.dialMs);
  if (kind === "open") return failed;
  return failure(kind, kind === "nothing" ? "TCP" : "Noise", `${address}: ${reason}`);
}

/** How far a dial came. */
type Reached = "TCP" | "Noise" | "muxer";

interface Dial {
  readonly peers: readonly NetworkPeer[];
  readonly to: NetworkPeer;
  readonly target: Multiaddr;
  readonly address: string;
}

async function tryDial(prober: Prober, dial: Dial): Promise<Connection | Failure> {
  const { node, clock, deadlines } = prober;
  let reached: Reached = "TCP";
  try {
    return await within(clock, deadlines.dialMs, (signal) =>
      node.dial(dial.target, {
        force: true,
        signal,
        onProgress({ type }) {
          if (type === "upgrader:encrypt-outbound-connection") reached = "Noise";
          if (type === "upgrader:multiplex-outbound-connection") reached = "muxer";
        },
      }),
    );
  } catch (error) {
    return describeDial(prober, error, reached, dial);
  }
}

function describeDial(prober: Prober, error: unknown, reached: Reached, dial: Dial): Failure {
  const { address } = dial;
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error);
  const why = describeFailure(error, prober.deadlines.dialMs);
  if (/NoValidAddresses/.test(text)) {
    const reason = `${address} is of a kind that this transport cannot dial: use TCP or WebSockets`;
    return failure("nothing", "address", reason);
  }
  if (reached === "TCP") return failure("nothing", "TCP", `${address}: ${why}`);
  const isMuxer = reached === "muxer" && /UnsupportedProtocol|protocol selection failed/i.test(text);
  // Noise may choose the muxer on the way.
  if (isMuxer || /no common muxers/i.test(text)) {
    return failure(
      "foreign",
      "muxer",
      "it offers neither yamux nor mplex: run the same version of murmur there",
    );
  }
  const other = otherKey(text, dial);
  if (other) {
    return failure("other", "Noise", `${other}: both ends need the same topology file, and each its own key`);
  }
  if (reached === "Noise") {
    const isSlow = /^no answer within/.test(why);
    return failure(
      isSlow ? "silent" : "foreign",
      "Noise",
      `${why}: both ends need the same topology file, and each its own key`,
    );
  }
  // A peer that does not know this one closes the connection right after the key exchange.
  return failure(
    "peer",
    "Noise",
    `it closed the connection after the key exchange: its topology must name peer ${prober.self.id} as ${prober.node.peerId}, and as its neighbour`,
  );
}

/** Whose key answered in place of the one that was dialled; undefined where that is not what failed. */
function otherKey(text: string, { peers, to }: Dial): string | undefined {
  if (!/UnexpectedPeer|does not match expected remote identity/.test(text)) return undefined;
  const keys = text.match(/12D3KooW[1-9A-HJ-NP-Za-km-z]{44}/g) ?? [];
  const proven = keys.find((key) => key !== to.peerId);
  const owner = peers.find(({ peerId }) => peerId === proven);
  if (owner) return `peer ${owner.id} answers there, with its own key`;
  return `another key answers there than the topology names${proven ? `: ${proven}` : ""}`;
}

/** The layers above libp2p. */
async function tryHello(
  { self, clock, deadlines }: Prober,
  to: NetworkPeer,
  connection: Connection,
): Promise<Omit<Attempt, "address">> {
  const { handshakeMs } = deadlines;
  let theirs: Hello;
  try {
    const stream = await within(clock, handshakeMs, (signal) =>
      connection.newStream(PROBE_PROTOCOL, { signal }),
    );
    theirs = await askHello(stream, clock, handshakeMs);
  } catch (error) {
    return failure(
      "foreign",
      "protocol",
      `${describeFailure(error, handshakeMs)} (${PROBE_PROTOCOL}): what answers there is not murmur of this version`,
    );
  }
  if (theirs.id !== to.id) {
    const reason = `it answers as peer ${theirs.id}: start it with its own key and --id`;
    return failure("other", "protocol", reason);
  }
  const isStandIn = theirs.instance === PROBE_INSTANCE;
  const status = isStandIn ? undefined : await askStatus(connection, clock, handshakeMs);
  const found = { ...(isStandIn && { isStandIn }), ...(status && { status }) };
  const shared = restrict(theirs.fingerprint, self.fingerprint);
  const known = isStandIn ? restrict(self.fingerprint, theirs.fingerprint) : self.fingerprint;
  const differences = causesAmong(compareFingerprints(known, shared));
  if (differences.length === 0) return { answers: "peer", ...found };
  const reason = `${describeDifferences(differences, to.id)}: ${remedyFor(differences)}`;
  return { ...failure("peer", "fingerprint", reason), ...found };
}

/** Undefined where the peer ends before it has answered. */
async function askStatus(
  connection: Connection,
  clock: Clock,
  deadlineMs: number,
): Promise<PeerStatus | undefined> {
  try {
    return await within(clock, deadlineMs, async (signal) => {
      const stream = await connection.newStream(STATUS_PROTOCOL, { signal });
      signal.addEventListener("abort", () => stream.abort(new Error("no status in time")));
      return await readStatus(stream);
    });
  } catch {
    return undefined;
  }
}

/** The fields that the other fingerprint has too. */
function restrict(fingerprint: Fingerprint, other: Fingerprint): Fingerprint {
  return Object.fromEntries(Object.entries(fingerprint).filter(([field]) => Object.hasOwn(other, field)));
}

/** Host and port of a TCP or WebSocket address; undefined for others, which have no layer of their own there. */
function socketOf(address: Multiaddr | string): SocketAddress | undefined {
  let host: string | undefined;
  let port: number | undefined;
  let greets = true;
  try {
    for (const { name, value } of multiaddr(address).getComponents()) {
      if (/^(ip4|ip6|dns|dns4|dns6)$/.test(name)) host = value;
      if (name === "tcp") port = Number(value);
      if (name === "ws" || name === "wss") greets = false;
    }
  } catch {
    return undefined;
  }
  return host === undefined || port === undefined ? undefined : { host, port, greets };
}
