/** One address of one neighbour, tried layer by layer from the outside in. */
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import type { Connection, Libp2p } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import { causesAmong, describeDifferences, remedyFor } from "../../exchange/differences.js";
import { compareFingerprints, type Fingerprint } from "../../exchange/fingerprint.js";
import type { Clock } from "../../foundation/clock.js";
import { withPeerId } from "./addresses.js";
import { within } from "./deadline.js";
import type { Self } from "./handshake.js";
import type { Hello } from "./hello.js";
import type { NetworkPeer } from "./index.js";
import type { Deadlines } from "./limits.js";
import { askHello, PROBE_PROTOCOL } from "./probe.js";
import { describeFailure, seconds } from "./reasons.js";

/** What must work between two peers, each on top of the one before. */
export const layers = ["address", "TCP", "Noise", "muxer", "protocol", "fingerprint"] as const;
export type Layer = (typeof layers)[number];

/** The instance in a probe's hello; a probe may know only a part of its fingerprint. */
export const PROBE_INSTANCE = "probe";

/** The layer that fails, and what happened there and what to do. */
export interface Failure {
  readonly failed: Layer;
  readonly reason: string;
}

/** Who tries. */
export interface Prober {
  readonly self: Self;
  readonly node: Libp2p;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

/** @returns the first layer that fails; undefined when all work */
export async function tryAddress(
  prober: Prober,
  to: NetworkPeer,
  address: string,
): Promise<Failure | undefined> {
  let target: Multiaddr;
  try {
    target = withPeerId(address, to.peerId);
  } catch {
    return failure("address", `${address} is not a multiaddr: write one as /ip4/192.0.2.7/tcp/4001`);
  }
  const unreachable = await trySocket(prober, target, address);
  if (unreachable) return unreachable;
  const dialled = await tryDial(prober, target, address);
  if ("failed" in dialled) return dialled;
  try {
    return await tryHello(prober, to, dialled);
  } finally {
    dialled.abort(new Error("the probe is complete"));
  }
}

function failure(failed: Layer, reason: string): Failure {
  return { failed, reason };
}

/** The layers below libp2p. */
async function trySocket(prober: Prober, target: Multiaddr, address: string): Promise<Failure | undefined> {
  const socket = socketOf(target);
  if (!socket) return undefined;
  try {
    await lookup(socket.host);
  } catch {
    return failure(
      "address",
      `the host name ${socket.host} is unknown here: correct it in the topology, or in DNS`,
    );
  }
  const refused = await tryTcp(socket, prober.clock, prober.deadlines.dialMs);
  return refused === undefined ? undefined : failure("TCP", `${address}: ${refused}`);
}

/** How far a dial came. */
type Reached = "TCP" | "Noise" | "muxer";

async function tryDial(prober: Prober, target: Multiaddr, address: string): Promise<Connection | Failure> {
  const { node, clock, deadlines } = prober;
  let reached: Reached = "TCP";
  try {
    return await within(clock, deadlines.dialMs, (signal) =>
      node.dial(target, {
        force: true,
        signal,
        onProgress({ type }) {
          if (type === "upgrader:encrypt-outbound-connection") reached = "Noise";
          if (type === "upgrader:multiplex-outbound-connection") reached = "muxer";
        },
      }),
    );
  } catch (error) {
    return describeDial(prober, error, reached, address);
  }
}

function describeDial(prober: Prober, error: unknown, reached: Reached, address: string): Failure {
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error);
  const why = describeFailure(error, prober.deadlines.dialMs);
  if (/NoValidAddresses/.test(text)) {
    return failure(
      "address",
      `${address} is of a kind that this transport cannot dial: use TCP or WebSockets`,
    );
  }
  if (reached === "TCP") return failure("TCP", `${address}: ${why}`);
  const isMuxer = reached === "muxer" && /UnsupportedProtocol|protocol selection failed/i.test(text);
  // Noise may choose the muxer on the way.
  if (isMuxer || /no common muxers/i.test(text)) {
    return failure("muxer", "it offers neither yamux nor mplex: run the same version of murmur there");
  }
  if (reached === "Noise") {
    return failure("Noise", `${why}: both ends need the same topology file, and each its own key`);
  }
  // A peer that does not know this one closes the connection right after the key exchange.
  return failure(
    "Noise",
    `it closed the connection after the key exchange: its topology must name peer ${prober.self.id} as ${prober.node.peerId}, and as its neighbour`,
  );
}

/** The layers above libp2p. */
async function tryHello(
  { self, clock, deadlines }: Prober,
  to: NetworkPeer,
  connection: Connection,
): Promise<Failure | undefined> {
  const { handshakeMs } = deadlines;
  let theirs: Hello;
  try {
    const stream = await within(clock, handshakeMs, (signal) =>
      connection.newStream(PROBE_PROTOCOL, { signal }),
    );
    theirs = await askHello(stream, clock, handshakeMs);
  } catch (error) {
    return failure(
      "protocol",
      `${describeFailure(error, handshakeMs)} (${PROBE_PROTOCOL}): what answers there is not murmur of this version`,
    );
  }
  if (theirs.id !== to.id) {
    return failure("protocol", `it answers as peer ${theirs.id}: start it with its own key and --id`);
  }
  const shared = restrict(theirs.fingerprint, self.fingerprint);
  const known =
    theirs.instance === PROBE_INSTANCE ? restrict(self.fingerprint, theirs.fingerprint) : self.fingerprint;
  const differences = causesAmong(compareFingerprints(known, shared));
  if (differences.length === 0) return undefined;
  return failure("fingerprint", `${describeDifferences(differences, to.id)}: ${remedyFor(differences)}`);
}

/** The fields that the other fingerprint has too. */
function restrict(fingerprint: Fingerprint, other: Fingerprint): Fingerprint {
  return Object.fromEntries(Object.entries(fingerprint).filter(([field]) => Object.hasOwn(other, field)));
}

interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** Host and port of a TCP or WebSocket address; undefined for others, which have no layer of their own there. */
function socketOf(address: Multiaddr): SocketAddress | undefined {
  let host: string | undefined;
  for (const { name, value } of address.getComponents()) {
    if (/^(ip4|ip6|dns|dns4|dns6)$/.test(name)) host = value;
    if (name === "tcp" && host !== undefined) return { host, port: Number(value) };
  }
  return undefined;
}

/** @returns why no TCP connection comes about; undefined when one does */
function tryTcp(
  { host, port }: SocketAddress,
  clock: Clock,
  deadlineMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (result: string | undefined) => {
      cancel();
      socket.destroy();
      resolve(result);
    };
    const cancel = clock.after(deadlineMs, () =>
      end(
        `no answer within ${seconds(deadlineMs)}: is that machine up, and does a firewall let port ${port} through?`,
      ),
    );
    socket.once("connect", () => end(undefined));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      end(
        error.code === "ECONNREFUSED"
          ? "nothing listens there (connection refused): start that peer, or correct its address or port"
          : `${describeFailure(error, deadlineMs)}: correct its address, or the network between`,
      ),
    );
  });
}
