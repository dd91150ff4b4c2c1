import { Command } from "commander";
import { ACCURACY, qualityOf } from "../evaluation.js";
import { systemClock } from "../foundation/clock.js";
import { experimentJsonSchema } from "../runs/experiment.js";
import { rateText } from "../runs/planned-rate.js";
import { type Tuning, tune } from "../runs/tune.js";
import type { ScheduleSettings } from "../settings/schedule.js";
import { noteBackend } from "./backends.js";
import { numberText, percentText, print, progress, table, valueText, valueTitle, warn } from "./console.js";
import { readExperiment, readTopology } from "./files.js";
import { TOPOLOGY_FILE } from "./option-types.js";
import { addSettingsOptions } from "./settings-options.js";
import { topologyLine } from "./topology.js";

export function tuneCommand(): Command {
  const command = new Command("tune");
  command
    .description(
      "find the consensus rate for a topology and an experiment: trials, then some rounds of training",
    )
    .argument("<topology>", TOPOLOGY_FILE)
    .argument("[experiment]", "experiment file (JSON); every field can also be given as an option")
    .option("--json", "print as JSON")
    .action(async (topologyFile: string, experimentFile: string | undefined, options) => {
      const topology = await readTopology(topologyFile);
      const experiment = await readExperiment(experimentFile, given());
      let bar: ReturnType<typeof progress> | undefined;
      let total = 0;
      let tuning: Tuning;
      try {
        tuning = await tune(topology, experiment, {
          clock: systemClock,
          onStep(done, of, what) {
            if (of !== total) {
              bar?.stop();
              bar = progress(experiment.algorithm, of, "step");
              total = of;
            }
            bar?.update(done, what);
          },
        });
      } finally {
        bar?.stop();
      }
      noteBackend();
      if (options.json) return print(JSON.stringify(tuning));
      print(`${topologyLine(topology)}\n`);
      print(tuningText(tuning));
      for (const warning of tuning.warnings) warn(warning);
    });
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

/** The tables, and one line on what to take. */
function tuningText(tuning: Tuning): string {
  const { rates, trained } = tuning;
  const rows = rates.map(({ consensusRate, isStable, floor, roundsToMix, drift }) => [
    consensusRate,
    isStable ? "yes" : "no",
    isStable ? percentText(floor) : "–",
    numberText(roundsToMix),
    numberText(drift),
  ]);
  const qualities = trained.map(qualityOf);
  const metric = qualities.find((quality) => quality)?.metric ?? ACCURACY;
  const runs = trained.map(({ consensusRate, rounds, loss }, k) => [
    rateText(consensusRate),
    rounds,
    Number.isFinite(loss) ? numberText(loss) : "diverged",
    valueText(metric, qualities[k]?.value),
  ]);
  return [
    table(["η", "stable", "floor, % of ‖x‖", "rounds to mix", "updates between models"], rows),
    "",
    table(["η in training", "rounds", "held-out loss of the mean model", valueTitle(metric)], runs),
    "",
    verdict(tuning),
  ].join("\n");
}

function verdict({ consensusRate, auto, stableUpTo, fallsBehind }: Tuning): string {
  const range = stableUpTo === undefined ? "no rate is stable" : `stable up to η = ${stableUpTo}`;
  const isAuto = JSON.stringify(consensusRate) === JSON.stringify(auto);
  const take = isAuto ? `"auto", which is ${rateText(consensusRate)}` : settingText(consensusRate);
  const remark = fallsBehind ? "; expect less accuracy than with exact gossip where peers' data differ" : "";
  return `${range}; take consensusRate ${take}${remark}`;
}

/** As an experiment file has it. */
function settingText(rate: ScheduleSettings): string {
  if (typeof rate === "number") return `${rate}`;
  const { initial, final, decay } = rate;
  return JSON.stringify({ initial, final, decay });
}
