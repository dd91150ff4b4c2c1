/** What a network's settings come to for a graph: numbers for each link and each peer. */
import { InvalidNetwork } from "../../foundation/errors.js";
import { permutation, random } from "../../foundation/random.js";
import type { NetworkSettings } from "./settings.js";

/** One link, the same in both directions. */
export interface LinkConditions {
  /** Bits per millisecond in one direction; infinite where it is not limited. */
  readonly rate: number;
  readonly latencyMs: number;
  readonly jitterMs: number;
  /** Mean time until its connection is lost; infinite where it never is. */
  readonly lossMs: number;
}

export interface Conditions {
  link(a: number, b: number): LinkConditions;
  /** How long a peer computes in a round. */
  computeMs(peer: number): number;
  /** Bits per millisecond that the links of a peer share; infinite where they share none. */
  readonly uplinkRate: number;
}

const pairKey = (a: number, b: number): string => `${Math.min(a, b)} ${Math.max(a, b)}`;

const perMs = (bitsPerSecond = Number.POSITIVE_INFINITY): number => bitsPerSecond / 1000;

/**
 * @param neighbours every peer's neighbours, by peer
 * @throws InvalidNetwork settings that name peers or edges which the graph does not have, or contradict each other
 */
export function createConditions(
  settings: NetworkSettings,
  neighbours: readonly (readonly { readonly peer: number }[])[],
): Conditions {
  const { edges, slow, computeMs } = settings;
  requirePartitions(settings, neighbours.length);
  const links = new Map<string, LinkConditions>();
  for (const [k, edge] of edges.entries()) {
    const [a, b] = edge.between;
    if (!neighbours[a]?.some(({ peer }) => peer === b)) {
      throw new InvalidNetwork(
        `the network's edges[${k}] is between peers ${a} and ${b}, which are no neighbours: name an edge of the graph`,
        { code: "network-without-edge", field: `edges[${k}]`, peer: a, neighbour: b },
      );
    }
    const { latencyMs = settings.latencyMs, jitterMs = settings.jitterMs } = edge;
    links.set(pairKey(a, b), conditionsOf({ ...settings, ...edge, latencyMs, jitterMs }));
  }
  const usual = conditionsOf(settings);
  const slowPeers = slow ? slowOnes(slow, settings.seed, neighbours.length) : new Set<number>();
  return {
    link: (a, b) => links.get(pairKey(a, b)) ?? usual,
    computeMs: (peer) => computeMs * (slow && slowPeers.has(peer) ? slow.factor : 1),
    uplinkRate: perMs(settings.uplink),
  };
}

type LinkSettings = Pick<NetworkSettings, "bandwidth" | "latencyMs" | "jitterMs" | "connectionLoss">;

function conditionsOf({ bandwidth, latencyMs, jitterMs, connectionLoss }: LinkSettings): LinkConditions {
  const lossMs = connectionLoss === undefined ? Number.POSITIVE_INFINITY : 1000 * connectionLoss;
  return { rate: perMs(bandwidth), latencyMs, jitterMs, lossMs };
}

function slowOnes(
  { peers, share }: NonNullable<NetworkSettings["slow"]>,
  seed: number,
  count: number,
): Set<number> {
  if ((peers === undefined) === (share === undefined)) {
    throw new InvalidNetwork("the network's slow peers need either peers or share: give one of the two", {
      code: "network-slow-peers",
      field: "slow",
    });
  }
  for (const peer of peers ?? []) requirePeer(peer, count, "slow.peers");
  return new Set(peers ?? permutation(count, random(seed, "slow")).slice(0, Math.round(share! * count)));
}

function requirePartitions({ partitions }: NetworkSettings, count: number): void {
  for (const [k, { from, to, groups }] of partitions.entries()) {
    const field = `partitions[${k}]`;
    if (to <= from) {
      throw new InvalidNetwork(
        `the network's ${field} ends at ${to} s, and begins at ${from} s: let it end after it begins`,
        { code: "network-partition-time", field },
      );
    }
    const named = groups.flat();
    for (const peer of named) requirePeer(peer, count, field);
    const twice = named.find((peer, at) => named.indexOf(peer) !== at);
    if (twice !== undefined) {
      throw new InvalidNetwork(`the network's ${field} names peer ${twice} twice: put it into one group`, {
        code: "network-partition-group",
        field,
        peer: twice,
      });
    }
  }
}

function requirePeer(peer: number, count: number, field: string): void {
  if (peer < count) return;
  throw new InvalidNetwork(
    `the network's ${field} names peer ${peer}: the graph's peers are numbered 0 to ${count - 1}`,
    { code: "network-without-peer", field, peer },
  );
}
