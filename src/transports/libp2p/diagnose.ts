/** Finds the first layer of an edge that fails, from the outside in: what `murmur doctor` is made of. */
import "./node-20.js";
import type { Libp2p } from "@libp2p/interface";
import type { Fingerprint } from "../../exchange/fingerprint.js";
import { type Clock, systemClock } from "../../foundation/clock.js";
import type { Self } from "./handshake.js";
import { decodePrivateKey, type Identity } from "./identity.js";
import type { NetworkPeer } from "./index.js";
import { DEFAULT_MUXERS, type Deadlines, defaultDeadlines, type Muxer, PROTOCOL } from "./limits.js";
import { createNode } from "./node.js";
import { answerProbes } from "./probe.js";
import { type Layer, layers, PROBE_INSTANCE, type Prober, tryAddress } from "./try-address.js";

export { type Layer, layers } from "./try-address.js";

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
  /** Default {@link systemClock}. */
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

/** @throws InvalidTopology the key is not valid */
export async function createProbe(options: ProbeOptions): Promise<Probe> {
  const { id, peers, fingerprint, clock = systemClock } = options;
  const deadlines: Deadlines = { ...defaultDeadlines, ...options.deadlines };
  const self: Self = { id, instance: PROBE_INSTANCE, fingerprint };
  let isRunning = false;
  const node = await startNode(options, options.listen, { self, clock, deadlines }).catch(() => {
    isRunning = true;
    return startNode(options, [], { self, clock, deadlines });
  });
  const prober: Prober = { self, node, clock, deadlines };
  return {
    id,
    isRunning,
    async diagnose(neighbour) {
      const to = peers.find((peer) => peer.id === neighbour);
      if (to) return diagnose(prober, to);
      return {
        from: id,
        to: neighbour,
        failed: "address",
        reason: `the topology names no peerId for peer ${neighbour}: make keys with \`murmur keys\``,
      };
    },
    async close() {
      await node.stop();
    },
  };
}

async function startNode(
  options: ProbeOptions,
  listen: readonly string[],
  { self, clock, deadlines }: Omit<Prober, "node">,
): Promise<Libp2p> {
  const { identity, peers, neighbours, muxers = DEFAULT_MUXERS } = options;
  const allowed = new Set(peers.filter((peer) => neighbours.includes(peer.id)).map(({ peerId }) => peerId));
  const node = await createNode({
    privateKey: decodePrivateKey(identity.privateKey),
    listen,
    muxers,
    neighbours: neighbours.length,
    deadlines,
    allows: (peerId) => allowed.has(peerId.toString()),
  });
  await answerProbes(node, clock, self);
  // A peer that waits for this one opens a stream at once; it may wait there for as long as the probe lasts.
  await node.handle(PROTOCOL, () => {});
  await node.start();
  return node;
}

/** Tries the addresses of a peer, in order, until one works. */
async function diagnose(prober: Prober, to: NetworkPeer): Promise<Diagnosis> {
  const edge = { from: prober.self.id, to: to.id };
  let furthest: Diagnosis = {
    ...edge,
    failed: "address",
    reason: `the topology gives peer ${to.id} no address: add "listen", as in ["/ip4/192.0.2.7/tcp/4001"]`,
  };
  for (const address of to.dial) {
    const diagnosis = { ...edge, address, ...(await tryAddress(prober, to, address)) };
    if (!diagnosis.failed) return diagnosis;
    if (furthest.address === undefined || rank(diagnosis) > rank(furthest)) furthest = diagnosis;
  }
  return furthest;
}

function rank({ failed }: Diagnosis): number {
  return failed === undefined ? layers.length : layers.indexOf(failed);
}
