import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type Evaluation, type Metric, qualityOf, rangeOf } from "../../evaluation.js";
import { systemClock } from "../../foundation/clock.js";
import { Interrupted, InvalidExperiment } from "../../foundation/errors.js";
import { together } from "../../foundation/together.js";
import type { Topology } from "../../graphs/topology.js";
import type { Sink } from "../../observing/report.js";
import type { RunVerdict } from "../../observing/verdict.js";
import { filling, makeEmptyFolder, makeFolder } from "../../sinks/folders.js";
import { type ThreadCount, workerThreads } from "../../threads/node.js";
import type { NetworkSettings } from "../../transports/simulated/settings.js";
import type { Layout } from "../../vectors/layout.js";
import type { Experiment } from "../experiment.js";
import {
  endLine,
  failureCode,
  GRAPH_LOG_NAME,
  graphLine,
  type LogHeader,
  peerLogName,
  roundLine,
} from "../log.js";
import { createHeaders } from "../log-header.js";
import { createModelledTimes, type ModelledTimes } from "../modelled-times.js";
import { type PreparedSimulation, type SimulatedPeer, type SimulationRound, simulate } from "../simulate.js";
import { type Stopping, stoppingOf } from "../stopping.js";
import { createVerdictWatch } from "../verdict-watch.js";
import { saveOrWarn } from "./checkpoints/saving.js";
import {
  type CheckpointSettings,
  loadTogether,
  openCheckpoints,
  warnOfStart,
  wayOn,
} from "./checkpoints/settings.js";
import { describeMachine } from "./machine.js";
import { saveAll, saveSettings, withFolder } from "./models.js";
import { openLog } from "./peer-log.js";
import { average, bytesSent } from "./totals.js";
import type { WorkerCount } from "./workers/count.js";
import { peerWorkers } from "./workers/spread.js";

/** What a finished run comes to. */
export interface RunSummary {
  readonly name: string;
  readonly algorithm: string;
  readonly compressor: string;
  readonly rounds: number;
  /** After the closing consensus, or after the last round where there is none. */
  readonly final: Standing;
  /** After the last learning round, before the closing consensus; `final` where the run was resumed after it. */
  readonly beforeClosing: Standing;
  /** Bytes that a peer sent, mean over peers. */
  readonly bytesSentPerPeer: number;
  readonly seconds: number;
  /** Where all peers may stop early. */
  readonly stopping?: Stopping;
  /** What a simulated network makes of it. */
  readonly modelled?: ModelledTimes;
  /** Files of the models, where they were saved. */
  readonly models?: readonly string[];
  /** Whether it is healthy, and why. */
  readonly verdict?: RunVerdict;
}

/** How the peers stand after a round that evaluated. */
export interface Standing {
  readonly round: number;
  /** What models are judged by, of which these are values; absent where that is the loss. Accuracies are shares in [0, 1]. */
  readonly metric?: Metric;
  readonly worst?: number;
  readonly best?: number;
  readonly average?: number;
  readonly meanModel?: number;
  /** The mean model has the running statistics of all peers' examples together. */
  readonly hasPooledStatistics?: true;
  /** Mean over the peers of the value of each one's mean of past models, where they keep one. */
  readonly iterateAverage?: number;
  readonly meanModelLoss: number;
  readonly consensusDistance: number;
}

/** Settings of `recordSimulation`. */
export interface RunOptions {
  readonly topology: Topology;
  readonly experiment: Experiment;
  /** Folder for logs; must be new or empty, unless the run is resumed. */
  readonly directory?: string | undefined;
  /** Makes the run outlive this process. */
  readonly checkpoints?: CheckpointSettings | undefined;
  /** Folder for the trained models; none are saved where left out. */
  readonly save?: string | undefined;
  /** Stops the run after a round; its reason is a text. */
  readonly signal?: AbortSignal;
  /** The network to simulate; frames arrive at once where left out. */
  readonly network?: NetworkSettings | undefined;
  /** Called with one line for each warning. */
  readonly warn: (text: string) => void;
  /** Threads that share the kernels' work; 1 where left out. */
  readonly threads?: ThreadCount;
  /** Worker threads over which the peers are spread; 1 where left out. With several, `threads` is of each. */
  readonly workers?: WorkerCount;
  /** Called once everything is made ready, before the first round. */
  readonly onReady?: (ready: Readiness) => void;
  /** Called after each round; `total` counts training and closing rounds. */
  readonly onRound?: (round: SimulationRound, total: number) => void;
}

/** What was decided before the first round. */
export type Readiness = Pick<PreparedSimulation, "threads" | "foundRate"> &
  Partial<Pick<PreparedSimulation, "workers" | "backend">>;

/**
 * Simulates a run, writes its logs and checkpoints, and says what came of it.
 *
 * @throws Interrupted once the signal says so, after the round that is under way
 */
export function recordSimulation(options: RunOptions): Promise<RunSummary> {
  requireNoNetwork(options);
  const { save, checkpoints, topology, directory } = options;
  const ids = topology.peers.map(({ id }) => id);
  return filling(directory, () => withFolder(saveSettings(save, checkpoints), ids, () => record(options)));
}

async function record(options: RunOptions): Promise<RunSummary> {
  const { topology, experiment, directory, network, signal, warn } = options;
  const { threads = 1, workers = 1, onReady, onRound, save: folder, checkpoints } = options;
  // Before data, graph and trainers are made: what cannot be written would be found after minutes otherwise.
  if (directory !== undefined) await requireFolder(directory, checkpoints?.resume === true);
  const simulation = await simulate(topology, experiment, {
    clock: systemClock,
    startThreads: workerThreads(threads),
    network,
    startWorkers: peerWorkers(workers, { threads }),
  });
  const { layout } = simulation;
  for (const warning of simulation.warnings) warn(warning);
  const saving = await openSaving(simulation.peers, options);
  onReady?.(simulation);
  const { peers } = simulation;
  const about = { experiment, topology, layout, peers, network, resumedFrom: saving?.resumedFrom };
  const logs = directory === undefined ? undefined : await openLogs(directory, about);
  const modelled = network && createModelledTimes();
  const isTimed = network !== undefined;
  const watch = createVerdictWatch({ experiment, parameters: layout.length, isTimed });

  const total = simulation.peers[0]!.rounds;
  const started = performance.now();
  let last: SimulationRound | undefined;
  let beforeClosing: SimulationRound | undefined;
  let models: readonly string[] | undefined;
  try {
    for await (const round of simulation.run()) {
      logs?.write(round);
      if (round.kind === "learning") beforeClosing = round;
      last = round;
      modelled?.add(round);
      watch.add(round);
      onRound?.(round, total);
      if (round.round + 1 < total) await saving?.save(round.round, signal?.aborted === true);
      if (signal?.aborted) {
        const { reason } = signal;
        throw new Interrupted(
          `the run stopped after round ${round.round + 1}: ${typeof reason === "string" ? reason : "it was aborted"}${wayOn(saving)}`,
          { code: "simulation-interrupted", round: round.round },
        );
      }
    }
    if (folder !== undefined) models = await saveAll(folder, simulation.peers);
    await logs?.end("completed");
  } catch (error) {
    await logs?.end("stopped", error);
    if (directory !== undefined) warn(`the run stopped early; its logs so far are in ${directory}`);
    throw error;
  } finally {
    simulation.dispose();
  }

  const verdict = watch.conclude();
  const summary = summarise({
    experiment,
    compressorName: simulation.peers[0]!.compressorName,
    beforeClosing: beforeClosing ?? last!,
    last: last!,
    seconds: (performance.now() - started) / 1000,
  });
  return {
    ...summary,
    ...(modelled && { modelled: modelled.times() }),
    ...(models && { models }),
    ...(verdict && { verdict }),
  };
}

/** What a run comes to, simulated or not, from the rounds that count. */
export function summarise({
  experiment,
  compressorName,
  beforeClosing,
  last,
  seconds,
}: {
  readonly experiment: Experiment;
  readonly compressorName: string;
  readonly beforeClosing: SimulationRound;
  readonly last: SimulationRound;
  readonly seconds: number;
}): RunSummary {
  const stopping = stoppingOf(experiment, beforeClosing.reports[0]!);
  return {
    name: experiment.name,
    algorithm: experiment.algorithm,
    compressor: compressorName,
    rounds: experiment.rounds,
    final: standing(last),
    beforeClosing: standing(beforeClosing),
    bytesSentPerPeer: average(last.reports.map(bytesSent)),
    seconds,
    ...(stopping && { stopping }),
  };
}

export function standing(seen: SimulationRound): Standing {
  const { round, reports, consensusDistance, meanEvaluation, hasPooledStatistics } = seen;
  const valuesOf = (evaluations: readonly (Evaluation | undefined)[]) =>
    evaluations.flatMap((evaluation) => (evaluation && qualityOf(evaluation)) ?? []);
  const peers = valuesOf(reports.map(({ evaluation }) => evaluation));
  const ofIterates = valuesOf(reports.map(({ iterateAverage }) => iterateAverage));
  const [ofMean] = valuesOf([meanEvaluation]);
  const metric = (peers[0] ?? ofMean)?.metric;
  const values = peers.map(({ value }) => value);
  return {
    round,
    ...(metric && { metric }),
    ...(metric && values.length > 0 && { ...rangeOf(metric, values), average: average(values) }),
    ...(ofMean && { meanModel: ofMean.value }),
    ...(hasPooledStatistics && { hasPooledStatistics }),
    ...(ofIterates.length > 0 && { iterateAverage: average(ofIterates.map(({ value }) => value)) }),
    meanModelLoss: meanEvaluation?.loss ?? Number.NaN,
    consensusDistance,
  };
}

interface LogSubject {
  readonly experiment: Experiment;
  readonly topology: Topology;
  readonly layout: Layout;
  readonly peers: readonly SimulatedPeer[];
  readonly network: NetworkSettings | undefined;
  readonly resumedFrom: number | undefined;
}

async function openLogs(directory: string, about: LogSubject) {
  const { experiment, topology, layout, network, resumedFrom } = about;
  await requireFolder(directory, resumedFrom !== undefined);
  // Nothing of a modelled run comes from this machine.
  const machine = network ? {} : describeMachine();
  const headers = createHeaders(experiment, topology, layout, { machine, network });
  const openOne = (name: string, header: LogHeader) => openLog(join(directory, name), header, resumedFrom);
  // The first, since it alone has all edges.
  const graph = await openOne(GRAPH_LOG_NAME, headers.whole(null));
  const peers: Sink[] = [];
  for (const [peer, { counts }] of about.peers.entries()) {
    peers.push(await openOne(peerLogName(peer), headers.ofPeer(peer, counts)));
  }
  return {
    write(round: SimulationRound) {
      graph.write(graphLine(round));
      for (const [peer, log] of peers.entries()) log.write(roundLine(round.reports[peer]!));
    },
    async end(outcome: "completed" | "stopped", error?: unknown) {
      const reason = error instanceof Error ? error.message : error === undefined ? undefined : String(error);
      for (const log of [graph, ...peers]) {
        log.write(endLine(outcome, reason, {}, failureCode(error)));
        await log.close();
      }
    },
  };
}

/** @throws InvalidExperiment checkpoints of a run whose network is simulated, too: what is under way is not saved */
function requireNoNetwork({ network, checkpoints }: RunOptions): void {
  if (!network || !checkpoints) return;
  throw new InvalidExperiment(
    "a run over a simulated network takes no checkpoints: leave out --checkpoints, since the same seed gives the same run again",
    { code: "checkpoints-with-network", field: "network" },
  );
}

/** Checkpoints of all peers, of the same rounds. */
async function openSaving(peers: readonly SimulatedPeer[], { checkpoints, warn }: RunOptions) {
  if (!checkpoints) return undefined;
  const { every, resume } = checkpoints;
  await warnOfStart(checkpoints, warn);
  const stores = await Promise.all(peers.map(({ id }) => openCheckpoints(checkpoints, id, warn)));
  const owned = stores.map((store, k) => ({ store, peer: peers[k]!.id }));
  // Asked for now: it is that of the initial model.
  for (const peer of peers) await peer.fingerprint();
  const loaded = resume ? await loadTogether(owned, checkpoints.folder) : [];
  // Of peers in several threads, the first in their order is named.
  await together(loaded.map((checkpoint, k) => peers[k]!.restore(checkpoint)));
  return {
    resumedFrom: loaded[0]?.round,
    /** Every this many rounds, and before the run stops. */
    async save(round: number, isLast: boolean): Promise<void> {
      if ((round + 1) % every !== 0 && !isLast) return;
      await saveOrWarn(peers, stores, warn);
    },
  };
}

/** @throws FileProblem the folder cannot be made, or holds another run */
async function requireFolder(directory: string, isResumed: boolean): Promise<void> {
  if (isResumed) await makeFolder(directory);
  else await requireEmpty(directory);
}

/** Makes the folder. @throws FileProblem when it holds anything: a run is never written over another */
export function requireEmpty(directory: string): Promise<void> {
  return makeEmptyFolder(directory, "name a new one, so that no earlier run is lost");
}
