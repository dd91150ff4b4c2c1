/**
 * The whole graph in one process, watched from outside: N peers over memory transports, in lockstep, or over a
 * simulated network, each at its own pace (own-pace.ts). Being outside, the simulator sees what no peer can: the mean
 * model and the exact consensus distance.
 */

import { type Clock, stoppedClock } from "../foundation/clock.js";
import { atOnce, createTurns, type InTurn } from "../foundation/turns.js";
import type { Neighbour } from "../graphs/mixing.js";
import type { Topology } from "../graphs/topology.js";
import type { RoundReport } from "../observing/report.js";
import { createPeer, type Peer, type Plan } from "../peer.js";
import { oneThread, type StartThreads, type Threads } from "../threads/threads.js";
import type { Trainer } from "../trainers/trainer.js";
import { createMemoryTransports } from "../transports/memory.js";
import type { NetworkSettings } from "../transports/simulated/settings.js";
import type { Layout } from "../vectors/layout.js";
import { createSharedSpaces } from "../vectors/vector.js";
import { evaluateOn, evaluatorsAmong } from "./evaluators.js";
import type { Experiment } from "./experiment.js";
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

/** All peers of a run in one process. */
export interface Simulation {
  readonly peers: readonly Peer[];
  /** Runs to the end, one value per round. @throws Diverged when a peer's loss or model is not finite */
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
  const createSpace = threads === oneThread ? createSharedSpaces() : undefined;
  const peers = trainers.map((trainer, id) =>
    createPeer({ id, neighbours: neighbours[id]!, plan, trainer, threads, createSpace }),
  );
  return inLockstep({ peers, trainers, evaluators: trainers.slice(0, 1), clock });
}

interface Lockstep {
  readonly peers: readonly Peer[];
  readonly trainers: readonly Trainer[];
  /** Of the mean model. */
  readonly evaluators: readonly Trainer[];
  readonly clock: Clock;
}

function inLockstep({ peers, trainers, evaluators, clock }: Lockstep): Simulation {
  const [first] = peers;
  const transports = createMemoryTransports(peers.length, first?.largestPayloadBytes ?? 0);
  const models = peers.map(({ point }) => point);
  const mean = new Float32Array(first?.layout.length ?? 0);
  const closeAll = () => Promise.all(transports.map((transport) => transport.close()));

  async function* run(): AsyncGenerator<SimulationRound, void> {
    const inTurn = turnsOf(trainers, clock);
    const runs = peers.map((peer, id) => peer.run({ transport: transports[id]!, clock, inTurn }));
    try {
      for (;;) {
        const reports = (await nextOfAll(runs, closeAll))?.map(withoutWaits);
        if (!reports) return;
        const { consensusDistance, meanModelNorm } = observe(models, mean);
        const { round, kind, evaluation } = reports[0]!;
        const meanEvaluation = evaluation && (await evaluateOn(evaluators, mean));
        yield {
          round,
          kind,
          reports,
          consensusDistance,
          meanModelNorm,
          ...(meanEvaluation && { meanEvaluation }),
        };
      }
    } finally {
      await closeAll();
    }
  }

  return { peers, run };
}

/** Turns of peers whose time is measured, and that compute on this thread. */
function turnsOf(trainers: readonly Trainer[], clock: Clock): InTurn {
  const isMeasured = clock !== stoppedClock && !trainers.some(({ computesElsewhere }) => computesElsewhere);
  return isMeasured ? createTurns() : atOnce;
}

/** What a peer waits for in lockstep is the others' turn on the thread, which says nothing about peers or edges. */
function withoutWaits(report: RoundReport): RoundReport {
  const { waitedFor: _, ...time } = report.time;
  return { ...report, time: { ...time, waitMs: 0 } };
}

/** Every peer's next report. When one fails the others are released before its error is thrown. */
async function nextOfAll(
  runs: readonly AsyncGenerator<RoundReport, void>[],
  closeAll: () => Promise<unknown>,
): Promise<RoundReport[] | undefined> {
  const steps = runs.map((run) => run.next());
  for (const step of steps) step.catch(closeAll);
  const settled = await Promise.allSettled(steps);
  const failed = settled.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  const reports = (await Promise.all(steps)).flatMap((result) => (result.done ? [] : [result.value]));
  return reports.length === runs.length ? reports : undefined;
}

/** A simulation as an experiment describes it, with the trainers that belong to it. */
export interface PreparedSimulation extends Simulation {
  readonly plan: Plan;
  readonly layout: Layout;
  /** How many threads share the kernels' work. */
  readonly threads: number;
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
}

/**
 * Makes ready to simulate an experiment on a topology.
 * @throws InvalidExperiment, InvalidData or InvalidNetwork, one line, before anything has run
 */
export async function simulate(
  topology: Topology,
  experiment: Experiment,
  { clock = stoppedClock, startThreads, network }: SimulateOptions = {},
): Promise<PreparedSimulation> {
  const pace = network && createOwnPace(network, topology.mixing.neighbours, experiment.localSteps);
  const { peers, trainers, ...prepared } = await preparePeers({
    ...{ topology, experiment, startThreads },
    ...(pace && { equip: pace.trainer }),
  });
  const evaluators = evaluatorsAmong(experiment, trainers);
  const simulation = pace
    ? { peers, run: () => pace.run(peers, evaluators) }
    : inLockstep({ peers, trainers, evaluators, clock });
  return { ...simulation, ...prepared, layout: peers[0]!.layout };
}

/** What all models together come to. Writes their mean to `mean`; the sums are float64. */
export function observe(
  models: readonly Float32Array[],
  mean: Float32Array,
): Pick<SimulationRound, "consensusDistance" | "meanModelNorm"> {
  let squaredDistances = 0;
  let squaredNorm = 0;
  for (let k = 0; k < mean.length; k++) {
    let sum = 0;
    for (const model of models) sum += model[k]!;
    const average = sum / models.length;
    for (const model of models) squaredDistances += (model[k]! - average) ** 2;
    squaredNorm += average * average;
    mean[k] = average;
  }
  return { consensusDistance: squaredDistances / models.length, meanModelNorm: Math.sqrt(squaredNorm) };
}
