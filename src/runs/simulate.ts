/**
 * The whole graph in one process, watched from outside: N peers over memory transports, in lockstep, or over a
 * simulated network, each at its own pace (own-pace.ts). Being outside, the simulator sees what no peer can: the mean
 * model and the exact consensus distance.
 */

import type { ActiveBackend } from "../backend.js";
import type { Checkpointed } from "../checkpoint.js";
import { createHandOver } from "../exchange/hand-over.js";
import { type Clock, stoppedClock } from "../foundation/clock.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { Neighbour } from "../graphs/mixing.js";
import type { Topology } from "../graphs/topology.js";
import { createPeer, type Peer, type Plan } from "../peer.js";
import { oneThread, type StartThreads, type Threads } from "../threads/threads.js";
import type { Trainer } from "../trainers/trainer.js";
import { createMemoryTransports } from "../transports/memory.js";
import type { NetworkSettings } from "../transports/simulated/settings.js";
import type { Layout } from "../vectors/layout.js";
import { createSpaces } from "../vectors/vector.js";
import { type Evaluator, evaluateMean, evaluatorOf, evaluatorsAmong } from "./evaluators.js";
import type { Experiment } from "./experiment.js";
import { createLockstep, type Lockstep } from "./lockstep.js";
import { observe } from "./observe.js";
import { createOwnPace } from "./own-pace.js";
import { preparePeers } from "./prepare.js";
import type { SimulationRound } from "./round.js";

export type { SimulationRound } from "./round.js";

/** Settings of `createSimulation`. */
export interface SimulationOptions {
  /** Every peer's neighbours and weights: `mixing.neighbours`. */
  readonly neighbours: readonly (readonly Neighbour[])[];
  readonly plan: Plan;
  /** One per peer. */
  readonly trainers: readonly Trainer[];
  /** That share the work on large models; the caller closes them. Only its own where left out. */
  readonly threads?: Threads;
  /** For the reports' times. It stands still where left out. */
  readonly clock?: Clock;
}

/** A peer as a simulation shows it. It may be in another thread, and its vectors in memory that is shared with that. */
export interface SimulatedPeer
  extends Pick<Peer, "id" | "layout" | "compressorName" | "rounds" | "model" | "point" | "counts">,
    Pick<Peer, "fingerprint" | "restore" | "saved" | "statistics">,
    Checkpointed {
  readonly frozen: Checkpointed["frozen"];
}

/** All peers of a run in one process. */
export interface Simulation {
  readonly peers: readonly SimulatedPeer[];
  /** Runs to the end, once, one value per round. @throws Diverged when a peer's loss or model is not finite */
  run(): AsyncGenerator<SimulationRound, void>;
}

/** A simulation of peers with the caller's trainers. */
export function createSimulation({
  neighbours,
  plan,
  trainers,
  threads = oneThread,
  clock = stoppedClock,
}: SimulationOptions): Simulation {
  const createSpace = createSpaces({ count: trainers.length, threads });
  const peers = trainers.map((trainer, id) =>
    createPeer({ id, neighbours: neighbours[id]!, plan, trainer, createSpace }),
  );
  return inLockstep({ peers, trainers, evaluators: trainers.slice(0, 1).map(evaluatorOf), clock });
}

interface LockstepSimulation {
  readonly peers: readonly Peer[];
  readonly trainers: readonly Trainer[];
  /** Of the mean model. */
  readonly evaluators: readonly Evaluator[];
  readonly clock: Clock;
}

/** A simulation runs once: its peers do. @throws InvalidExperiment a second time */
export function once(run: Simulation["run"]): Simulation["run"] {
  let hasRun = false;
  return () => {
    if (hasRun) {
      throw new InvalidExperiment("the simulation has run already: create another one", {
        code: "simulation-runs-once",
      });
    }
    hasRun = true;
    return run();
  };
}

function inLockstep({ peers, trainers, evaluators, clock }: LockstepSimulation): Simulation {
  const largest = peers[0]?.largestPayloadBytes ?? 0;
  const transports = createMemoryTransports(peers.length, largest);
  const lockstep = createLockstep({ peers, trainers, transports, handOver: createHandOver(largest), clock });
  return { peers, run: once(() => runInLockstep(lockstep, peers, evaluators)) };
}

/** Runs peers to their end, one value per round. @param evaluators of the mean model */
export async function* runInLockstep(
  lockstep: Lockstep,
  peers: readonly Pick<Peer, "point" | "statistics">[],
  evaluators: readonly Evaluator[],
): AsyncGenerator<SimulationRound, void> {
  const models = peers.map(({ point }) => point);
  const mean = new Float32Array(models[0]?.length ?? 0);
  try {
    for (;;) {
      const reports = await lockstep.next();
      if (!reports) return;
      const { consensusDistance, meanModelNorm } = observe(models, mean);
      const { round, kind, evaluation } = reports[0]!;
      const statistics = evaluation ? await Promise.all(peers.map((peer) => peer.statistics())) : [];
      const evaluated = evaluation && (await evaluateMean(evaluators, { mean, statistics }));
      yield { round, kind, reports, consensusDistance, meanModelNorm, ...evaluated };
    }
  } finally {
    await lockstep.close();
  }
}

/** A simulation as an experiment describes it, with the trainers that belong to it. */
export interface PreparedSimulation extends Simulation {
  readonly layout: Layout;
  /** How many threads share the kernels' work; of one worker where there are several. */
  readonly threads: number;
  /** Worker threads over which the peers are spread; 1 where the caller's thread runs all of them. */
  readonly workers: number;
  /** What computes in the workers, where those use tfjs. */
  readonly backend?: ActiveBackend;
  /** η in words where it was found, not set; absent where the algorithm does not use it. */
  readonly foundRate?: string;
  /** What the user should know before it runs, one line each. */
  readonly warnings: readonly string[];
  /** Releases the trainers and ends the threads. */
  dispose(): void;
}

/** Settings of `simulate`. */
export interface SimulateOptions {
  /** For the reports' times, of which each peer's are its own work. It stands still where left out. */
  readonly clock?: Clock;
  /** Threads for a large model, such as `workerThreads("auto")`; only the caller's where left out. */
  readonly startThreads?: StartThreads;
  /**
   * The network to simulate, on a virtual clock; then the reports' times are those that it models. Without one, frames
   * arrive at once and rounds are in lockstep. At the barrier the models are the same, to the bit.
   */
  readonly network?: NetworkSettings | undefined;
  /**
   * Spreads the peers over worker threads, such as `peerWorkers("auto")`; logs, models and checkpoints are those of one worker
   * whose trainers have one thread, to the bit. `startThreads` is for one worker alone.
   */
  readonly startWorkers?: StartWorkers | undefined;
}

/** What is asked of workers. */
export interface WorkerRun extends Pick<SimulateOptions, "network"> {
  readonly topology: Topology;
  readonly experiment: Experiment;
  readonly clock: Clock;
}

/**
 * Spreads a run's peers over worker threads; undefined where the caller's thread is to run all of them.
 * @throws InvalidExperiment a run that one thread alone can simulate
 */
export type StartWorkers = (run: WorkerRun) => Promise<PreparedSimulation | undefined>;

/**
 * Makes ready to simulate an experiment on a topology.
 * @throws InvalidExperiment, InvalidData or InvalidNetwork, one line, before anything has run
 */
export async function simulate(
  topology: Topology,
  experiment: Experiment,
  { clock = stoppedClock, startThreads, network, startWorkers }: SimulateOptions = {},
): Promise<PreparedSimulation> {
  const spread = await startWorkers?.({ topology, experiment, network, clock });
  if (spread) return spread;
  const pace = network && createOwnPace(network, topology.mixing.neighbours, experiment.localSteps);
  const {
    peers,
    trainers,
    plan: _,
    memberships: _members,
    ...prepared
  } = await preparePeers({
    ...{ topology, experiment, startThreads },
    ...(pace && { equip: pace.trainer }),
  });
  const evaluators = evaluatorsAmong(experiment, trainers.map(evaluatorOf));
  const simulation = pace
    ? { peers, run: once(() => pace.run(peers, evaluators)) }
    : inLockstep({ peers, trainers, evaluators, clock });
  return { ...simulation, ...prepared, layout: peers[0]!.layout, workers: 1 };
}
