/** From an experiment to its peers, before any of them has a network. */

import { shareOf } from "../exchange/participation.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { presentPeers } from "../graphs/graph.js";
import { spanningTree } from "../graphs/spanning-tree.js";
import { requireWhole, type Topology } from "../graphs/topology.js";
import { createMembership, type Epoch, type Membership } from "../membership/membership.js";
import type { Proposal } from "../membership/proposal.js";
import { createPeer, type Peer, type Plan } from "../peer.js";
import { pooledLength } from "../pooling.js";
import { oneThread, type StartThreads, type Threads } from "../threads/threads.js";
import { createTrainer } from "../trainers/index.js";
import type { Trainer, TrainerContext } from "../trainers/trainer.js";
import type { NamedValues, TensorGroup } from "../vectors/state.js";
import { createSpaces } from "../vectors/vector.js";
import type { Experiment } from "./experiment.js";
import { cardOf } from "./model-card.js";
import { requireOneTask, taskOf } from "./own-data.js";
import { createPlan } from "./plan.js";

/** Settings of `preparePeers`. */
export interface PrepareOptions {
  readonly topology: Topology;
  readonly experiment: Experiment;
  /** Which peers of the topology to prepare; all where left out. */
  readonly ids?: readonly number[];
  /**
   * Other threads prepare the other peers of the topology and look at these ones' vectors, and the caller compares what all
   * of them have in common.
   */
  readonly isPart?: true;
  /** The caller's trainer for each of them; they are not disposed of. The experiment's where left out. */
  readonly trainers?: readonly Trainer[];
  /** Puts something between each peer and its trainer. */
  readonly equip?: (trainer: Trainer, peer: number) => Trainer;
  /** Makes one of the run's epochs; its members may change then. Members are fixed where left out. */
  readonly members?: { readonly epoch: Epoch; readonly known?: readonly Proposal[] };
  /** Threads for a large model, such as `workerThreads("auto")`; only the caller's where left out. */
  readonly startThreads?: StartThreads | undefined;
  /** Processes with peers on this machine, for trainers that divide its cores. */
  readonly processes?: number | undefined;
  /** Threads of trainers for which `auto` is set; by the cores of this machine and the processes where left out. */
  readonly automaticThreads?: number | undefined;
}

/** Peers of a run before its first round, with their trainers. */
export interface PreparedPeers {
  readonly plan: Plan;
  /** In the order of the ids. */
  readonly peers: readonly Peer[];
  readonly trainers: readonly Trainer[];
  /** By peer; undefined where the members are fixed. */
  readonly memberships: readonly (Membership | undefined)[];
  /** How many threads share the kernels' work. */
  readonly threads: number;
  /** η in words where it was found, not set; absent where the algorithm does not use it. */
  readonly foundRate?: string;
  /** What the user should know before the run, one line each. */
  readonly warnings: readonly string[];
  /** Releases the trainers that were not given, and ends the threads. */
  dispose(): void;
}

/** @throws InvalidTopology, InvalidExperiment or InvalidData, one line, before anything has run */
export async function preparePeers(options: PrepareOptions): Promise<PreparedPeers> {
  const { topology, experiment, trainers: given, equip = (trainer) => trainer, startThreads } = options;
  const { mixing } = topology;
  // Single peers may take part in a run that others have left.
  if (!options.ids) requireWhole(topology);
  const ids = options.ids ?? topology.peers.map(({ id }) => id);
  const made: Trainer[] = [];
  let threads: Threads = oneThread;
  const dispose = () => {
    for (const trainer of made) trainer.dispose();
    threads.close();
  };
  try {
    if (!given) {
      const isAlone = ids.length === 1 && !options.isPart;
      const tasks = ids.map((peer) => taskOf(experiment, topology, peer, isAlone));
      const { processes, automaticThreads } = options;
      made.push(...(await createTrainers(tasks, { peers: mixing.peers, processes, automaticThreads }, ids)));
    }
    const trainers = given ?? made;
    if (experiment.split.kind === "own" && !options.isPart) await requireOneTask(trainers);
    const { layout } = trainers[0]!;
    const ofData = new Set(trainers.flatMap(({ warnings = [] }) => warnings));
    const { plan, foundRate, warnings } = createPlan(experiment, mixing, trainers[0]!);
    threads = (await startThreads?.(layout.length)) ?? oneThread;
    const { members } = options;
    const { equalStart } = plan.algorithm.needs;
    const mayChange =
      members && !equalStart && plan.patience === undefined && !mixing.isDirected && !mixing.sequence;
    const works = shareOf(experiment.participation) < 1 ? plan.edges : undefined;
    const needsTree = plan.stopping || pooledLength({ plan, trainer: trainers[0]! }) > 0;
    const tree = needsTree && spanningTree(mixing, rootOf(topology, members?.epoch.newcomers));
    const memberships = ids.map((id) =>
      mayChange ? createMembership({ ...members, id, works, lastRound: plan.rounds - 1 }) : undefined,
    );
    const createSpace = createSpaces({ count: ids.length, threads, isShared: options.isPart === true });
    const peers = ids.map((id, k) =>
      createPeer({
        id,
        ...{ neighbours: mixing.neighbours[id]!, plan, createSpace },
        trainer: equip(trainers[k]!, id),
        card: () => cardOf({ topology, experiment, plan }, trainers[k]!),
        ...(tree && { branch: tree[id]! }),
        ...(memberships[k] && { membership: memberships[k] }),
      }),
    );
    if (!options.isPart) await requireOneStart(peers);
    return {
      plan,
      peers,
      memberships,
      trainers,
      threads: threads.count,
      ...(foundRate !== undefined && { foundRate }),
      warnings: [...ofData, ...warnings, ...(threads.warning === undefined ? [] : [threads.warning])],
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** The lowest peer that has been in the run before, or begins it. */
function rootOf({ graph }: Topology, newcomers: readonly number[] = []): number {
  return presentPeers(graph).find((peer) => !newcomers.includes(peer))!;
}

function isEqual(a: Float32Array, b: Float32Array | undefined): boolean {
  if (a.length !== b?.length) return false;
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false;
  return true;
}

function areAlike(ours: NamedValues = {}, theirs: NamedValues = {}): boolean {
  const entries = Object.entries(ours);
  return (
    entries.length === Object.keys(theirs).length &&
    entries.every(([name, values]) => isEqual(values, theirs[name]))
  );
}

/** Trainers that are made at a time: some are programs, which take seconds to start, and have a deadline for that. */
const MADE_AT_A_TIME = 8;

/** @throws what the first of them that cannot be made throws; the others are disposed of */
async function createTrainers(
  tasks: readonly Experiment[],
  common: Omit<TrainerContext, "peer" | "seed">,
  ids: readonly number[],
): Promise<Trainer[]> {
  const made: Trainer[] = [];
  for (let first = 0; first < ids.length; first += MADE_AT_A_TIME) {
    const settled = await Promise.allSettled(
      tasks
        .slice(first, first + MADE_AT_A_TIME)
        .map((task, k) => createTrainer(task, { ...common, peer: ids[first + k]!, seed: task.seed })),
    );
    for (const result of settled) if (result.status === "fulfilled") made.push(result.value);
    const failed = settled.find((result) => result.status === "rejected");
    if (!failed) continue;
    for (const trainer of made) trainer.dispose();
    throw failed.reason;
  }
  return made;
}

/** What a peer starts from. */
interface Startable extends Pick<Peer, "id" | "model"> {
  readonly frozen: Pick<TensorGroup, "read"> | undefined;
}

/** @throws InvalidExperiment peers with different initial models; over a network their handshake finds that */
export async function requireOneStart(peers: readonly Startable[]): Promise<void> {
  const [first] = peers;
  const frozen = await first!.frozen?.read();
  const isUnlike = async ({ model, frozen: own }: Startable) =>
    !isEqual(model, first!.model) || !areAlike(frozen, await own?.read());
  const unlike = await Promise.all(peers.map(isUnlike));
  const other = peers[unlike.indexOf(true)];
  if (!other) return;
  throw new InvalidExperiment(
    `peers ${first!.id} and ${other.id} start from different models: initialise them from the seed of the run alone`,
    { code: "different-start", peer: first!.id, neighbour: other.id },
  );
}
