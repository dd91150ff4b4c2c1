import { Command, Option } from "commander";
import { backendNames } from "../backend.js";
import { qualityOf } from "../evaluation.js";
import type { PeerWarning } from "../inspect/history.js";
import { reported } from "../inspect/warnings.js";
import { experimentJsonSchema } from "../runs/experiment.js";
import { type RunSummary, recordSimulation } from "../runs/node/record-simulation.js";
import { noteBackend, withBackend } from "./backends.js";
import { addCheckpointOptions, checkpointSettings } from "./checkpoint-options.js";
import { noteReadiness, numberText, print, progress, qualityText, warn } from "./console.js";
import { readExperiment, readNetwork, readTopology } from "./files.js";
import { RUNNING } from "./help.js";
import { untilInterrupted } from "./interrupt.js";
import { saveOption, TOPOLOGY_FILE, threadsOption, workersOption } from "./option-types.js";
import { addSettingsOptions } from "./settings-options.js";
import { modelledText, modelsText, stoppingText, summaryTable } from "./summary.js";
import { topologyLine } from "./topology.js";
import { noteExit, verdictText } from "./verdict.js";

export function simulateCommand(): Command {
  const command = new Command("simulate");
  command
    .description("train a whole graph in this process")
    .argument("<topology>", TOPOLOGY_FILE)
    .argument("[experiment]", "experiment file (JSON); every field can also be given as an option")
    .addOption(
      new Option(
        "--backend <name>",
        `tfjs backend: ${backendNames.join(" | ")}; short for --trainer.backend`,
      ).helpGroup(RUNNING),
    )
    .addOption(
      new Option(
        "--fast-math",
        "faster convolutions and products with other last bits; short for --trainer.fast-math",
      ).helpGroup(RUNNING),
    )
    .addOption(threadsOption())
    .addOption(workersOption())
    .option(
      "--network <file>",
      "simulate this network (JSON; `murmur schema network`): modelled time, with slow and failing links and peers",
    )
    .option("--out <folder>", "write the logs there, for murmur inspect")
    .addOption(saveOption())
    .option("--json", "print the summary as JSON")
    .action(async (topologyFile: string, experimentFile: string | undefined, options) => {
      const topology = await readTopology(topologyFile);
      const experiment = await readExperiment(experimentFile, withBackend(given(), options));
      const network =
        options.network === undefined ? undefined : await readNetwork(options.network, topology);
      if (!options.json) print(topologyLine(topology));
      const interrupted = untilInterrupted();
      const bar = progress(experiment.algorithm, experiment.rounds);
      const warnings: PeerWarning[] = [];
      let summary: RunSummary;
      try {
        summary = await recordSimulation({
          topology,
          experiment,
          directory: options.out,
          save: options.save,
          network,
          checkpoints: checkpointSettings(command, options),
          signal: interrupted.signal,
          warn,
          threads: options.threads,
          workers: options.workers,
          onReady(ready) {
            noteBackend(ready.backend);
            noteReadiness(ready);
          },
          onRound(round) {
            const quality = qualityText(round.meanEvaluation && qualityOf(round.meanEvaluation));
            const remark = quality && `mean model: ${quality}, `;
            for (const { peer, warnings: texts = [] } of round.reports) {
              for (const text of texts) warnings.push({ peer, round: round.round, text });
            }
            bar.update(
              Math.min(round.round + 1, experiment.rounds),
              `${remark}consensus distance ${numberText(round.consensusDistance)}`,
            );
          },
        });
      } finally {
        bar.stop();
        for (const warning of reported(warnings)) warn(warning);
        interrupted.release();
      }
      noteExit(summary.verdict);
      if (options.json) print(JSON.stringify(summary));
      else printOutcome(summary, options.out);
    });
  addCheckpointOptions(command);
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

function printOutcome(summary: RunSummary, directory: string | undefined): void {
  const { rounds, stopping, modelled, models, verdict } = summary;
  print(summaryTable([summary]));
  if (stopping) print(`\n${stoppingText(rounds, stopping)}`);
  if (modelled) print(`\n${modelledText(modelled)}`);
  if (models) print(`\n${modelsText(models)}`);
  if (directory) print(`\nlogs: murmur inspect ${directory}`);
  if (verdict) print(`\n${verdictText(verdict)}`);
}
