/**
 * A network on a virtual clock, behind the same contract as real ones: frames cross links that have a bandwidth,
 * latency and jitter, connections are lost and come back, parts of the graph are cut off, peers crash and start again,
 * and hostile ones send what they like. Frames are written and read by the real codec. Equal settings give equal
 * courses.
 */
import { type Durability, noTraffic, notDurable, type Transport } from "../../exchange/transport.js";
import { IdentityInUse, InvalidTopology } from "../../foundation/errors.js";
import { random } from "../../foundation/random.js";
import type { VirtualClock } from "../../foundation/virtual-clock.js";
import { createEventQueue } from "../event-queue.js";
import { createConditions } from "./conditions.js";
import { createEdge, type Edge } from "./edge.js";
import type { Tamper } from "./lane.js";
import type { NetworkSettings } from "./settings.js";
import { createOwnUplinks, createSharedUplink } from "./uplink.js";

/** Settings of `createSimulatedNetwork`. */
export interface SimulatedNetworkOptions {
  readonly clock: VirtualClock;
  readonly settings: NetworkSettings;
  /** Every peer's neighbours, by peer. */
  readonly neighbours: readonly (readonly { readonly peer: number }[])[];
  /** Limit that receivers put on payloads. */
  readonly maximumPayloadBytes: number;
  /** What hostile peers send in the place of a frame. */
  readonly tamper?: Tamper;
}

/** A modelled network on a virtual clock: starts, crashes and restarts peers. */
export interface SimulatedNetwork {
  /**
   * Starts a peer.
   * @param durability what makes its edges outlive its process; nothing where left out
   * @throws IdentityInUse it runs already
   */
  endpoint(id: number, durability?: Durability): Transport;
  /** Cuts the groups off from each other; peers in none of them are one too. @returns heals this partition */
  partition(groups: readonly (readonly number[])[]): () => void;
  /** Cuts one edge, until `heal`. */
  cut(a: number, b: number): void;
  /** Ends every partition and cut. */
  heal(): void;
  /** Stops a peer at once. Its connections break, and its transport is closed. */
  crash(id: number): void;
  /** Edges with frames that are not confirmed, and those without a connection, for people. */
  describe(): string;
  /** Most frames that were ever queued in one direction of an edge. */
  longestQueue(): number;
}

const pairKey = (a: number, b: number): string => `${Math.min(a, b)} ${Math.max(a, b)}`;

/** @throws InvalidNetwork settings that do not fit the graph */
export function createSimulatedNetwork(options: SimulatedNetworkOptions): SimulatedNetwork {
  const { clock, settings, neighbours } = options;
  const partitions = new Set<readonly number[]>();
  const cuts = new Set<string>();
  const isBlocked = (a: number, b: number): boolean =>
    cuts.has(pairKey(a, b)) || [...partitions].some((groupOf) => groupOf[a] !== groupOf[b]);
  const edges = createEdges(options, isBlocked);
  const all = new Set(edges.flatMap((own) => [...own.values()]));
  const running = new Map<number, { close(): void }>();
  let longest = 0;

  const pathsChanged = (): void => {
    for (const edge of all) edge.pathChanged();
  };

  const endpoint = (id: number, { position, keep }: Durability = notDurable): Transport => {
    if (running.has(id)) {
      throw new IdentityInUse(`peer ${id} runs already: close or crash it first`, {
        code: "endpoint-in-use",
        peer: id,
      });
    }
    const queue = createEventQueue();
    const own = edges[id]!;
    const traffics = new Map([...own.keys()].map((neighbour) => [neighbour, noTraffic()]));
    const edgeTo = (to: number): Edge => {
      const edge = own.get(to);
      if (edge) return edge;
      throw new InvalidTopology(
        `peer ${id} cannot send to peer ${to}: it can send to its neighbours ${[...own.keys()].join(", ")}`,
        { code: "send-to-no-neighbour", peer: id, neighbour: to },
      );
    };
    const process = { close: queue.close };
    running.set(id, process);
    const isRunning = () => running.get(id) === process;
    for (const [neighbour, edge] of own) {
      const end = { traffic: traffics.get(neighbour)!, emit: queue.put, keep };
      edge.open(id, end, position(neighbour));
    }
    return {
      send(to, frame) {
        const lane = edgeTo(to).lane(id);
        if (!isRunning()) return;
        lane.send(frame);
        longest = Math.max(longest, lane.queued);
      },
      listen: queue.listen,
      refuse(peer, reason) {
        if (isRunning()) own.get(peer)?.refuse(id, reason);
      },
      traffic: (neighbour) => traffics.get(neighbour) ?? noTraffic(),
      async finish() {
        if (!isRunning()) return;
        await Promise.all([...own.values()].map((edge) => edge.finish(id)));
      },
      async close() {
        if (!isRunning()) return;
        running.delete(id);
        for (const edge of own.values()) edge.leave(id);
        queue.close();
      },
    };
  };

  const partition = (groups: readonly (readonly number[])[]): (() => void) => {
    const groupOf = neighbours.map((_, id) => groups.findIndex((group) => group.includes(id)));
    partitions.add(groupOf);
    pathsChanged();
    return () => {
      if (partitions.delete(groupOf)) pathsChanged();
    };
  };

  for (const { from, to, groups } of settings.partitions) {
    clock.after(1000 * from, () => {
      clock.after(1000 * (to - from), partition(groups));
    });
  }

  return {
    endpoint,
    partition,
    cut(a, b) {
      cuts.add(pairKey(a, b));
      pathsChanged();
    },
    heal() {
      cuts.clear();
      partitions.clear();
      pathsChanged();
    },
    crash(id) {
      const process = running.get(id);
      if (!process) return;
      running.delete(id);
      for (const edge of edges[id]!.values()) edge.crash(id);
      process.close();
    },
    describe: () => describe(edges),
    longestQueue: () => longest,
  };
}

/** Every peer's edges, by neighbour. Both ends have the same edge. */
function createEdges(
  { clock, settings, neighbours, maximumPayloadBytes, tamper }: SimulatedNetworkOptions,
  isBlocked: (a: number, b: number) => boolean,
): Map<number, Edge>[] {
  const { seed, corruption } = settings;
  const conditions = createConditions(settings, neighbours);
  const { uplinkRate } = conditions;
  const isShared = uplinkRate < Number.POSITIVE_INFINITY;
  const uplinks = neighbours.map(() => (isShared ? createSharedUplink(clock) : createOwnUplinks(clock)));
  const edges = neighbours.map(() => new Map<number, Edge>());
  for (const [a, own] of neighbours.entries()) {
    for (const { peer: b } of own) {
      if (edges[a]!.has(b)) continue;
      const link = conditions.link(a, b);
      const edge = createEdge({
        ...{ peers: [a, b], clock, settings, link, corruption, tamper, maximumPayloadBytes },
        rate: Math.min(link.rate, uplinkRate),
        uplinks: [uplinks[a]!, uplinks[b]!],
        draws: [random(seed, "lane", a, b), random(seed, "lane", b, a), random(seed, "loss", a, b)],
        isBlocked: () => isBlocked(a, b),
      });
      edges[a]!.set(b, edge);
      edges[b]!.set(a, edge);
    }
  }
  return edges;
}

function describe(edges: readonly Map<number, Edge>[]): string {
  const lines = edges.flatMap((own, id) =>
    [...own].flatMap(([neighbour, edge]) => {
      const { queued } = edge.lane(id);
      if (queued > 0) return `${queued} frames of peer ${id} to peer ${neighbour} are not confirmed`;
      return edge.isConnected || id > neighbour ? [] : `peers ${id} and ${neighbour} are not connected`;
    }),
  );
  return lines.length === 0 ? "no frame is under way" : lines.join(", ");
}
