/** Finds the first layer of an edge that fails, from the outside in: what `murmur doctor` is made of. */
import "./node-20.js";
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import type { Connection, Libp2p } from "@libp2p/interface";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { type Clock, systemClock } from "../../clock.js";
import { compareFingerprints, type Fingerprint } from "../../fingerprint.js";
import { within } from "./deadline.js";
import { decodePrivateKey, type Identity } from "./identity.js";
import type { NetworkPeer } from "./index.js";
import {
  DEFAULT_MUXERS,
  type Deadlines,
  defaultDeadlines,
  type Muxer,
  PROTOCOL,
  PROTOCOL_VERSION,
} from "./limits.js";
import { createNode } from "./node.js";
import { answerProbes, askHello, PROBE_PROTOCOL } from "./probe.js";
import { describeDifferences, describeFailure } from "./reasons.js";

/** What must work between two peers, each on top of the one before. */
export const layers = ["address", "TCP", "Noise", "muxer", "protocol", "fingerprint"] as const;
export type Layer = (typeof layers)[number];

export interface Diagnosis {
  readonly from: number;
  readonly to: number;
  /** The address that came furthest; absent where there is none. */
  readonly address?: string;
  /** The first layer that fails; absent when all work. */
  readonly failed?: Layer;
  /** What happened there, and what to do. */
  readonly reason?: string;
}

export interface ProbeOptions {
  readonly id: number;
  readonly identity: Identity;
  /** All peers that have a PeerId. */
  readonly peers: readonly NetworkPeer[];
  readonly neighbours: readonly number[];
  /** Where this peer listens, unless it runs already: others may find it there while this lasts. */
  readonly listen: readonly string[];
  /** What this peer would run, or the part of it that is known; only these fields are compared. */
  readonly fingerprint: Fingerprint;
  readonly muxers?: readonly Muxer[];
  readonly deadlines?: Partial<Deadlines>;
  readonly clock?: Clock;
}

/** One peer, as far as it takes to try its edges. */
export interface Probe {
  readonly id: number;
  /** Whether something listens at this peer's addresses already: most likely the peer itself. */
  readonly isRunning: boolean;
  diagnose(neighbour: number): Promise<Diagnosis>;
  close(): Promise<void>;
}

/** @throws InvalidTopology when the key is none */
export async function createProbe(options: ProbeOptions): Promise<Probe> {
  const { id, peers, fingerprint, clock = systemClock } = options;
  const deadlines: Deadlines = { ...defaultDeadlines, ...options.deadlines };
  const allowed = new Set(
    peers.filter((peer) => options.neighbours.includes(peer.id)).map(({ peerId }) => peerId),
  );

  async function start(listen: readonly string[]): Promise<Libp2p> {
    const node = await createNode({
      privateKey: decodePrivateKey(options.identity.privateKey),
      listen,
      muxers: options.muxers ?? DEFAULT_MUXERS,
      neighbours: options.neighbours.length,
      deadlines,
      connecting() {},
      allows: (peerId) => allowed.has(peerId.toString()),
    });
    await answerProbes(node, clock, () => ({
      version: PROTOCOL_VERSION,
      id,
      instance: "probe",
      fingerprint,
      sequence: 0,
    }));
    // A peer that waits for this one opens a stream at once; it may wait there for as long as the probe lasts.
    await node.handle(PROTOCOL, () => {});
    await node.start();
    return node;
  }

  let isRunning = false;
  const node = await start(options.listen).catch(() => {
    isRunning = true;
    return start([]);
  });

  async function tryAddress(to: NetworkPeer, address: string): Promise<Diagnosis> {
    const about = { from: id, to: to.id, address };
    const failure = (failed: Layer, reason: string): Diagnosis => ({ ...about, failed, reason });

    let target: Multiaddr;
    try {
      target = multiaddr(address).decapsulateCode(CODE_P2P).encapsulate(`/p2p/${to.peerId}`);
    } catch {
      return failure("address", `${address} is no multiaddr: write one as /ip4/192.0.2.7/tcp/4001`);
    }
    const socket = socketOf(target);
    if (socket) {
      try {
        await lookup(socket.host);
      } catch {
        return failure(
          "address",
          `the host name ${socket.host} is unknown here: correct it in the topology, or in DNS`,
        );
      }
      const refused = await tryTcp(socket, clock, deadlines.dialMs);
      if (refused) return failure("TCP", `${address}: ${refused}`);
    }

    let reached: "TCP" | "Noise" | "muxer" = "TCP";
    let connection: Connection;
    try {
      connection = await within(clock, deadlines.dialMs, (signal) =>
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
      return failure(...describeDial(error, reached, address));
    }

    try {
      const stream = await within(clock, deadlines.handshakeMs, (signal) =>
        connection.newStream(PROBE_PROTOCOL, { signal }),
      );
      const theirs = await askHello(stream, clock, deadlines.handshakeMs);
      if (theirs.id !== to.id) {
        return failure("protocol", `it answers as peer ${theirs.id}: start it with its own key and --id`);
      }
      const shared = Object.fromEntries(
        Object.entries(theirs.fingerprint).filter(([field]) => Object.hasOwn(fingerprint, field)),
      );
      // A neighbour that is being tried too may know less than this one does.
      const known =
        theirs.instance === "probe"
          ? Object.fromEntries(Object.entries(fingerprint).filter(([field]) => Object.hasOwn(shared, field)))
          : fingerprint;
      const differences = compareFingerprints(known, shared);
      if (differences.length === 0) return about;
      return failure(
        "fingerprint",
        `${describeDifferences(differences)}: start both from the same files and settings`,
      );
    } catch (error) {
      return failure(
        "protocol",
        `${describeFailure(error, deadlines.handshakeMs)} (${PROBE_PROTOCOL}): what answers there is no murmur of this version`,
      );
    } finally {
      connection.abort(new Error("that was all"));
    }
  }

  /** The layer at which a dial failed that came as far as `reached`. */
  function describeDial(
    error: unknown,
    reached: "TCP" | "Noise" | "muxer",
    address: string,
  ): [Layer, string] {
    const text = error instanceof Error ? `${error.name} ${error.message}` : String(error);
    const why = describeFailure(error, deadlines.dialMs);
    if (/NoValidAddresses/.test(text)) {
      return ["address", `${address} is of a kind that this transport cannot dial: use TCP or WebSockets`];
    }
    if (reached === "TCP") return ["TCP", `${address}: ${why}`];
    const isMuxer = reached === "muxer" && /UnsupportedProtocol|protocol selection failed/i.test(text);
    // Noise may choose the muxer on the way.
    if (isMuxer || /no common muxers/i.test(text)) {
      return ["muxer", "it offers neither yamux nor mplex: run the same version of murmur there"];
    }
    if (reached === "Noise") {
      return ["Noise", `${why}: both ends need the same topology file, and each its own key`];
    }
    // A peer that does not know this one hangs up right after it has seen who this is.
    return [
      "Noise",
      `it hung up when it saw this key: its topology must name peer ${id} as ${node.peerId}, and as its neighbour`,
    ];
  }

  return {
    id,
    isRunning,
    async diagnose(neighbour) {
      const to = peers.find((peer) => peer.id === neighbour);
      if (!to) {
        return {
          from: id,
          to: neighbour,
          failed: "address",
          reason: `the topology names no peerId for peer ${neighbour}: make keys with \`murmur keys\``,
        };
      }
      let furthest: Diagnosis = {
        from: id,
        to: neighbour,
        failed: "address",
        reason: `the topology gives peer ${neighbour} no address: add "listen", as in ["/ip4/192.0.2.7/tcp/4001"]`,
      };
      for (const address of to.dial) {
        const diagnosis = await tryAddress(to, address);
        if (!diagnosis.failed) return diagnosis;
        if (furthest.address === undefined || rank(diagnosis) > rank(furthest)) furthest = diagnosis;
      }
      return furthest;
    },
    async close() {
      await node.stop();
    },
  };
}

/** The code of `/p2p/…` in a multiaddr. */
const CODE_P2P = 421;

function rank({ failed }: Diagnosis): number {
  return failed === undefined ? layers.length : layers.indexOf(failed);
}

/** Host and port of a TCP or WebSocket address; undefined for others, which have no layer of their own there. */
function socketOf(address: Multiaddr): { host: string; port: number } | undefined {
  let host: string | undefined;
  for (const { name, value } of address.getComponents()) {
    if (/^(ip4|ip6|dns|dns4|dns6)$/.test(name)) host = value;
    if (name === "tcp" && host !== undefined) return { host, port: Number(value) };
  }
  return undefined;
}

/** Why no TCP connection comes about; undefined when one does. */
function tryTcp(
  { host, port }: { host: string; port: number },
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
        `no answer within ${deadlineMs / 1000} s: is that machine up, and does a firewall let port ${port} through?`,
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
