import { prometheusMetrics } from "@libp2p/prometheus-metrics";
import type { Figures } from "../../evaluation.js";
import { Interrupted } from "../../foundation/errors.js";
import type { Change } from "../../graphs/changes.js";
import type { Topology } from "../../graphs/topology.js";
import { createGoodput } from "../../observing/goodput.js";
import { createPeerRecord, type PeerRecord, recordRound } from "../../observing/peer-record.js";
import type { RoundReport } from "../../observing/report.js";
import { type RunVerdict, verdictOf } from "../../observing/verdict.js";
import { makeFolder } from "../../sinks/folders.js";
import { createPrometheusSink, type PrometheusSink } from "../../sinks/prometheus.js";
import { type ThreadCount, workerThreads } from "../../threads/node.js";
import type { Experiment } from "../experiment.js";
import { failureCode } from "../log.js";
import { runSubject } from "../run-subject.js";
import { type Stopping, stoppingOf } from "../stopping.js";
import { type CheckpointSettings, openCheckpoints, wayOn } from "./checkpoints/settings.js";
import { saveSettings, withFolder } from "./models.js";
import { type Identity, type JoinedRun, joinRun, type LinkEvent } from "./network.js";
import { openPeerLog, type PeerLog, requireNewLog } from "./peer-log.js";
import { bytesSent } from "./totals.js";
import { keepYoungGenerationSmall } from "./young-generation.js";

/** Settings of `recordPeer`. */
export interface PeerRunOptions {
  readonly topology: Topology;
  readonly experiment: Experiment;
  readonly id: number;
  readonly identity: Identity;
  /** Accepts neighbours with other examples; see `joinRun`. */
  readonly allowDifferentData?: boolean;
  /** Folder for the log; other peers' logs may be there, but not one of this peer. */
  readonly directory?: string | undefined;
  /** Folder for the trained model, whose file is `peer-3.safetensors`; it is not saved where left out. */
  readonly save?: string | undefined;
  /** Comes into a run that is under way, without state; see `joinRun`. */
  readonly join?: boolean;
  /** Is given a function that proposes changes of the run's members; returns one that ends it. */
  readonly watchMembers?: (propose: (change: Change) => void) => () => void;
  /** Makes the run outlive this process. */
  readonly checkpoints?: CheckpointSettings | undefined;
  /** Called with one line for each warning. */
  readonly warn?: (text: string) => void;
  /** How long to wait for a silent or missing neighbour, in milliseconds; every other wait derives from it. */
  readonly deadlineMs?: number | undefined;
  /** Threads that share the kernels' work, `auto` being this process's part of the cores. 1 where left out. */
  readonly threads?: ThreadCount;
  /** Processes with peers of the run on this machine. 1 where left out. */
  readonly processes?: number;
  /** Serves metrics on this port while it runs; 0 takes a free one. */
  readonly metricsPort?: number | undefined;
  /** Address to serve metrics on; only this machine can read them where left out. */
  readonly metricsHost?: string | undefined;
  /** Stops the run; its reason is a text that goes into the log. */
  readonly signal?: AbortSignal;
  /** Called for each event of a link, such as a lost connection. */
  readonly onEvent?: (event: LinkEvent) => void;
  /** Where Prometheus reads from now on. */
  readonly onMetrics?: (url: string) => void;
  /** Every neighbour is there. */
  readonly onJoined?: (run: JoinedRun) => void;
  /** Called after each round. */
  readonly onRound?: (report: RoundReport, run: JoinedRun) => void | Promise<void>;
  /** What a verdict over several peers needs of this one, once its run is complete. */
  readonly onRecord?: (record: PeerRecord) => void;
}

/** What became of one peer's run, with the figures of its last evaluation. */
export interface PeerSummary extends Figures {
  readonly peer: number;
  /** Rounds that it took part in until; all of them unless it left. */
  readonly rounds: number;
  /** The peer left for good before the last round. */
  readonly hasLeft?: true;
  readonly modelDigest: string;
  /** File of the model, where it was saved. */
  readonly model?: string;
  readonly loss?: number;
  readonly bytesSent: number;
  /** Share of wall time in useful steps, in [0, 1]; absent when no time has passed. */
  readonly goodput?: number;
  /** What the goodput is a share of: wall time from the first round to the last, in milliseconds. */
  readonly elapsedMs: number;
  /** Whether the run is healthy as far as this peer sees, and why. */
  readonly verdict?: RunVerdict;
  /** Where all peers may stop early. */
  readonly stopping?: Stopping;
}

/**
 * Takes part in a run as one peer, writes its log, and serves its metrics.
 *
 * @throws Interrupted once the signal says so; the log then ends with its reason
 * @throws CannotListen when the port for metrics is taken
 */
export async function recordPeer(options: PeerRunOptions): Promise<PeerSummary> {
  keepYoungGenerationSmall();
  const { metricsPort, metricsHost } = options;
  const run = (metrics?: PrometheusSink) =>
    withFolder(saveSettings(options.save, options.checkpoints), [options.id], () =>
      takePart(options, metrics),
    );
  if (metricsPort === undefined) return run();
  const metrics = await createPrometheusSink({
    port: metricsPort,
    ...(metricsHost !== undefined && { host: metricsHost }),
  });
  try {
    options.onMetrics?.(metrics.url);
    return await run(metrics);
  } finally {
    await metrics.close();
  }
}

async function takePart(options: PeerRunOptions, metrics?: PrometheusSink): Promise<PeerSummary> {
  const { topology, experiment, id, identity, directory, checkpoints, deadlineMs } = options;
  const { threads = 1, processes = 1, signal = new AbortController().signal, warn = () => {} } = options;
  if (directory !== undefined) {
    if (checkpoints?.resume) await makeFolder(directory);
    else await requireNewLog(directory, id);
  }
  const store = checkpoints && (await openCheckpoints(checkpoints, id, warn));
  const run = await joinRun({
    topology,
    experiment,
    id,
    identity,
    signal,
    startThreads: workerThreads(threads, { processes }),
    processes,
    ...(options.allowDifferentData && { allowDifferentData: true }),
    ...(options.join && { join: true }),
    ...(deadlineMs !== undefined && { deadlineMs }),
    ...(store && { checkpoints: { store, warn, every: checkpoints!.every, resume: checkpoints!.resume } }),
    ...(options.onEvent && { report: options.onEvent }),
    ...(metrics && {
      metrics: prometheusMetrics({ registry: metrics.registry, preserveExistingMetrics: true }),
    }),
  });
  let log: PeerLog | undefined;
  let last: RoundReport | undefined;
  let learned: RoundReport | undefined;
  const goodput = createGoodput();
  const record = createPeerRecord(id, run.layout.length);
  let unwatch: (() => void) | undefined;
  let model: string | undefined;
  try {
    if (directory !== undefined) {
      const { layout, counts, resumedFrom, topology } = run;
      const joinedAt = options.join ? run.firstRound : undefined;
      log = await openPeerLog({ directory, id, topology, experiment, layout, counts, resumedFrom, joinedAt });
    }
    if (!signal.aborted) {
      options.onJoined?.(run);
      unwatch = options.watchMembers?.(run.propose);
      for await (const report of run) {
        last = report;
        if (report.kind === "learning") learned = report;
        goodput.add(report);
        recordRound(record, report);
        log?.write(report);
        metrics?.write(report);
        await options.onRound?.(report, run);
        if (signal.aborted) break;
      }
    }
    if (!run.isComplete) {
      throw new Interrupted(
        `peer ${id} stopped ${last ? `after round ${last.round + 1}` : "before its first round"}: ${reasonOf(signal)}${wayOn(checkpoints)}`,
        { code: "peer-interrupted", peer: id, round: last?.round },
      );
    }
    if (options.save !== undefined) model = await run.save(options.save);
    await log?.end("completed", run.hasLeft ? "it left the run" : undefined, run.counters.take());
  } catch (error) {
    const reason =
      error instanceof Interrupted
        ? reasonOf(signal)
        : error instanceof Error
          ? error.message
          : String(error);
    await log?.end("stopped", reason, run.counters.take(), failureCode(error));
    throw error;
  } finally {
    unwatch?.();
    await run.close();
  }
  record.end = { outcome: "completed" };
  options.onRecord?.(record);
  const verdict = verdictOf({ subject: runSubject(experiment, true), peers: [record] });
  const stopping = learned && stoppingOf(experiment, learned);
  const { loss, ...figures } = last?.evaluation ?? {};
  return {
    peer: id,
    rounds: last ? last.round + 1 : run.firstRound,
    ...(run.hasLeft && ({ hasLeft: true } as const)),
    modelDigest: run.modelDigest(),
    ...(model !== undefined && { model }),
    ...(loss !== undefined && Number.isFinite(loss) && { loss }),
    ...figures,
    bytesSent: last ? bytesSent(last) : 0,
    elapsedMs: last?.time.elapsedMs ?? 0,
    ...(goodput.share !== undefined && { goodput: goodput.share }),
    ...(stopping && { stopping }),
    ...(verdict && { verdict }),
  };
}

function reasonOf({ reason }: AbortSignal): string {
  return typeof reason === "string" ? reason : "the run was aborted";
}
