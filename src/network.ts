/**
 * Real peers: one peer of a run, over libp2p, on this machine or any other.
 *
 * @example Be peer 3 of a run, in a program of one's own.
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { parseExperiment, parseTopology } from "murmuration";
 * import { decodeIdentity, joinRun } from "murmuration/network";
 *
 * const topology = parseTopology(await readFile("ring-8.json", "utf8"), "ring-8.json");
 * const identity = decodeIdentity(await readFile("ring-8.keys/peer-3.key", "utf8"));
 * const run = await joinRun({ topology, experiment: parseExperiment({}), id: 3, identity });
 * for await (const { round, loss } of run) console.log(round, loss);
 * console.log(run.modelDigest());
 * await run.close();
 * ```
 */
import { closingPayloadBytes, totalRounds } from "./closing.js";
import { type CompressorSettings, createCompressor } from "./compressors/index.js";
import { InvalidTopology, RoundTimeout, Unreachable } from "./errors.js";
import { createPlan, type Experiment } from "./experiment.js";
import { digest, type Fingerprint, modelDigest } from "./fingerprint.js";
import type { Layout } from "./layout.js";
import { createPeer, createPeerSpace, type Peer, type Plan } from "./peer.js";
import type { RoundReport } from "./report.js";
import { oneThread, type StartThreads, type Threads } from "./threads.js";
import type { Topology } from "./topology.js";
import type { Trainer } from "./trainer.js";
import { createTrainer } from "./trainers/index.js";
import type { Transport } from "./transport.js";
import {
  createLibp2pTransport,
  type Deadlines,
  type Identity,
  type LinkEvent,
  type Muxer,
  type NetworkPeer,
  type NodeMetrics,
} from "./transports/libp2p/index.js";
import type { Vector } from "./vector.js";
import { VERSION } from "./version.js";

export { compareFingerprints, type Difference, type Fingerprint } from "./fingerprint.js";
export {
  type Deadlines,
  decodeIdentity,
  defaultDeadlines,
  encodeIdentity,
  generateIdentity,
  type Identity,
  type LinkEvent,
  type Muxer,
  type NodeMetrics,
} from "./transports/libp2p/index.js";

/** How long a peer waits for its neighbours' frames of one round, in milliseconds. */
export const ROUND_DEADLINE_MS = 600_000;
/** Longest value that a fingerprint shows in words; longer ones become digests. */
const MAX_SHOWN_CHARACTERS = 100;

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
  /** In the order of preference. Default mplex, then yamux. */
  readonly muxers?: readonly Muxer[];
  readonly deadlines?: Partial<Deadlines>;
  /** For the neighbours' frames of a round, in milliseconds. Default {@link ROUND_DEADLINE_MS}. */
  readonly roundDeadlineMs?: number;
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
  /** The live model vector. */
  readonly model: Vector;
  /** SHA-256 of the model as it is now, 64 hexadecimal digits. */
  modelDigest(): string;
  /** Whether the last round is over. */
  readonly isComplete: boolean;
  /** Leaves. Neighbours have every frame that a report was given for. */
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
  const { topology, id, identity, signal } = options;
  const peers = networkPeers(topology, id);
  const neighbours = topology.mixing.neighbours[id]!;
  const prepared = await prepareRun(options);
  const { plan, trainer } = prepared;
  const rounds = totalRounds(plan, trainer.layout.length);
  const gone: number[] = [];
  let transport: Awaited<ReturnType<typeof createLibp2pTransport>> | undefined;
  const leave = () => transport?.close();
  let finished = 0;
  let threads: Threads = oneThread;
  let peer: Peer;

  try {
    transport = await createLibp2pTransport({
      id,
      privateKey: identity.privateKey,
      peers,
      neighbours: neighbours.map(({ peer }) => peer),
      listen: topology.peers[id]!.listen,
      fingerprint: prepared.fingerprint,
      maximumPayloadBytes: prepared.maximumPayloadBytes,
      ...(options.muxers && { muxers: options.muxers }),
      ...(options.deadlines && { deadlines: options.deadlines }),
      ...(options.metrics && { metrics: options.metrics }),
      report(event) {
        if (event.kind === "unreachable") gone.push(event.neighbour);
        options.report?.(event);
      },
    });
    signal?.addEventListener("abort", leave);
    if (signal?.aborted) await transport.close();
    await transport.ready();
    threads = (await options.startThreads?.(trainer.layout.length)) ?? oneThread;
    peer = createPeer({
      id,
      neighbours,
      plan,
      trainer,
      transport: patient(transport, {
        id,
        neighbours: neighbours.map((neighbour) => neighbour.peer),
        lastRound: rounds - 1,
        deadlineMs: options.roundDeadlineMs ?? ROUND_DEADLINE_MS,
        gone,
      }),
      threads,
      clock: () => performance.now(),
    });
  } catch (error) {
    threads.close();
    await transport?.close();
    prepared.dispose();
    throw error;
  }

  return {
    id,
    plan,
    rounds,
    layout: trainer.layout,
    compressorName: prepared.compressorName,
    threads: threads.count,
    warnings: threads.warning === undefined ? prepared.warnings : [...prepared.warnings, threads.warning],
    addresses: transport.addresses,
    model: peer.model,
    modelDigest: () => modelDigest(peer.model),
    get isComplete() {
      return finished === rounds;
    },
    async *[Symbol.asyncIterator]() {
      for await (const report of peer.run()) {
        finished = report.round + 1;
        yield report;
      }
    },
    async close() {
      signal?.removeEventListener("abort", leave);
      await transport.close();
      prepared.dispose();
      threads.close();
    },
  };
}

/** What a peer needs before it can join, and what it tells its neighbours about it. */
export interface PreparedRun {
  readonly plan: Plan;
  readonly trainer: Trainer;
  readonly warnings: readonly string[];
  readonly fingerprint: Fingerprint;
  readonly compressorName: string;
  /** Largest payload of any frame of the run. */
  readonly maximumPayloadBytes: number;
  /** Releases the trainer, unless it was given. */
  dispose(): void;
}

/** @throws InvalidTopology, InvalidExperiment or InvalidData, one line, before anything has run */
export async function prepareRun({
  topology,
  experiment,
  id,
  trainer: given,
}: Pick<JoinOptions, "topology" | "experiment" | "id" | "trainer">): Promise<PreparedRun> {
  const { mixing } = topology;
  requirePeer(topology, id);
  const trainer =
    given ?? (await createTrainer(experiment, { peer: id, peers: mixing.peers, seed: experiment.seed }));
  const { layout } = trainer;
  const { plan, warnings } = createPlan(experiment, mixing, layout);

  // A space of its own, for a look at what the peer will have.
  const space = createPeerSpace(layout);
  const model = space.vector(layout.length);
  trainer.initialize(model);
  const settings: CompressorSettings = plan.algorithm.compresses ? plan.compressor : { kind: "identity" };
  const compressor = createCompressor(settings, { layout, space });

  return {
    plan,
    trainer,
    warnings,
    compressorName: compressor.name,
    maximumPayloadBytes: Math.max(compressor.maximumPayloadBytes, closingPayloadBytes(layout.length)),
    fingerprint: {
      ...settingsFingerprint(experiment),
      ...graphFingerprint(topology),
      compressor: compressor.name,
      consensusRate: shown(
        experiment.consensusRate === "auto" ? `auto: ${plan.consensusRate(0)}` : experiment.consensusRate,
      ),
      closingRates: shown(plan.closingRates),
      layout: digest(layout.tensors.map(({ name, shape }) => [name, shape])),
      initialModel: modelDigest(model),
    },
    dispose() {
      if (!given) trainer.dispose();
    },
  };
}

/** What the topology and this version of the package contribute to a fingerprint. Addresses are no part of it. */
export function graphFingerprint({ mixing }: Topology): Fingerprint {
  return {
    murmuration: VERSION,
    topology: digest(mixing.neighbours.map((edges) => edges.map(({ peer, weight }) => [peer, weight]))),
  };
}

/** Every setting but those that each peer may choose for itself. */
function settingsFingerprint(experiment: Experiment): Fingerprint {
  const {
    $schema: _schema,
    name: _name,
    evaluateEvery: _evaluateEvery,
    closingRounds: _closing,
    ...shared
  } = experiment;
  return Object.fromEntries(Object.entries(shared).map(([field, value]) => [field, shown(value)]));
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= MAX_SHOWN_CHARACTERS ? text : digest(value);
}

function requirePeer({ name, peers }: Topology, id: number): void {
  if (!Number.isInteger(id) || id < 0 || id >= peers.length) {
    throw new InvalidTopology(`${name} has no peer ${id}: its peers are numbered 0 to ${peers.length - 1}`);
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
      );
    }
  }
  for (const neighbour of neighbours) {
    if (peers[id]!.dial.length === 0 && peers[neighbour]!.dial.length === 0) {
      throw new InvalidTopology(
        `${name} gives neither peer ${id} nor its neighbour ${neighbour} an address: add "listen" to one of them, as in ["/ip4/192.0.2.7/tcp/4001"]`,
      );
    }
  }
  return peers.flatMap(({ id: each, peerId, dial }) =>
    peerId === undefined ? [] : [{ id: each, peerId, dial }],
  );
}

interface Patience {
  readonly id: number;
  readonly neighbours: readonly number[];
  readonly lastRound: number;
  readonly deadlineMs: number;
  /** Neighbours that the transport has given up, in the order in which `receive` tells so. */
  readonly gone: number[];
}

/**
 * A transport whose `receive` waits for as long as a round may take, and for nobody who is done: a neighbour
 * that has left after its last frame is missed by no one.
 */
function patient(transport: Transport, patience: Patience): Transport {
  const { id, neighbours, lastRound, deadlineMs, gone } = patience;
  /** The newest round that each neighbour sent a frame of, and that this peer did. */
  const heard = new Map<number, number>(neighbours.map((neighbour) => [neighbour, -1]));
  let round = 0;

  const late = () => {
    const missing = neighbours.filter((neighbour) => heard.get(neighbour)! < round);
    return new RoundTimeout(
      `peer ${id} waited ${deadlineMs / 1000} s in round ${round} for peer${missing.length > 1 ? "s" : ""} ${missing.join(", ")}, connected but silent: see what keeps them, or allow rounds more time`,
    );
  };
  const receive = async () => {
    for (;;) {
      try {
        const delivery = await transport.receive();
        if (delivery)
          heard.set(delivery.from, Math.max(heard.get(delivery.from) ?? -1, delivery.frame.round));
        return delivery;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        const neighbour = gone.shift();
        if (neighbour === undefined || heard.get(neighbour)! < lastRound) throw error;
      }
    }
  };
  return {
    async send(to, frame) {
      round = frame.round;
      await transport.send(to, frame);
    },
    async receive() {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const expired = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(late()), deadlineMs);
      });
      try {
        return await Promise.race([receive(), expired]);
      } finally {
        clearTimeout(timer);
      }
    },
    traffic: (neighbour) => transport.traffic(neighbour),
    close: () => transport.close(),
  };
}
