/**
 * Real peers: one peer of a run, over libp2p, on this machine or any other.
 */

import type { ExampleCounts } from "../../dataset.js";
import { modelDigest } from "../../exchange/fingerprint.js";
import type { Transport } from "../../exchange/transport.js";
import { type Counters, createCounters } from "../../foundation/counters.js";
import { InvalidExperiment } from "../../foundation/errors.js";
import type { Change } from "../../graphs/changes.js";
import { parseTopology, type Topology } from "../../graphs/topology.js";
import { type Epoch, firstEpoch, type NextEpoch, type SavedMembers } from "../../membership/membership.js";
import type { RoundReport } from "../../observing/report.js";
import type { Plan } from "../../peer.js";
import { askToJoin } from "../../transports/libp2p/ask.js";
import { DEFAULT_DEADLINE_MS, type Deadlines, deadlinesFrom } from "../../transports/libp2p/index.js";
import type { Layout } from "../../vectors/layout.js";
import type { NamedValues } from "../../vectors/state.js";
import type { Vector } from "../../vectors/vector.js";
import type { JoinOptions } from "./join-options.js";
import { savePeer } from "./models.js";
import { networkPeers } from "./network-peers.js";
import { enterStage, type Stage, type StageOptions } from "./stage.js";

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
export type { JoinOptions } from "./join-options.js";
export { networkPeers } from "./network-peers.js";

/** A run that this peer takes part in: iterate over it, once, to take part. One report per round. */
export interface JoinedRun extends AsyncIterable<RoundReport> {
  readonly id: number;
  readonly plan: Plan;
  /** Learning rounds and closing rounds. */
  readonly rounds: number;
  readonly layout: Layout;
  /** How many examples this peer has, where its trainer knows. */
  readonly counts: ExampleCounts | undefined;
  /** Name of the compressor that learning rounds send through. */
  readonly compressorName: string;
  /** How many threads share the kernels' work. */
  readonly threads: number;
  /** η in words where it was found, not set; absent where the algorithm does not use it. */
  readonly foundRate?: string;
  /** What the user should know, one line each. */
  readonly warnings: readonly string[];
  /** Where this peer listens. */
  readonly addresses: readonly string[];
  /** Rounds that were over in the checkpoint that the run goes on from; undefined in a new run. */
  readonly resumedFrom: number | undefined;
  /** The live model vector that is evaluated. */
  readonly point: Vector;
  /** Copies of what layers of its model update beside the model vector. */
  statistics(): Promise<NamedValues>;
  /** Saves the model as it is now, as `peer-3.safetensors`. @returns its file. @throws FileProblem */
  save(folder: string): Promise<string>;
  /** SHA-256 of the model as it is now, 64 hexadecimal digits. */
  modelDigest(): string;
  /** What this peer counts; reports take it. */
  readonly counters: Counters;
  /** The round that this peer's part begins with: 0, or that of the epoch that took it in. */
  readonly firstRound: number;
  /** Of the epoch in which this peer's part begins. */
  readonly topology: Topology;
  /** Whether the last round is over, or this peer has left. */
  readonly isComplete: boolean;
  /** Whether this peer has left for good, as a change of members had it. */
  readonly hasLeft: boolean;
  /**
   * Proposes a change of members. All peers make it in the same round.
   * @throws InvalidExperiment the members of this run are fixed
   */
  propose(change: Change): void;
  /**
   * Leaves. Neighbours have every frame that a report was given for. After a run that is complete this peer first stays until
   * they are done too, or have been gone for `lingerMs` of {@link Deadlines}; `signal` ends that wait.
   */
  close(): Promise<void>;
}

/**
 * Takes this peer's place in a run. Resolves when every neighbour is there. Where members change, the run goes through
 * several epochs, each with a transport of its own.
 *
 * @throws InvalidTopology a PeerId or address that is missing, or a key of another peer
 * @throws InvalidExperiment or InvalidData settings that cannot be used
 * @throws CannotListen, IdentityInUse, HandshakeRefused, Unreachable: see `createLibp2pTransport`. While
 *   it runs also RoundTimeout and Diverged. With `join` also HandshakeRefused by name
 */
export async function joinRun(options: JoinOptions): Promise<JoinedRun> {
  const { id, signal, checkpoints } = options;
  const deadlines = { ...deadlinesFrom(options.deadlineMs ?? DEFAULT_DEADLINE_MS), ...options.deadlines };
  const counters = createCounters();
  const stages: Stage[] = [];
  let finished = 0;
  let hasLeft = false;
  let finishing: Promise<void> | undefined;
  const current = (): Stage => stages.at(-1)!;
  let transport: Transport | undefined;
  const leave = () => transport?.close();
  const opened = (next: Transport) => {
    transport = next;
  };
  const enter = async (epoch: Epoch, from: Pick<StageOptions, "saved" | "earlier">): Promise<void> => {
    stages.push(await enterStage({ run: options, epoch, deadlines, counters, opened, ...from }));
  };
  const release = async (): Promise<void> => {
    signal?.removeEventListener("abort", leave);
    await checkpoints?.store.close();
    for (const { prepared } of stages) prepared.dispose();
  };

  const saved = checkpoints?.resume ? await checkpoints.store.load() : undefined;
  try {
    const epoch = await firstOf(options, deadlines, saved?.checkpoint.members);
    signal?.addEventListener("abort", leave);
    await enter(epoch, { saved });
  } catch (error) {
    await release();
    throw error;
  }

  /** The epoch that begins after this peer's last round; undefined where the run is over, or stopped. */
  const upcoming = (): NextEpoch | undefined => {
    const next = current().membership?.next();
    return next && next.firstRound === finished && !signal?.aborted ? next : undefined;
  };
  const goOn = async (next: NextEpoch): Promise<void> => {
    const { peer, membership, transport } = current();
    const checkpoint = peer.snapshot(await peer.trainerState());
    await transport.finish!();
    await transport.close();
    options.report?.({ kind: "epoch", ...describe(next) });
    hasLeft = next.topology.peers[id]!.left === true;
    if (hasLeft) return;
    await enter(next, { earlier: { checkpoint, trainers: stages[0]!.prepared.trainers } });
    for (const change of membership!.waiting()) current().membership!.propose(change);
  };
  return {
    id,
    get plan() {
      return current().plan;
    },
    get rounds() {
      return current().peer.rounds;
    },
    get point() {
      return current().peer.point;
    },
    layout: current().peer.layout,
    counts: current().peer.counts,
    compressorName: current().peer.compressorName,
    threads: current().prepared.threads,
    ...(current().prepared.foundRate !== undefined && { foundRate: current().prepared.foundRate! }),
    warnings: current().prepared.warnings,
    addresses: current().transport.addresses,
    resumedFrom: saved?.checkpoint.round,
    firstRound: current().membership?.epoch.firstRound ?? 0,
    topology: current().membership?.epoch.topology ?? options.topology,
    counters,
    statistics: async () => current().peer.statistics(),
    save: (folder) => savePeer(folder, current().peer),
    modelDigest: () => modelDigest(current().peer.point),
    get isComplete() {
      return hasLeft || finished === current().peer.rounds;
    },
    get hasLeft() {
      return hasLeft;
    },
    propose(change) {
      const { membership } = current();
      if (!membership) throw fixedMembers(id);
      membership.propose(change);
    },
    async *[Symbol.asyncIterator]() {
      finished = saved?.checkpoint.round ?? current().membership?.epoch.firstRound ?? 0;
      for (;;) {
        const { peer, network, saving } = current();
        for await (const report of peer.run(network)) {
          finished = report.agreedLoss?.isLast ? current().plan.rounds : report.round + 1;
          await saving?.roundIsOver(report.round, signal?.aborted === true);
          yield report;
        }
        current().requireAccepted();
        const next = upcoming();
        if (!next) break;
        await goOn(next);
        if (hasLeft) return;
      }
      // Stated at once, so that no neighbour waits for what the caller does between the last report and its close.
      if (finished === current().peer.rounds) finishing = current().transport.finish!();
    },
    async close() {
      await finishing;
      await leave();
      await release();
    },
  };
}

/** The epoch in which this peer begins: that of its checkpoint, that which takes it in, or the run's first. */
async function firstOf(
  { topology, id, identity, join, muxers, report, signal }: JoinOptions,
  deadlines: Deadlines,
  saved: SavedMembers | undefined,
): Promise<Epoch> {
  if (saved && saved.number > 0) {
    return {
      ...saved,
      topology: withAddressesOf(topology, parseTopology(saved.topology, "the checkpoint's topology")),
    };
  }
  if (!join) return firstEpoch(topology);
  const own = topology.mixing.neighbours[id]!.map(({ peer }) => peer);
  const neighbours = networkPeers(topology, id).filter(
    (peer) => own.includes(peer.id) && peer.dial.length > 0,
  );
  const told = (neighbour: number, reason: string) => report?.({ kind: "joining", neighbour, reason });
  const answer = await askToJoin({
    ...{ id, identity, neighbours, deadlines, signal, report: told },
    ...(muxers && { muxers }),
  });
  if (!answer) return firstEpoch(topology);
  const { number, firstRound, newcomers } = answer;
  const now = withAddressesOf(topology, parseTopology(answer.topology, "the run's topology"));
  return { number, firstRound, newcomers, topology: now, changes: [] };
}

/** A topology with the addresses and data that this peer's own file has. */
function withAddressesOf({ peers: own }: Topology, topology: Topology): Topology {
  const peers = topology.peers.map((peer) => {
    const { listen = peer.listen, dial = peer.dial, data } = own[peer.id] ?? {};
    return own[peer.id]?.peerId === peer.peerId ? { ...peer, listen, dial, ...(data && { data }) } : peer;
  });
  return { ...topology, peers };
}

const describe = ({ number, firstRound, changes, refused }: NextEpoch) => ({
  ...{ number, firstRound, changes, refused },
});

const fixedMembers = (id: number) =>
  new InvalidExperiment(
    `peer ${id} cannot change the members of this run: they are fixed with patience, on directed graphs and on those that change from round to round; start a new run`,
    { code: "members-fixed", peer: id },
  );
