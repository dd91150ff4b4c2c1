/** Finds the first layer of an edge that fails, from the outside in: what `murmur doctor` is made of. */
import "./node-20.js";
import type { Libp2p } from "@libp2p/interface";
import type { Fingerprint } from "../../exchange/fingerprint.js";
import { type Clock, systemClock } from "../../foundation/clock.js";
import { cannotListen, withoutPeerId } from "./addresses.js";
import type { Greeting } from "./greeting.js";
import type { Self } from "./handshake.js";
import { decodePrivateKey, type Identity } from "./identity.js";
import type { NetworkPeer } from "./index.js";
import { DEFAULT_MUXERS, type Deadlines, defaultDeadlines, type Muxer, PROTOCOL } from "./limits.js";
import { createNode } from "./node.js";
import { answerProbes } from "./probe.js";
import { type Attempt, layers, PROBE_INSTANCE, type Prober, tryAddress, tryListener } from "./try-address.js";

export { type Answers, type Attempt, type Layer, layers } from "./try-address.js";

/** What a probe found at the addresses of one neighbour. */
export interface Diagnosis extends Omit<Attempt, "address"> {
  readonly from: number;
  readonly to: number;
  /** The address that came furthest; absent where the topology has none. */
  readonly address?: string;
  /** Every address, in the topology's order. */
  readonly attempts: readonly Attempt[];
}

export interface ProbeOptions {
  readonly id: number;
  readonly identity: Identity;
  /** All peers that have a PeerId. */
  readonly peers: readonly NetworkPeer[];
  readonly neighbours: readonly number[];
  /** Where the probe stands in for this peer: others may find it there while this lasts. */
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
  /** Where it listens, with the ports it was given. */
  readonly addresses: readonly string[];
  diagnose(neighbour: number): Promise<Diagnosis>;
  close(): Promise<void>;
}

/**
 * @throws InvalidTopology the key is not valid
 * @throws CannotListen an address that is taken or not this machine's
 */
export async function createProbe(options: ProbeOptions): Promise<Probe> {
  const { id, peers, fingerprint, clock = systemClock } = options;
  const deadlines: Deadlines = { ...defaultDeadlines, ...options.deadlines };
  const self: Self = { id, instance: PROBE_INSTANCE, fingerprint };
  const node = await startNode(options, { self, clock, deadlines });
  const prober: Prober = { self, node, clock, deadlines };
  return {
    id,
    addresses: node.getMultiaddrs().map((address) => withoutPeerId(address).toString()),
    async diagnose(neighbour) {
      const to = peers.find((peer) => peer.id === neighbour);
      if (to) return diagnose(prober, peers, to);
      return {
        ...{ from: id, to: neighbour, answers: "nothing", attempts: [], failed: "address" },
        reason: `the topology names no peerId for peer ${neighbour}: make keys with \`murmur keys\``,
      };
    },
    async close() {
      await node.stop();
    },
  };
}

/** What listens at an address, as far as it shows to one that has no key of a neighbour. */
export function listenerAt(address: string, deadlineMs: number): Promise<Greeting> {
  return tryListener(systemClock, deadlineMs, address);
}

async function startNode(
  options: ProbeOptions,
  { self, clock, deadlines }: Omit<Prober, "node">,
): Promise<Libp2p> {
  const { id, identity, listen, peers, neighbours, muxers = DEFAULT_MUXERS } = options;
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
  try {
    await node.start();
  } catch (cause) {
    await node.stop();
    throw cannotListen(id, listen, cause);
  }
  return node;
}

/** Tries all addresses of a peer, in order; the first that works, or the one that came furthest, counts. */
async function diagnose(prober: Prober, peers: readonly NetworkPeer[], to: NetworkPeer): Promise<Diagnosis> {
  const edge = { from: prober.self.id, to: to.id };
  const attempts: Attempt[] = [];
  for (const address of to.dial) attempts.push(await tryAddress(prober, peers, to, address));
  const [first, ...others] = attempts;
  if (!first) {
    return {
      ...{ ...edge, answers: "nothing", attempts, failed: "address" },
      reason: `the topology gives peer ${to.id} no address: add "listen", as in ["/ip4/192.0.2.7/tcp/4001"]`,
    };
  }
  const best = others.reduce((before, attempt) => (rank(attempt) > rank(before) ? attempt : before), first);
  return { ...edge, ...best, attempts };
}

function rank({ failed }: Attempt): number {
  return failed === undefined ? layers.length : layers.indexOf(failed);
}
