/** All peers of this machine as processes, watched from one place. */
import { type ChildProcess, fork } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { type Quality, qualityOf } from "../../evaluation.js";
import { CannotListen, Interrupted, InvalidTopology, PeerFailed } from "../../foundation/errors.js";
import { sentTopology } from "../../graphs/sent-topology.js";
import { requireWhole, type Topology } from "../../graphs/topology.js";
import { shareOf } from "../../observing/goodput.js";
import { createGraphRecord, recordGraphRound } from "../../observing/graph-record.js";
import type { PeerRecord } from "../../observing/peer-record.js";
import type { RoundReport } from "../../observing/report.js";
import { type RunVerdict, verdictOf } from "../../observing/verdict.js";
import { filling, makeFolder, makeTemporaryFolder } from "../../sinks/folders.js";
import type { ThreadCount } from "../../threads/node.js";
import { createTrainer } from "../../trainers/index.js";
import { decodeSafetensors } from "../../vectors/safetensors.js";
import type { NamedValues } from "../../vectors/state.js";
import { createEvaluators, evaluateMean, evaluatorOf } from "../evaluators.js";
import type { Experiment } from "../experiment.js";
import { GRAPH_LOG_NAME, graphLine } from "../log.js";
import { headerLine } from "../log-header.js";
import { observe } from "../observe.js";
import { taskOf } from "../own-data.js";
import { runSubject } from "../run-subject.js";
import type { SimulationRound } from "../simulate.js";
import { freeLoopbackAddresses, isLocal } from "./addresses.js";
import { type CheckpointSettings, warnOfStart, wayOn } from "./checkpoints/settings.js";
import { describeMachine } from "./machine.js";
import { saveSettings, uniteModels, withFolder } from "./models.js";
import { generateIdentity, type Identity, type LinkEvent } from "./network.js";
import { openLog } from "./peer-log.js";
import { type FromPeer, modelFile, type ToPeer, VECTOR_NAME } from "./peer-process.js";
import type { PeerSummary } from "./record-peer.js";
import { type Readiness, type RunSummary, requireEmpty, summarise } from "./record-simulation.js";
import { average, meanQuality } from "./totals.js";

/** How long peers have to end in order before they are killed, in milliseconds. */
const STOP_DEADLINE_MS = 10_000;
/** Characters of a process's stderr that are kept, and of those that are shown. */
const KEPT_CHARACTERS = 4096;
const SHOWN_CHARACTERS = 300;
const LAST_PORT = 65_535;

/** How a run stands: where its slowest peer is. */
export interface NetworkProgress {
  /** Rounds that every peer has finished. */
  readonly finished: number;
  readonly rounds: number;
  /** Mean over peers of the last training losses. */
  readonly loss?: number;
  /** Mean over peers of the last values of the metric that models are judged by. */
  readonly quality?: Quality;
}

export interface NetworkOptions {
  readonly topology: Topology;
  readonly experiment: Experiment;
  /** The peers to start, each with its key. All, with keys and loopback addresses for this run, where left out. */
  readonly identities?: ReadonlyMap<number, Identity>;
  /** Peers accept neighbours with other examples, in this process or elsewhere; see `joinRun`. */
  readonly allowDifferentData?: boolean;
  /** Folder for logs; must be new or empty. */
  readonly directory?: string | undefined;
  /** Folder for the trained models; none are saved where left out. */
  readonly save?: string | undefined;
  /** Makes the run outlive its processes. */
  readonly checkpoints?: CheckpointSettings | undefined;
  /** How long a peer waits for a silent or missing neighbour, in milliseconds; every other wait derives from it. */
  readonly deadlineMs?: number | undefined;
  /** Peer i serves metrics to this machine on this port + i; 0 takes free ones. */
  readonly metricsPort?: number | undefined;
  /** Threads that share the kernels' work in each peer; `auto`, the default, divides the cores among the peers. */
  readonly threads?: ThreadCount;
  /** Stops the run; its reason is a text. */
  readonly signal?: AbortSignal;
  readonly warn: (text: string) => void;
  /** What was decided before the first round, once the first peer has joined. */
  readonly onReady?: (ready: Readiness) => void;
  readonly onProgress?: (progress: NetworkProgress) => void;
  /** What a peer warns of in a round. */
  readonly onWarning?: (warning: { peer: number; round: number; text: string }) => void;
  readonly onEvent?: (peer: number, event: LinkEvent) => void;
  /** Where Prometheus reads a peer's metrics from now on. */
  readonly onMetrics?: (peer: number, url: string) => void;
}

export interface NetworkOutcome {
  /** What each peer that ran here ended with, by id. */
  readonly peers: readonly PeerSummary[];
  /** Share of their wall time in useful steps, in [0, 1]. */
  readonly goodput?: number;
  /** Files of the models, where they were saved. */
  readonly models?: readonly string[];
  /** Whether the run is healthy as far as these peers see, and why. */
  readonly verdict?: RunVerdict;
  /** The same figures that a simulation gives; only where all peers ran here. */
  readonly summary?: RunSummary;
}

/**
 * Runs peers as processes until all of them are done. When one fails the others are stopped.
 *
 * @throws PeerFailed which peer ended too early, and why
 * @throws Interrupted once the signal says so
 */
export async function runNetwork(options: NetworkOptions): Promise<NetworkOutcome> {
  const { topology, directory, checkpoints, save, warn } = options;
  requireWhole(topology);
  const ids = topology.peers.map(({ id }) => id);
  return filling(directory, async () => {
    if (directory !== undefined && !checkpoints?.resume) await requireEmpty(directory);
    if (checkpoints) await warnOfStart(checkpoints, warn);
    return withFolder(saveSettings(save, checkpoints), ids, () => runPeers(options));
  });
}

async function runPeers(options: NetworkOptions): Promise<NetworkOutcome> {
  const { experiment, directory, checkpoints, warn, metricsPort = 0 } = options;
  const lastId = Math.max(...(options.identities?.keys() ?? [options.topology.peers.length - 1]));
  if (metricsPort > 0 && metricsPort + lastId > LAST_PORT) {
    throw new CannotListen(
      `metrics of peer ${lastId} would be on port ${metricsPort} + ${lastId}, past ${LAST_PORT}: choose a lower port, or 0 for free ones`,
      { code: "metrics-port-range", peer: lastId },
    );
  }
  const { topology, identities } =
    options.identities === undefined
      ? await withIdentities(options.topology)
      : { topology: options.topology, identities: options.identities };
  const models = await makeTemporaryFolder("murmur-models-");
  const started = performance.now();
  try {
    const watch = createWatch(identities.size, experiment.rounds, options);
    await runProcesses(topology, identities, models, options, watch);
    const peers = watch.summaries();
    const isWhole = identities.size === topology.peers.length;
    const saved = await savedModels(options.save, peers, isWhole);
    const useful = { ...goodputOf(peers), ...(saved && { models: saved }) };
    if (!isWhole) return { peers, ...useful, ...judge(experiment, watch.records) };

    const seconds = (performance.now() - started) / 1000;
    const { beforeClosing, last } = await look(topology, experiment, models, watch);
    if (directory !== undefined) {
      const rounds = [...new Set([beforeClosing, last])];
      await writeGraphLog(directory, topology, experiment, rounds, checkpoints?.resume === true);
    }
    const compressorName = watch.compressorName;
    const verdict = judge(experiment, watch.records, [beforeClosing, last]);
    return {
      peers,
      ...useful,
      ...verdict,
      summary: {
        ...summarise({ experiment, compressorName, beforeClosing, last, seconds }),
        ...verdict,
      },
    };
  } catch (error) {
    // A run that failed before its first round has none.
    const hasLogs = directory !== undefined && (await makeFolder(directory)).length > 0;
    if (hasLogs) warn(`the run stopped early; its logs so far are in ${directory}`);
    throw error;
  } finally {
    await rm(models, { recursive: true, force: true });
  }
}

/** @param rounds that were seen from outside */
function judge(
  experiment: Experiment,
  records: ReadonlyMap<number, PeerRecord>,
  rounds: readonly SimulationRound[] = [],
): Pick<NetworkOutcome, "verdict"> {
  const graph = rounds.length > 0 ? createGraphRecord() : undefined;
  for (const round of rounds) recordGraphRound(graph!, round);
  const peers = [...records.values()].sort((a, b) => a.peer - b.peer);
  const verdict = verdictOf({ subject: runSubject(experiment, true), peers, graph });
  return verdict ? { verdict } : {};
}

/** The files that the peers have left, one for all of them where those of a whole run are equal. */
async function savedModels(
  folder: string | undefined,
  peers: readonly PeerSummary[],
  isWhole: boolean,
): Promise<readonly string[] | undefined> {
  if (folder === undefined) return undefined;
  return isWhole
    ? uniteModels(
        folder,
        peers.map(({ peer }) => peer),
      )
    : peers.flatMap(({ model }) => model ?? []);
}

function goodputOf(peers: readonly PeerSummary[]): Pick<NetworkOutcome, "goodput"> {
  const useful = peers.reduce((sum, { goodput = 0, elapsedMs }) => sum + goodput * elapsedMs, 0);
  const elapsed = peers.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0);
  const goodput = shareOf(useful, elapsed);
  return goodput === undefined ? {} : { goodput };
}

/** A topology with new keys, and loopback addresses where it has none: good for one run on one machine. */
async function withIdentities(
  topology: Topology,
): Promise<{ topology: Topology; identities: Map<number, Identity> }> {
  const elsewhere = topology.peers.find((peer) => !isLocal(peer));
  if (elsewhere) {
    throw new InvalidTopology(
      `peer ${elsewhere.id} of ${topology.name} runs on another machine, so its peers need permanent keys: make them with \`murmur keys\``,
      { code: "peer-on-another-machine", peer: elsewhere.id },
    );
  }
  const identities = new Map<number, Identity>();
  const addresses = await freeLoopbackAddresses(topology.peers.length);
  const peers = [];
  for (const peer of topology.peers) {
    const identity = await generateIdentity();
    identities.set(peer.id, identity);
    const own = [addresses[peer.id]!];
    const where = peer.listen.length > 0 ? {} : { listen: own, dial: own };
    peers.push({ ...peer, ...where, peerId: identity.peerId });
  }
  return { topology: { ...topology, peers }, identities };
}

type Watch = ReturnType<typeof createWatch>;

/** What the peers have said so far. */
function createWatch(
  count: number,
  learningRounds: number,
  { warn, onReady, onProgress, onWarning }: NetworkOptions,
) {
  const latest = new Map<number, RoundReport>();
  const beforeClosing = new Map<number, RoundReport>();
  const done = new Map<number, PeerSummary>();
  const records = new Map<number, PeerRecord>();
  const losses = new Map<number, number>();
  const qualities = new Map<number, Quality>();
  let compressorName = "";
  let rounds = learningRounds;
  let finished = 0;
  let isFirst = true;

  return {
    latest,
    beforeClosing,
    done,
    records,
    get compressorName() {
      return compressorName;
    },
    get finished() {
      return finished;
    },
    summaries: () => [...done.values()].sort((a, b) => a.peer - b.peer),
    joined(message: FromPeer & { kind: "joined" }): void {
      ({ compressorName, rounds } = message);
      // All peers say the same.
      if (isFirst) {
        for (const warning of message.warnings) warn(warning);
        onReady?.(message);
      }
      isFirst = false;
    },
    round(report: RoundReport): void {
      const { peer, round, kind, loss, evaluation } = report;
      latest.set(peer, report);
      for (const text of report.warnings ?? []) onWarning?.({ peer, round, text });
      // The report that ends learning always comes here.
      if (kind === "learning") beforeClosing.set(peer, report);
      if (loss !== undefined) losses.set(peer, loss);
      const quality = evaluation && qualityOf(evaluation);
      if (quality) qualities.set(peer, quality);
      const slowest =
        latest.size < count ? 0 : Math.min(...[...latest.values()].map((each) => each.round + 1));
      if (slowest === finished) return;
      finished = slowest;
      onProgress?.({
        finished,
        rounds,
        ...(losses.size > 0 && { loss: average([...losses.values()]) }),
        ...(qualities.size > 0 && { quality: meanQuality([...qualities.values()]) }),
      });
    },
  };
}

async function runProcesses(
  topology: Topology,
  identities: ReadonlyMap<number, Identity>,
  models: string,
  options: NetworkOptions,
  watch: Watch,
): Promise<void> {
  const { experiment, directory, checkpoints, deadlineMs, threads = "auto", signal } = options;
  // 0 is no port to count from: every peer then takes a free one.
  const metricsPortOf = (id: number) => options.metricsPort && options.metricsPort + id;
  const children = new Map<number, ChildProcess>();
  let failure: Error | undefined;
  let killTimer: ReturnType<typeof setTimeout> | undefined;

  const stopAll = (reason: string, error: Error) => {
    if (failure) return;
    failure = error;
    for (const child of children.values()) sendTo(child, { kind: "stop", reason });
    killTimer = setTimeout(() => {
      for (const child of children.values()) child.kill("SIGKILL");
    }, STOP_DEADLINE_MS);
  };
  const interrupt = () => {
    const reason = typeof signal?.reason === "string" ? signal.reason : "the run was aborted";
    stopAll(
      reason,
      new Interrupted(`all peers stopped after ${watch.finished} rounds: ${reason}${wayOn(checkpoints)}`, {
        code: "peers-interrupted",
      }),
    );
  };
  signal?.addEventListener("abort", interrupt);

  const ends = [...identities].map(([id, identity]) => {
    const child = fork(fileURLToPath(new URL("./peer-process.js", import.meta.url)), {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      serialization: "advanced",
      execArgv: [],
    });
    children.set(id, child);
    let lastWords = "";
    let isTold = false;
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      lastWords = (lastWords + text).slice(-KEPT_CHARACTERS);
    });
    const fail = (error: PeerFailed) => {
      isTold = true;
      stopAll(`peer ${id} failed`, error);
    };
    child.on("message", (message: FromPeer) => {
      if (message.kind === "event") options.onEvent?.(id, message.event);
      else if (message.kind === "metrics") options.onMetrics?.(id, message.url);
      else if (message.kind === "warning") options.warn(`peer ${id}: ${message.text}`);
      else if (message.kind === "joined") watch.joined(message);
      else if (message.kind === "round") watch.round(message.report);
      else if (message.kind === "failed") {
        const { message: why, details } = message;
        fail(new PeerFailed(`${why}; the other peers were stopped`, { ...details }));
      } else {
        isTold = true;
        if (message.kind !== "done") return;
        watch.done.set(id, message.summary);
        watch.records.set(id, message.record);
      }
    });
    const metricsPort = metricsPortOf(id);
    sendTo(child, {
      kind: "start",
      topology: sentTopology(topology),
      experiment,
      id,
      identity,
      allowDifferentData: options.allowDifferentData ?? false,
      directory,
      save: options.save,
      checkpoints,
      deadlineMs,
      metricsPort,
      threads,
      processes: identities.size,
      models,
    });
    return new Promise<void>((resolve) => {
      child.once("error", (error) => {
        fail(
          new PeerFailed(`peer ${id} could not be started: ${error.message}; the other peers were stopped`, {
            code: "peer-not-started",
            peer: id,
            cause: error,
          }),
        );
        resolve();
      });
      // After its pipes are closed, so that its stderr is complete.
      child.once("close", (code, killedBy) => {
        children.delete(id);
        if (!isTold) {
          const round = watch.latest.get(id)?.round;
          const heard =
            round === undefined ? "before its first round" : `and its last report was of round ${round + 1}`;
          const how = killedBy ? `was killed (${killedBy})` : `ended with exit code ${code}`;
          const words = wordsOf(lastWords);
          fail(
            new PeerFailed(
              `peer ${id} ${how} ${heard}${words}; the other peers were stopped${wayOn(checkpoints)}`,
              {
                code: "peer-process-ended",
                peer: id,
                round,
              },
            ),
          );
        }
        resolve();
      });
    });
  });
  if (signal?.aborted) interrupt();

  try {
    await Promise.all(ends);
  } finally {
    clearTimeout(killTimer);
    signal?.removeEventListener("abort", interrupt);
  }
  if (failure) throw failure;
}

/** A process that is gone has already reported it. */
function sendTo(child: ChildProcess, message: ToPeer): void {
  if (child.connected) child.send(message, () => {});
}

/** The line of an uncaught error, or the last line. */
function wordsOf(text: string): string {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  const line = lines.findLast((each) => /Error\b.*:/.test(each)) ?? lines.at(-1);
  return line === undefined ? "" : `: ${line.slice(0, SHOWN_CHARACTERS)}`;
}

/** What a simulation sees after every round, for the two rounds whose models the peers handed over. */
async function look(
  topology: Topology,
  experiment: Experiment,
  models: string,
  watch: Watch,
): Promise<{ beforeClosing: SimulationRound; last: SimulationRound }> {
  const evaluators = await createEvaluators(experiment, topology);
  const among = evaluators.map(evaluatorOf);
  try {
    const lookAt = async (byPeer: ReadonlyMap<number, RoundReport>): Promise<SimulationRound> => {
      const reports = [...byPeer.values()].sort((a, b) => a.peer - b.peer);
      const { round, kind } = reports[0]!;
      const files = await Promise.all(reports.map(({ peer }) => readModel(modelFile(models, peer, round))));
      const mean = new Float32Array(evaluators[0]!.layout.length);
      const vectors = files.map(({ vector }) => vector);
      const observed = observe(vectors, mean);
      const statistics = files.map((file) => file.statistics);
      return { round, kind, reports, ...observed, ...(await evaluateMean(among, { mean, statistics })) };
    };
    const last = await lookAt(watch.latest);
    // A run that was resumed may have nothing but closing left.
    const hasLearned = watch.beforeClosing.size === topology.peers.length;
    const isClosed = hasLearned && watch.latest.get(0)!.kind === "closing";
    return { beforeClosing: isClosed ? await lookAt(watch.beforeClosing) : last, last };
  } finally {
    for (const evaluator of evaluators) evaluator.dispose();
  }
}

/** What a peer handed over after a round. */
async function readModel(file: string): Promise<{ vector: Float32Array; statistics: NamedValues }> {
  const { tensors } = decodeSafetensors(await readFile(file), file);
  const { [VECTOR_NAME]: vector, ...statistics } = Object.fromEntries(
    tensors.map(({ name, values }) => [name, values]),
  );
  return { vector: vector!, statistics };
}

/** The rounds that were seen from outside, where `murmur inspect` looks for them. */
async function writeGraphLog(
  directory: string,
  topology: Topology,
  experiment: Experiment,
  rounds: readonly SimulationRound[],
  isResumed: boolean,
): Promise<void> {
  const { peers } = topology.mixing;
  const task = taskOf(experiment, topology, 0, false);
  const trainer = await createTrainer(task, { peer: 0, peers, seed: experiment.seed });
  const header = headerLine(null, experiment, topology, trainer.layout, { machine: describeMachine() });
  trainer.dispose();
  const log = await openLog(join(directory, GRAPH_LOG_NAME), header, isResumed ? 0 : undefined);
  for (const round of rounds) log.write(graphLine(round));
  log.write({ type: "end", outcome: "completed" });
  await log.close();
}
