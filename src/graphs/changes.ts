/**
 * How the peers of a graph change while a run goes on. A peer keeps its number for good: one that leaves stays in the
 * list without edges, and a new one gets the next number.
 */
import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import { checked } from "../settings/check.js";
import { MAX_PEERS, presentPeers } from "./graph.js";
import { parseTopology, type Topology, whyMembersAreFixed } from "./topology.js";
import { peerSettings, type TopologyPeer } from "./topology-peers.js";

/** Most bytes of a change as JSON in UTF-8. */
export const MAX_CHANGE_BYTES = 4096;

/** What changes about the peers of a run. */
export type Change =
  | { readonly kind: "join"; readonly peer: TopologyPeer; readonly neighbours: readonly number[] }
  | { readonly kind: "leave"; readonly peer: number }
  /** The peer lost what it had; it takes a neighbour's model. The graph stays. */
  | { readonly kind: "return"; readonly peer: number };

const number = z
  .int()
  .min(0)
  .max(MAX_PEERS - 1);

export const changeSchema = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("join"),
      peer: peerSettings.omit({ left: true, data: true }),
      neighbours: z.array(number).min(1).max(MAX_PEERS),
    }),
    z.strictObject({ kind: z.literal("leave"), peer: number }),
    z.strictObject({ kind: z.literal("return"), peer: number }),
  ])
  .refine((change) => new TextEncoder().encode(JSON.stringify(change)).length <= MAX_CHANGE_BYTES, {
    error: `has more than ${MAX_CHANGE_BYTES} bytes: give the peer fewer neighbours or addresses`,
  });

/** @throws InvalidTopology a field is out of its range, or the change is too large to travel */
export function requireChange(change: Change): void {
  checked(changeSchema, change, { what: `change "${changeText(change)}"` }, InvalidTopology);
}

/** A topology after changes. */
export interface Changed {
  readonly topology: Topology;
  /** Peers that take a neighbour's model: new ones and those that come back, ascending. */
  readonly newcomers: readonly number[];
  readonly refused: readonly { readonly change: Change; readonly reason: string }[];
}

/**
 * The topology after these changes, one after another; the same at every peer. One that cannot be is left out, with the
 * reason.
 */
export function changeTopology(topology: Topology, changes: readonly Change[]): Changed {
  let now = topology;
  const newcomers = new Set<number>();
  const refused: { change: Change; reason: string }[] = [];
  for (const change of changes) {
    try {
      now = changed(now, newcomers, change);
      if (change.kind === "leave") newcomers.delete(change.peer);
      else newcomers.add(change.kind === "join" ? change.peer.id : change.peer);
    } catch (error) {
      if (!(error instanceof InvalidTopology)) throw error;
      refused.push({ change, reason: error.message });
    }
  }
  return { topology: now, newcomers: [...newcomers].sort((a, b) => a - b), refused };
}

/** Whether the topology is already as the change would make it. */
export function isInEffect(change: Change, { peers }: Topology): boolean {
  switch (change.kind) {
    case "join":
      return peers[change.peer.id] !== undefined && peers[change.peer.id]!.peerId === change.peer.peerId;
    case "leave":
      return peers[change.peer]?.left === true;
    case "return":
      return false;
  }
}

/** A change in words. */
export function changeText(change: Change): string {
  switch (change.kind) {
    case "join":
      return `peer ${change.peer.id} joins beside ${change.neighbours.join(", ")}`;
    case "leave":
      return `peer ${change.peer} leaves`;
    case "return":
      return `peer ${change.peer} comes back with a neighbour's model`;
  }
}

/** Settings from which `parseTopology` makes this topology again, with the graph written out as edges. */
export function topologySettingsOf({ name, graph, peers }: Topology) {
  return {
    name,
    graph: { kind: "edges" as const, peers: graph.peers, edges: graph.edges.map(([a, b]) => [a, b]) },
    peers: peers.map(({ listen, dial, ...peer }) => ({
      ...peer,
      ...(listen.length > 0 && { listen: [...listen] }),
      ...(dial.length > 0 && { dial: [...dial] }),
    })),
  };
}

/** What newcomers are sent: the data of peers stay private. */
export function publicSettingsOf(topology: Topology) {
  const { peers, ...graph } = topologySettingsOf(topology);
  return { ...graph, peers: peers.map(({ data: _, ...peer }) => peer) };
}

/** @throws InvalidTopology the change cannot be */
function changed(topology: Topology, newcomers: ReadonlySet<number>, change: Change): Topology {
  const fixed = whyMembersAreFixed(topology.graph, topology.hasOwnWeights ? "own" : "metropolis");
  if (fixed !== undefined)
    throw new InvalidTopology(`its members are fixed: ${fixed}`, {
      code: "members-of-fixed-graph",
      field: "peers",
    });
  if (change.kind === "join") return joined(topology, newcomers, change);
  const { peer } = change;
  if (!presentPeers(topology.graph).includes(peer)) {
    throw new InvalidTopology(`peer ${peer} does not take part in the run: name one that does`, {
      code: "change-of-absent-peer",
      peer,
      field: "peers",
    });
  }
  if (change.kind === "leave") {
    return edited(topology, ({ peers, ...settings }) => ({
      ...settings,
      peers: peers.map((each) => (each.id === peer ? { ...each, left: true } : each)),
    }));
  }
  const around = topology.mixing.neighbours[peer]!;
  if (around.some((neighbour) => !newcomers.has(neighbour.peer))) return topology;
  throw new InvalidTopology(
    `no neighbour of peer ${peer} has a model to give: let it come back once one of them has taken part in a round`,
    {
      code: "no-giver",
      peer,
      field: "peers",
    },
  );
}

function joined(
  topology: Topology,
  newcomers: ReadonlySet<number>,
  { peer, neighbours }: Change & { readonly kind: "join" },
): Topology {
  const { graph, peers } = topology;
  const present = presentPeers(graph);
  if (peer.id !== graph.peers) {
    throw new InvalidTopology(
      `new peer ${peer.id} has the wrong number: give it the next one, ${graph.peers}`,
      {
        code: "join-number",
        peer: peer.id,
        field: "peers",
      },
    );
  }
  if (peer.peerId === undefined && peers.some(({ peerId }) => peerId !== undefined)) {
    throw new InvalidTopology(`new peer ${peer.id} has no peerId: make its key with \`murmur keys\``, {
      code: "join-without-key",
      peer: peer.id,
      field: "peers",
    });
  }
  const absent = neighbours.find((neighbour) => !present.includes(neighbour));
  if (absent !== undefined) {
    throw new InvalidTopology(
      `peer ${absent}, a neighbour of new peer ${peer.id}, does not take part in the run: choose other neighbours`,
      {
        code: "join-beside-absent",
        peer: peer.id,
        field: "peers",
      },
    );
  }
  if (!neighbours.some((neighbour) => !newcomers.has(neighbour))) {
    throw new InvalidTopology(
      `no neighbour of new peer ${peer.id} has a model to give: choose one that takes part already`,
      { code: "join-without-giver", peer: peer.id, field: "peers" },
    );
  }
  return edited(topology, ({ graph: { edges, ...rest }, peers: others, ...settings }) => ({
    ...settings,
    graph: {
      ...rest,
      peers: graph.peers + 1,
      edges: [...edges, ...neighbours.map((neighbour) => [neighbour, peer.id])],
    },
    peers: [...others, peer],
  }));
}

/** @throws InvalidTopology what comes out is no topology */
function edited(
  topology: Topology,
  edit: (settings: ReturnType<typeof topologySettingsOf>) => unknown,
): Topology {
  return parseTopology(edit(topologySettingsOf(topology)), topology.name);
}

/**
 * What has changed from one topology to a later one: new peers with their edges, and peers that leave.
 * @throws InvalidTopology anything else has changed
 */
export function changesBetween(before: Topology, after: Topology): Change[] {
  const [old, now] = [before.graph, after.graph];
  if (now.peers < old.peers) {
    throw new InvalidTopology(
      `${after.name} has ${now.peers} peers after ${old.peers}: a peer that leaves stays in the file, with "left": true`,
      { code: "peers-removed", field: "peers" },
    );
  }
  const leaves = (now.left ?? []).filter((peer) => !old.left?.includes(peer));
  const back = (old.left ?? []).find((peer) => !now.left?.includes(peer));
  if (back !== undefined) {
    throw new InvalidTopology(`peer ${back} has left for good: add it again as a new peer`, {
      code: "left-peer-again",
      peer: back,
      field: "peers",
    });
  }
  requireSameEdges(before, after);
  requireSameKeys(before, after);
  const joins = after.peers.slice(old.peers).map(
    ({ left: _left, data: _data, ...peer }): Change => ({
      kind: "join",
      peer,
      neighbours: now.edges
        .flatMap(([a, b]) => (a === peer.id ? b : b === peer.id ? a : []))
        // A peer that comes later brings its edges to earlier ones.
        .filter((neighbour) => neighbour < peer.id),
    }),
  );
  return [...joins, ...leaves.map((peer): Change => ({ kind: "leave", peer }))];
}

/** @throws InvalidTopology an edge between peers of before was added or removed */
function requireSameEdges(before: Topology, after: Topology): void {
  const left = after.graph.left ?? [];
  const old = new Set(before.graph.edges.map(String));
  const now = new Set(after.graph.edges.map(String));
  const added = after.graph.edges.find(
    (edge) => Math.max(...edge) < before.graph.peers && !old.has(String(edge)),
  );
  if (added) {
    throw new InvalidTopology(
      `edge ${added[0]}–${added[1]} joins two peers that run already: only new peers bring edges`,
      { code: "edge-added", peer: added[0], field: "peers" },
    );
  }
  const removed = before.graph.edges.find(
    (edge) => !edge.some((peer) => left.includes(peer)) && !now.has(String(edge)),
  );
  if (removed) {
    throw new InvalidTopology(
      `edge ${removed[0]}–${removed[1]} is gone: edges go only with a peer that leaves`,
      { code: "edge-removed", peer: removed[0], field: "peers" },
    );
  }
}

/** @throws InvalidTopology a peer's identity is another */
function requireSameKeys(before: Topology, after: Topology): void {
  const other = before.peers.find(({ id, peerId }) => after.peers[id]!.peerId !== peerId);
  if (!other) return;
  throw new InvalidTopology(
    `peer ${other.id} has another peerId than before: a new key is a new peer; keep the old one, or add a peer`,
    { code: "key-changed", peer: other.id, field: "peers" },
  );
}
