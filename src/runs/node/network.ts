/**
 * Real peers: one peer of a run, over libp2p, on this machine or any other.
 */

import { allowDifferentData } from "../../datasets/content.js";
import { modelDigest } from "../../exchange/fingerprint.js";
import { systemClock } from "../../foundation/clock.js";
import { type Counters, createCounters } from "../../foundation/counters.js";
import { HandshakeRefused, InvalidTopology } from "../../foundation/errors.js";
import type { Topology } from "../../graphs/topology.js";
import type { RoundReport } from "../../observing/report.js";
import type { Plan } from "../../peer.js";
import type { StartThreads } from "../../threads/threads.js";
import type { Trainer } from "../../trainers/trainer.js";
import {
  createLibp2pTransport,
  DEFAULT_DEADLINE_MS,
  type Deadlines,
  deadlinesFrom,
  type Identity,
  type LinkEvent,
  type Muxer,
  type NetworkPeer,
  type NodeMetrics,
} from "../../transports/libp2p/index.js";
import type { Layout } from "../../vectors/layout.js";
import type { Vector } from "../../vectors/vector.js";
import type { Experiment } from "../experiment.js";
import { preparePeers } from "../prepare.js";
import { createSaving, type RunCheckpoints, type Saving } from "./checkpoints/saving.js";

export { compareFingerprints, type Difference, type Fingerprint } from "../../exchange/fingerprint.js";
export {
  DEFAULT_DEADLINE_MS,
  type Deadlines,
  deadlinesFrom,
  decodeIdentity,
  defaultDeadlines,
  encodeIdentity,
  generateIdentity,
  type Identity,
  type LinkEvent,
  type Muxer,
  type NodeMetrics,
} from "../../transports/libp2p/index.js";
export type { RunCheckpoints } from "./checkpoints/saving.js";

export interface JoinOptions {
  /** Names the PeerIds of this peer and its neighbours, and where they listen. */
  readonly topology: Topology;
  readonly experiment: Experiment;
  /** Number of this peer in the topology. */
  readonly id: number;
  /** The key that belongs to its PeerId. */
  readonly identity: Identity;
  /** A trainer of one's own; it is not disposed of. The experiment's where left out. */
  readonly trainer?: Trainer;
  /** Threads for a large model, such as `workerThreads("auto")`; only the caller's where left out. */
  readonly startThreads?: StartThreads;
  /**
   * Accepts neighbours that learn from other examples of the same classes and shape. They must accept as much. Default
   * false: all peers divide one data set.
   */
  readonly allowDifferentData?: boolean;
  /** In the order of preference. Default mplex, then yamux. */
  readonly muxers?: readonly Muxer[];
  /**
   * How long to wait for a silent or missing neighbour before the run ends, in milliseconds. Every other wait derives
   * from it: {@link deadlinesFrom}. Default {@link DEFAULT_DEADLINE_MS}, at least 1000.
   */
  readonly deadlineMs?: number;
  /** Single waits that do not derive from the deadline. */
  readonly deadlines?: Partial<Deadlines>;
  /** Makes the run outlive its process. */
  readonly checkpoints?: RunCheckpoints;
  /** Where libp2p counts what it does, as `prometheusMetrics()` of `@libp2p/prometheus-metrics` makes it. */
  readonly metrics?: NodeMetrics;
  /** Told what happens on the edges. */
  readonly report?: (event: LinkEvent) => void;
  /** Ends the run early, and any wait for it to begin. */
  readonly signal?: AbortSignal;
}

/** A run that this peer takes part in: iterate over it, once, to take part. One report per round. */
export interface JoinedRun extends AsyncIterable<RoundReport> {
  readonly id: number;
  readonly plan: Plan;
  /** Learning rounds and closing rounds. */
  readonly rounds: number;
  readonly layout: Layout;
  /** Name of the compressor that learning rounds send through. */
  readonly compressorName: string;
  /** How many threads share the kernels' work. */
  readonly threads: number;
  /** What the user should know, one line each. */
  readonly warnings: readonly string[];
  /** Where this peer listens. */
  readonly addresses: readonly string[];
  /** Rounds that were over in the checkpoint that the run goes on from; undefined in a new run. */
  readonly resumedFrom: number | undefined;
  /** The live model vector that is evaluated. */
  readonly point: Vector;
  /** SHA-256 of the model as it is now, 64 hexadecimal digits. */
  modelDigest(): string;
  /** What this peer counts; reports take it. */
  readonly counters: Counters;
  /** Whether the last round is over. */
  readonly isComplete: boolean;
  /**
   * Leaves. Neighbours have every frame that a report was given for. After a run that is complete this peer first stays until
   * they are done too, or have been gone for `lingerMs` of {@link Deadlines}; `signal` ends that wait.
   */
  close(): Promise<void>;
}

/**
 * Takes this peer's place in a run. Resolves when every neighbour is there.
 *
 * @throws InvalidTopology a PeerId or address that is missing, or a key of another peer
 * @throws InvalidExperiment or InvalidData settings that cannot be used
 * @throws CannotListen, IdentityInUse, HandshakeRefused, Unreachable: see {@link createLibp2pTransport}. While
 *   it runs also RoundTimeout and Diverged
 */
export async function joinRun(options: JoinOptions): Promise<JoinedRun> {
  const { topology, experiment, id, identity, trainer, startThreads, signal } = options;
  const deadlines = { ...deadlinesFrom(options.deadlineMs ?? DEFAULT_DEADLINE_MS), ...options.deadlines };
  const peers = networkPeers(topology, id);
  const prepared = await preparePeers({
    topology,
    experiment,
    ids: [id],
    ...(trainer && { trainers: [trainer] }),
    startThreads,
  });
  const peer = prepared.peers[0]!;
  const counters = createCounters();
  const { checkpoints } = options;
  let refused: unknown;
  let saving: Saving | undefined;
  let transport: Awaited<ReturnType<typeof createLibp2pTransport>> | undefined;
  const leave = () => transport?.close();
  try {
    const fingerprint = await peer.fingerprint();
    const own = topology.mixing.neighbours[id]!;
    const isBarrier = prepared.plan.patience === undefined;
    saving = checkpoints && (await createSaving(peer, own, isBarrier, checkpoints));
    transport = await createLibp2pTransport({
      id,
      privateKey: identity.privateKey,
      peers,
      neighbours: own.map((neighbour) => neighbour.peer),
      listen: topology.peers[id]!.listen,
      fingerprint: options.allowDifferentData ? allowDifferentData(fingerprint) : fingerprint,
      maximumPayloadBytes: peer.largestPayloadBytes,
      ...(saving && { durability: saving.journal }),
      ...(options.muxers && { muxers: options.muxers }),
      deadlines,
      counters,
      ...(options.metrics && { metrics: options.metrics }),
      ...(options.report && { report: options.report }),
    });
    signal?.addEventListener("abort", leave);
    if (signal?.aborted) await transport.close();
    const ready = transport.ready();
    if (saving?.resumedFrom !== undefined) {
      // Rounds that are computed again need no neighbours; they may even have finished.
      ready.catch((error: unknown) => {
        if (!(error instanceof HandshakeRefused)) return;
        refused = error;
        void leave();
      });
    } else await ready;
  } catch (error) {
    await transport?.close();
    await checkpoints?.store.close();
    prepared.dispose();
    throw error;
  }

  const patience = { deadlineMs: deadlines.roundMs };
  let finished = 0;
  let finishing: Promise<void> | undefined;
  return {
    ...peer,
    plan: prepared.plan,
    threads: prepared.threads,
    warnings: prepared.warnings,
    addresses: transport.addresses,
    resumedFrom: saving?.resumedFrom,
    counters,
    modelDigest: () => modelDigest(peer.point),
    get isComplete() {
      return finished === peer.rounds;
    },
    async *[Symbol.asyncIterator]() {
      const journal = saving && { journal: saving.journal };
      const network = { transport, clock: systemClock, patience, counters, ...journal };
      for await (const report of peer.run(network)) {
        finished = report.round + 1;
        await saving?.roundIsOver(report.round, signal?.aborted === true);
        yield report;
      }
      if (refused) throw refused;
      // Stated at once, so that no neighbour waits for what the caller does between the last report and its close.
      if (finished === peer.rounds) finishing = transport.finish!();
    },
    async close() {
      await finishing;
      signal?.removeEventListener("abort", leave);
      await transport.close();
      await checkpoints?.store.close();
      prepared.dispose();
    },
  };
}

function requirePeer({ name, peers }: Topology, id: number): void {
  if (!Number.isInteger(id) || id < 0 || id >= peers.length) {
    throw new InvalidTopology(`${name} has no peer ${id}: its peers are numbered 0 to ${peers.length - 1}`, {
      code: "unknown-peer",
      peer: id,
    });
  }
}

/**
 * The peers as the transport wants them.
 *
 * @throws InvalidTopology when this peer or a neighbour has no PeerId, or an edge no address at either end
 */
export function networkPeers(topology: Topology, id: number): NetworkPeer[] {
  requirePeer(topology, id);
  const { name, peers, mixing } = topology;
  const neighbours = mixing.neighbours[id]!.map(({ peer }) => peer);
  for (const each of [id, ...neighbours]) {
    if (peers[each]!.peerId === undefined) {
      throw new InvalidTopology(
        `${name} names no peerId for peer ${each}: make keys with \`murmur keys\`, which writes them into the topology file`,
        { code: "peer-without-key", peer: each, field: "peers" },
      );
    }
  }
  for (const neighbour of neighbours) {
    if (peers[id]!.dial.length === 0 && peers[neighbour]!.dial.length === 0) {
      throw new InvalidTopology(
        `${name} gives neither peer ${id} nor its neighbour ${neighbour} an address: add "listen" to one of them, as in ["/ip4/192.0.2.7/tcp/4001"]`,
        { code: "edge-without-address", peer: id, neighbour, field: "peers" },
      );
    }
  }
  return peers.flatMap(({ id: each, peerId, dial }) =>
    peerId === undefined ? [] : [{ id: each, peerId, dial }],
  );
}
