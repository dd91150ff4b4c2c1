import { Command, Option } from "commander";
import { type Quality, qualityOf } from "../evaluation.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { requirePeer } from "../graphs/topology.js";
import type { PeerWarning } from "../inspect/history.js";
import { reported } from "../inspect/warnings.js";
import { experimentJsonSchema } from "../runs/experiment.js";
import { isLocal } from "../runs/node/addresses.js";
import type { PeerSummary } from "../runs/node/record-peer.js";
import { watchTopology } from "../runs/node/watch-topology.js";
import { addCheckpointOptions, checkpointSettings } from "./checkpoint-options.js";
import {
  bytesText,
  note,
  noteReadiness,
  numberText,
  percentText,
  print,
  progress,
  qualityText,
  warn,
} from "./console.js";
import { createWaitDisplay, newsOnly } from "./events.js";
import { readExperiment, readTopology } from "./files.js";
import { untilInterrupted } from "./interrupt.js";
import {
  allowDifferentDataOption,
  deadlineOption,
  metricsOption,
  peerNumber,
  saveOption,
  threadsOption,
} from "./option-types.js";
import { addSettingsOptions } from "./settings-options.js";
import { modelsText, stoppingText } from "./summary.js";
import { noteExit, verdictText } from "./verdict.js";

export function peerCommand(): Command {
  const command = new Command("peer");
  command
    .description("run one peer in the foreground")
    .argument("<topology>", "topology file (JSON), with the peers' identities and addresses")
    .argument("[experiment]", "experiment file (JSON); every field can also be given as an option")
    .addOption(
      new Option("--id <peer>", "number of this peer in the topology")
        .argParser(peerNumber)
        .makeOptionMandatory(),
    )
    .option("--keys <folder>", "folder of the keys; default: beside the topology, as in ring-8.keys")
    .option("--out <folder>", "write the log there, for murmur inspect")
    .addOption(metricsOption("serve Prometheus metrics to this machine while it runs; 0 takes a free port"))
    .option(
      "--metrics-host <address>",
      "address to serve metrics on; 0.0.0.0 serves every machine",
      "127.0.0.1",
    )
    .option(
      "--join",
      "join a run in progress, as a new peer or without its former state; takes a neighbour's model",
    )
    .addOption(allowDifferentDataOption())
    .addOption(threadsOption())
    .addOption(deadlineOption())
    .addOption(saveOption())
    .option("--json", "print the outcome as JSON")
    .action(async (topologyFile: string, experimentFile: string | undefined, options) => {
      const { id }: { id: number } = options;
      const topology = await readTopology(topologyFile);
      const experiment = await readExperiment(experimentFile, given());
      requirePeer(topology, id, topologyFile);
      // Loaded here, so that other commands do not wait for libp2p.
      const [{ keysFolder, readIdentity }, { recordPeer }] = await Promise.all([
        import("./key-files.js"),
        import("../runs/node/record-peer.js"),
      ]);
      const identity = await readIdentity(options.keys ?? keysFolder(topologyFile), id, warn);
      const neighbours = topology.mixing.neighbours[id]!.map(({ peer }) => peer);
      note(`peer ${id} of ${topology.name}, neighbours ${neighbours.join(", ")}: joining`);

      requireOneStart(command, options);
      const interrupted = untilInterrupted();
      let bar: ReturnType<typeof progress> | undefined;
      let quality: Quality | undefined;
      const warnings: PeerWarning[] = [];
      const waits = createWaitDisplay(note, (remark) => bar?.remark(remark));
      let summary: PeerSummary;
      try {
        summary = await recordPeer({
          topology,
          experiment,
          id,
          identity,
          ...(options.allowDifferentData && { allowDifferentData: true }),
          ...(options.join && { join: true }),
          watchMembers: (changed) => watchTopology({ path: topologyFile, topology, changed, warn }),
          directory: options.out,
          save: options.save,
          checkpoints: checkpointSettings(command, options),
          warn,
          deadlineMs: options.deadline,
          metricsPort: options.metrics,
          metricsHost: options.metricsHost,
          threads: options.threads,
          // This one, and the others that may run here.
          processes: topology.peers.filter((peer) => peer.id === id || isLocal(peer)).length,
          signal: interrupted.signal,
          onEvent: waits.apart(newsOnly(note)),
          onMetrics: (url) => note(`metrics: ${url}`),
          onJoined(run) {
            for (const warning of run.warnings) warn(warning);
            if (options.join) note(`peer ${id}: begins with round ${run.firstRound + 1}`);
            if (run.resumedFrom !== undefined) note(`peer ${id}: goes on after round ${run.resumedFrom}`);
            noteReadiness(run);
            bar = progress(`peer ${id}`, run.rounds);
          },
          onRound({ round, loss, evaluation, warnings: texts = [] }) {
            waits.over();
            for (const text of texts) warnings.push({ peer: id, round, text });
            quality = (evaluation && qualityOf(evaluation)) ?? quality;
            bar?.update(round + 1, [trainingLossText(loss), qualityText(quality)].filter(Boolean).join(", "));
          },
        });
      } finally {
        bar?.stop();
        for (const warning of reported(warnings)) warn(warning);
        interrupted.release();
      }
      noteExit(summary.verdict);
      print(options.json ? JSON.stringify(summary) : outcomeText(summary));
      if (summary.stopping && !options.json) print(stoppingText(experiment.rounds, summary.stopping));
      if (summary.verdict && !options.json) print(verdictText(summary.verdict));
    });
  addCheckpointOptions(command);
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

/** @throws InvalidExperiment both ways to come into a run */
function requireOneStart(command: Command, { join, resume }: { join?: boolean; resume?: boolean }): void {
  if (!join || !resume) return;
  throw new InvalidExperiment(
    `${command.name()} takes --resume with checkpoints or --join without: give one of them`,
    { code: "join-and-resume", field: "join" },
  );
}

/** Of the examples that a round learned from; the one of an evaluation is the held-out loss. */
export function trainingLossText(loss: number | undefined): string {
  return loss === undefined ? "" : `training loss ${numberText(loss)}`;
}

function outcomeText(summary: PeerSummary): string {
  const { peer, loss, bytesSent, goodput, modelDigest, model } = summary;
  const file = model === undefined ? "" : `\n${modelsText([model])}`;
  const left = summary.hasLeft ? `left after round ${summary.rounds}, ` : "";
  const quality =
    qualityText(qualityOf(summary)) || (loss === undefined ? "" : `held-out loss ${numberText(loss)}`);
  const useful = goodput === undefined ? "" : `goodput ${percentText(goodput)} %, `;
  return `peer ${peer}: ${left}${quality ? `${quality}, ` : ""}${bytesText(bytesSent)} sent, ${useful}model ${modelDigest}${file}`;
}
