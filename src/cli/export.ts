import { Command } from "commander";
import { exportModel } from "../runs/node/export.js";
import { print, warn } from "./console.js";
import { peerNumber } from "./option-types.js";

export function exportCommand(): Command {
  return new Command("export")
    .description("write the model of a checkpoint, or a saved model, in another format")
    .argument("<source>", "checkpoint, folder of checkpoints (the newest is taken), or model (.safetensors)")
    .requiredOption(
      "--to <file>",
      "model.safetensors; or model.json for TensorFlow.js, whose weights.bin is written beside it",
    )
    .option("--id <peer>", "whose model, of a folder with several peers", peerNumber)
    .option("--json", "print as JSON")
    .action(async (source: string, { to, id, json }: { to: string; id?: number; json?: true }) => {
      const exported = await exportModel({ source, to, peer: id, warn });
      if (json) return print(JSON.stringify(exported));
      const { files, peer, round } = exported;
      print(`model of peer ${peer} after round ${round}: ${files.toReversed().join(", ")}`);
    });
}
