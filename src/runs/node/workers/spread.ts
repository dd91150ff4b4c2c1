/** A simulation whose peers are spread over worker threads. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { Checkpoint } from "../../../checkpoint.js";
import { stoppedClock, systemClock } from "../../../foundation/clock.js";
import { InvalidExperiment } from "../../../foundation/errors.js";
import type { Eventually } from "../../../foundation/eventually.js";
import { together } from "../../../foundation/together.js";
import { sentTopology } from "../../../graphs/sent-topology.js";
import { requireWhole } from "../../../graphs/topology.js";
import type { ThreadCount } from "../../../threads/node.js";
import type { Layout } from "../../../vectors/layout.js";
import { type Evaluator, evaluatorsAmong } from "../../evaluators.js";
import type { Lockstep } from "../../lockstep.js";
import { requireOneKind } from "../../own-data.js";
import { requireOneStart } from "../../prepare.js";
import {
  once,
  type PreparedSimulation,
  runInLockstep,
  type SimulatedPeer,
  type StartWorkers,
  type WorkerRun,
} from "../../simulate.js";
import { automaticCount, requireCount, type WorkerCount } from "./count.js";
import { type Link, startWorker } from "./link.js";
import { unpackReports } from "./packed-reports.js";
import type { ReadyPart, ReadyPeer } from "./service.js";

/** How workers compute. */
export interface PeerWorkerOptions {
  /** Threads that share the kernels' work in each worker; `auto` divides the cores among the workers. Default 1. */
  readonly threads?: ThreadCount;
}

/**
 * Worker threads of Node for the peers of a simulation in lockstep, each with a backend of its own; a worker has peers that
 * follow each other. With `auto`, one per core where parameters × examples of a minibatch × local steps ×
 * peers are 4 million or more, and otherwise the caller's thread alone; also where a run needs that. Never more workers than peers.
 *
 * @throws InvalidExperiment unless the count is `auto` or a whole number from 1 to 64
 */
export function peerWorkers(count: WorkerCount, { threads = 1 }: PeerWorkerOptions = {}): StartWorkers {
  requireCount(count);
  return async (run) => {
    const obstacle = count === 1 ? undefined : obstacleTo(run);
    if (count === 1 || (obstacle && count === "auto")) return undefined;
    if (obstacle) throw obstacle;
    const wanted = count === "auto" ? await automaticCount(run, threads) : count;
    const workers = Math.min(wanted, run.topology.peers.length);
    return workers === 1 ? undefined : spread(run, workers, threads);
  };
}

/** Why a run has to stay on one thread. */
function obstacleTo({ experiment, network, clock }: WorkerRun): InvalidExperiment | undefined {
  const { trainer, patience } = experiment;
  if (network) {
    return new InvalidExperiment(
      "a run over a simulated network has one virtual clock and takes one worker: leave out the workers, or the network",
      { code: "workers-with-network", field: "workers" },
    );
  }
  if (patience !== "barrier") {
    return new InvalidExperiment(
      "several workers give the results of one worker only where rounds wait for all edges: leave out the workers, or the patience",
      { code: "workers-with-patience", field: "patience" },
    );
  }
  if (clock !== systemClock && clock !== stoppedClock) {
    return new InvalidExperiment(
      "a clock of your own stays in its thread: leave out the workers, or take systemClock or stoppedClock",
      { code: "workers-with-clock", field: "clock" },
    );
  }
  if (trainer.kind === "layers" && trainer.threads !== "auto" && trainer.threads > 1) {
    return new InvalidExperiment(
      `workers and trainer.threads ${trainer.threads} both divide the cores of this machine: leave out the workers, or set trainer.threads to 1 or "auto", which is 1 in a worker`,
      { code: "workers-with-trainer-threads", field: "trainer.threads" },
    );
  }
  if (trainer.kind === "layers" && trainer.backend !== "wasm" && trainer.backend !== "cpu") {
    return new InvalidExperiment(
      `backend ${trainer.backend} belongs to one thread of a process: leave out the workers, or use backend wasm`,
      { code: "workers-with-backend", field: "trainer.backend" },
    );
  }
  return undefined;
}

/** A worker, and the part of the run that it has made ready. */
interface Team extends ReadyPart {
  readonly link: Link;
}

async function spread(run: WorkerRun, count: number, threads: ThreadCount): Promise<PreparedSimulation> {
  const { topology, experiment } = run;
  requireWhole(topology);
  const ids = topology.peers.map(({ id }) => id);
  /** Rounds that are over. */
  const progress = { rounds: 0 };
  const when = () => (progress.rounds === 0 ? "before a round was over" : `after round ${progress.rounds}`);
  const blocks = Array.from({ length: count }, (_, k) =>
    ids.slice(Math.floor((k * ids.length) / count), Math.floor(((k + 1) * ids.length) / count)),
  );
  const links: Link[] = [];
  const dispose = () => {
    for (const link of links) link.end();
  };
  try {
    for (const block of blocks) links.push(startWorker({ who: nameOf(block), when }));
    const unlessLost = createLossWatch(links);
    const teams = await unlessLost(prepareAll(run, links, blocks, threads));
    const peers = teams.flatMap((team) =>
      team.peers.map((peer) => remotePeer(team.link, peer, team.layout, progress)),
    );
    if (experiment.split.kind === "own") {
      await requireOneKind(teams.flatMap((team) => team.peers.map(async ({ data }) => data!)));
    }
    await requireOneStart(peers);
    await unlessLost(connectAll(teams));
    const evaluators = evaluatorsAmong(experiment, teams.flatMap(evaluatorsOf));
    const { layout, threads: kernels, foundRate, backend } = teams[0]!;
    const warnings = [...new Set(teams.flatMap((team) => team.warnings))];
    return {
      ...{ peers, layout, threads: kernels, warnings, workers: count, dispose },
      ...(foundRate !== undefined && { foundRate }),
      ...(backend && { backend }),
      run: once(() => runInLockstep(lockstepOf(links, unlessLost, progress), peers, evaluators)),
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

function prepareAll(
  { topology, experiment, clock }: WorkerRun,
  links: readonly Link[],
  blocks: readonly (readonly number[])[],
  threads: ThreadCount,
): Eventually<readonly Team[]> {
  const sent = sentTopology(topology);
  const common = {
    topology: sent,
    experiment,
    threads,
    workers: links.length,
    isTimed: clock === systemClock,
  };
  const parts = links.map(async (link, k) => ({
    ...(await link.call("prepare", [{ ...common, ids: blocks[k]! }])),
    link,
  }));
  return together(parts);
}

/** Lines between every two workers. */
async function connectAll(teams: readonly Team[]): Promise<void> {
  const homes = teams.flatMap(({ peers }, team) => peers.map(() => team));
  const ports: (MessagePort | undefined)[][] = teams.map(() => []);
  for (let a = 0; a < teams.length; a++) {
    for (let b = a + 1; b < teams.length; b++) {
      const { port1, port2 } = new MessageChannel();
      ports[a]![b] = port1;
      ports[b]![a] = port2;
    }
  }
  const maximumPayloadBytes = teams[0]!.largestPayloadBytes;
  await Promise.all(
    teams.map(({ link }, own) => {
      const lines = { own, homes, maximumPayloadBytes, ports: teams.map((_, k) => ports[own]![k]) };
      return link.call(
        "connect",
        [lines],
        lines.ports.flatMap((port) => port ?? []),
      );
    }),
  );
}

function lockstepOf(links: readonly Link[], unlessLost: UnlessLost, progress: { rounds: number }): Lockstep {
  const release = (): void => {
    for (const link of links) link.call("release", []).catch(() => {});
  };
  return {
    async next() {
      const all = together(
        links.map((link) => link.call("next", [])),
        release,
      );
      const parts = await unlessLost(all);
      if (parts.includes(undefined)) return undefined;
      const reports = parts.flatMap((part) => unpackReports(part!));
      progress.rounds = reports[0]!.round + 1;
      return reports;
    },
    async close() {
      release();
    },
  };
}

/** What is awaited of workers ends when one of them does. One thing is awaited at a time. */
type UnlessLost = <Value>(value: Eventually<Value>) => Promise<Value>;

/** Listens to each worker's end once: a race against it every round would keep something of every round. */
function createLossWatch(links: readonly Link[]): UnlessLost {
  let loss: { readonly error: unknown } | undefined;
  let fail: ((error: unknown) => void) | undefined;
  for (const { lost } of links) {
    lost.catch((error) => {
      loss ??= { error };
      fail?.(error);
    });
  }
  return (value) =>
    new Promise((resolve, reject) => {
      fail = reject;
      Promise.resolve(value).then(resolve, reject);
      if (loss) reject(loss.error);
    });
}

function remotePeer(
  link: Link,
  { id, compressorName, rounds, model, point, counts, frozenShapes: shapes, hasStatistics }: ReadyPeer,
  layout: Layout,
  progress: { rounds: number },
): SimulatedPeer {
  let latest: Checkpoint | undefined;
  return {
    ...{ id, layout, compressorName, rounds, model, point, counts },
    frozen: shapes && { shapes, read: () => link.call("frozen", [id]) },
    fingerprint: () => link.call("fingerprint", [id]),
    async restore(checkpoint) {
      await link.call("restore", [id, checkpoint]);
      progress.rounds = checkpoint.round;
    },
    // One call brings both: nothing changes while the run waits at a report.
    async trainerState() {
      const { own, checkpoint } = await link.call("snapshot", [id]);
      latest = checkpoint;
      return own;
    },
    snapshot: () => latest!,
    saved: () => link.call("saved", [id]),
    statistics: async () => (hasStatistics ? link.call("statistics", [id]) : {}),
  };
}

function evaluatorsOf({ link, peers }: Team): Evaluator[] {
  return peers.map(({ id, evaluates }) => ({
    ...(evaluates ? {} : { evaluates: false }),
    evaluateWith: (model, statistics) => link.call("evaluate", [id, model, statistics]),
  }));
}

const nameOf = (ids: readonly number[]): string =>
  ids.length === 1 ? `peer ${ids[0]}` : `peers ${ids[0]} to ${ids.at(-1)}`;
