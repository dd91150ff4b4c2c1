import { Command } from "commander";
import { ACCURACY, qualityOf } from "../evaluation.js";
import { InvalidTopology } from "../foundation/errors.js";
import { requirePeer, type Topology } from "../graphs/topology.js";
import type { PeerWarning } from "../inspect/history.js";
import type { LiveServer } from "../inspect/live.js";
import { reported } from "../inspect/warnings.js";
import { type Experiment, experimentJsonSchema } from "../runs/experiment.js";
import { isLocal } from "../runs/node/addresses.js";
import type { CheckpointSettings } from "../runs/node/checkpoints/settings.js";
import type { Identity } from "../runs/node/network.js";
import type { NetworkOutcome } from "../runs/node/processes.js";
import type { PeerSummary } from "../runs/node/record-peer.js";
import { makeTemporaryFolder } from "../sinks/folders.js";
import type { ThreadCount } from "../threads/node.js";
import { addCheckpointOptions, checkpointSettings } from "./checkpoint-options.js";
import {
  bytesText,
  note,
  noteReadiness,
  numberText,
  type Progress,
  percentText,
  print,
  progress,
  qualityText,
  table,
  valueText,
  valueTitle,
  warn,
} from "./console.js";
import { createWaitDisplay, eventText, newsOnly } from "./events.js";
import { readExperiment, readTopology } from "./files.js";
import { untilInterrupted } from "./interrupt.js";
import {
  allowDifferentDataOption,
  deadlineOption,
  metricsOption,
  peerNumbers,
  portToServe,
  saveOption,
  TOPOLOGY_FILE,
  threadsOption,
} from "./option-types.js";
import { trainingLossText } from "./peer.js";
import { addSettingsOptions } from "./settings-options.js";
import { modelsText, stoppingText, summaryTable } from "./summary.js";
import { topologyLine } from "./topology.js";
import { noteExit, verdictText } from "./verdict.js";

export function upCommand(): Command {
  const command = new Command("up");
  command
    .description("run all peers of this machine, each as a process")
    .argument("<topology>", TOPOLOGY_FILE)
    .argument("[experiment]", "experiment file (JSON); every field can also be given as an option")
    .option(
      "--peers <ids>",
      "comma-separated peer ids, e.g. 0,3; default: those whose host or address is this machine's",
      peerNumbers,
    )
    .option("--keys <folder>", "folder of the keys; default: beside the topology, as in ring-8.keys")
    .option("--out <folder>", "write the logs there, for murmur inspect")
    .option(
      "--live [port]",
      "serve the live page to this machine while it runs, in a terminal until Ctrl-C; without a port, or with 0, on a free one; without --out, the logs go to a temporary folder that stays",
      portToServe,
    )
    .addOption(
      metricsOption(
        "serve Prometheus metrics to this machine while it runs, those of peer i on this port + i; 0 takes free ports",
      ),
    )
    .addOption(allowDifferentDataOption())
    .addOption(threadsOption())
    .addOption(deadlineOption())
    .addOption(saveOption())
    .option("--json", "print the outcome as JSON")
    .action(async (topologyFile: string, experimentFile: string | undefined, options) => {
      const topology = await readTopology(topologyFile);
      const experiment = await readExperiment(experimentFile, given());
      const identities = await identitiesOf(topology, topologyFile, options);
      if (!options.json) print(topologyLine(topology));
      const count = identities?.size ?? topology.peers.length;

      const directory = options.out ?? (options.live === undefined ? undefined : await temporaryFolder());
      const live = options.live === undefined ? undefined : await serveLive(directory!, options.live);
      const checkpoints = checkpointSettings(command, options);
      const interrupted = untilInterrupted();
      const bar = progress(`${count} peers`, experiment.rounds);
      try {
        const outcome = await run(
          { topology, experiment, identities, directory, checkpoints, signal: interrupted.signal },
          options,
          bar,
        );
        bar.stop();
        const { summary, ...others } = outcome;
        noteExit(outcome.verdict);
        if (options.json) print(JSON.stringify({ ...summary, ...others }));
        else printOutcome(outcome, directory);
        // Without a terminal there is no Ctrl-C.
        if (live && process.stderr.isTTY) {
          note(`\nlive: ${live.url} stays until Ctrl-C`);
          await aborted(interrupted.signal);
        }
      } finally {
        bar.stop();
        interrupted.release();
        await live?.close();
      }
    });
  addCheckpointOptions(command);
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

interface Network {
  readonly topology: Topology;
  readonly experiment: Experiment;
  readonly identities: ReadonlyMap<number, Identity> | undefined;
  readonly directory: string | undefined;
  readonly checkpoints: CheckpointSettings | undefined;
  readonly signal: AbortSignal;
}

interface UpOptions {
  readonly save?: string;
  readonly deadline?: number;
  readonly metrics?: number;
  readonly threads: ThreadCount;
  readonly allowDifferentData?: boolean;
}

/** Runs the peers, and shows on stderr how they do. */
async function run(
  { identities, ...network }: Network,
  options: UpOptions,
  bar: Progress,
): Promise<NetworkOutcome> {
  // Loaded here, so that other commands do not wait for libp2p.
  const { runNetwork } = await import("../runs/node/processes.js");
  const waits = createWaitDisplay(note, bar.remark);
  const lingering = newsOnly(note);
  const warnings: PeerWarning[] = [];
  try {
    return await runNetwork({
      ...network,
      ...(identities && { identities }),
      ...(options.allowDifferentData && { allowDifferentData: true }),
      save: options.save,
      deadlineMs: options.deadline,
      metricsPort: options.metrics,
      threads: options.threads,
      onReady: noteReadiness,
      warn,
      onWarning: (warning) => warnings.push(warning),
      onProgress({ finished, loss, quality }) {
        waits.over();
        bar.update(
          Math.min(finished, network.experiment.rounds),
          [trainingLossText(loss), qualityText(quality)].filter(Boolean).join(", "),
        );
      },
      onEvent: (peer, event) =>
        waits.apart((other) => {
          if (other.kind === "lingering") lingering(other);
          // Peers that start together miss each other for a moment, and part at the end.
          if (other.kind === "refused" || other.kind === "unreachable") {
            note(`peer ${peer}: ${eventText(other)}`);
          }
        })(event),
      onMetrics: (peer, url) => note(`peer ${peer}: metrics: ${url}`),
    });
  } finally {
    bar.stop();
    for (const warning of reported(warnings)) warn(warning);
  }
}

function printOutcome(
  { summary, goodput, peers, models, verdict }: NetworkOutcome,
  directory: string | undefined,
): void {
  if (summary) print(`\n${summaryTable([summary])}`);
  if (summary?.stopping) print(`\n${stoppingText(summary.rounds, summary.stopping)}`);
  print(`\n${peersTable(peers)}`);
  if (goodput !== undefined) print(`\ngoodput ${percentText(goodput)} % of wall time in useful steps`);
  if (models) print(`\n${modelsText(models)}`);
  if (directory) print(`\nlogs: murmur inspect ${directory}`);
  if (verdict) print(`\n${verdictText(verdict)}`);
}

/** Somewhere for the logs that the live page reads; it stays, as logs do. */
async function temporaryFolder(): Promise<string> {
  const folder = await makeTemporaryFolder("murmur-run-");
  note(`logs: ${folder}`);
  return folder;
}

/** @throws FileProblem when the folder holds an earlier run, which the page would show as this one */
async function serveLive(directory: string, port: number | true): Promise<LiveServer> {
  const [{ createLiveServer }, { requireEmpty }] = await Promise.all([
    import("../inspect/live.js"),
    import("../runs/node/record-simulation.js"),
  ]);
  await requireEmpty(directory);
  const server = await createLiveServer(directory, { port: port === true ? 0 : port });
  note(`live: ${server.url}`);
  return server;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** Keys of the peers to start; undefined when the topology has none and each run makes its own. */
async function identitiesOf(
  topology: Topology,
  topologyFile: string,
  options: { readonly keys?: string; readonly peers?: readonly number[] },
): Promise<Map<number, Identity> | undefined> {
  const { peers } = topology;
  if (options.peers === undefined && peers.every(({ peerId }) => peerId === undefined)) {
    note(
      `${topology.name} names no identities: all peers run here, on loopback, with keys for this run only`,
    );
    return undefined;
  }
  const chosen = options.peers ?? peers.filter(isLocal).map(({ id }) => id);
  if (chosen.length === 0) {
    throw new InvalidTopology(
      `no peer of ${topologyFile} has this machine as its host or address: choose peers with --peers`,
      { code: "no-local-peer", field: topologyFile },
    );
  }
  const { keysFolder, readIdentity } = await import("./key-files.js");
  const identities = new Map<number, Identity>();
  for (const id of chosen) {
    requirePeer(topology, id, topologyFile);
    identities.set(id, await readIdentity(options.keys ?? keysFolder(topologyFile), id, warn));
  }
  return identities;
}

function peersTable(peers: readonly PeerSummary[]): string {
  const qualities = peers.map(qualityOf);
  const metric = qualities.find((quality) => quality)?.metric ?? ACCURACY;
  return table(
    [...["peer", "held-out loss", valueTitle(metric)], ...["sent", "goodput %", "SHA-256 of the model"]],
    peers.map(({ peer, loss, bytesSent, goodput, modelDigest }, k) => [
      peer,
      loss === undefined ? "–" : numberText(loss),
      valueText(metric, qualities[k]?.value),
      bytesText(bytesSent),
      percentText(goodput),
      modelDigest,
    ]),
  );
}
