import { Command, Option } from "commander";
import { exportModel } from "../runs/node/export.js";
import { print, warn } from "./console.js";
import { peerNumber } from "./option-types.js";

export function exportCommand(): Command {
  return new Command("export")
    .description("write the model of a checkpoint, or a saved model, in another format")
    .argument(
      "<source>",
      "model (.safetensors), checkpoint, or the folder that a run was given with --save or --checkpoints",
    )
    .requiredOption(
      "--to <file>",
      "model.safetensors; or model.json for TensorFlow.js, whose weights.bin is written beside it",
    )
    .option(
      "--id <peer>",
      "whose model, of a folder with several peers; of checkpoints, the newest",
      peerNumber,
    )
    .addOption(new Option("--mean", "the mean of the models of all peers in the folder").conflicts("id"))
    .option("--json", "print as JSON")
    .action(async (source: string, { to, id, mean, json }: Options) => {
      const exported = await exportModel({ source, to, of: mean ? "mean" : id, warn });
      if (json) return print(JSON.stringify(exported));
      const { files, peers, round } = exported;
      const whose =
        peers.length > 1 ? `mean of peers ${peers.join(", ")}` : `model of peer ${peers[0] ?? "–"}`;
      print(`${whose} after round ${round ?? "–"}: ${files.toReversed().join(", ")}`);
    });
}

interface Options {
  readonly to: string;
  readonly id?: number;
  readonly mean?: true;
  readonly json?: true;
}
