import { Command } from "commander";
import { rangesText } from "../foundation/ranges-text.js";
import { exportModel } from "../runs/node/export.js";
import { print } from "./console.js";
import { addModelChoice, type ModelOfOptions, modelChoice } from "./model-use.js";

export function exportCommand(): Command {
  const command = new Command("export").description(
    "write the model of a checkpoint, or a saved model, in another format",
  );
  return addModelChoice(command)
    .requiredOption(
      "--to <file>",
      "model.safetensors; or model.json for TensorFlow.js, whose weights.bin is written beside it",
    )
    .option("--json", "print as JSON")
    .action(async (source: string, { to, json, ...of }: Options) => {
      const exported = await exportModel({ ...modelChoice(source, of), to });
      if (json) return print(JSON.stringify(exported));
      const { files, peers, round } = exported;
      const whose =
        peers.length > 1 ? `mean of peers ${rangesText(peers)}` : `model of peer ${peers[0] ?? "–"}`;
      print(`${whose} after round ${round ?? "–"}: ${files.toReversed().join(", ")}`);
    });
}

interface Options extends ModelOfOptions {
  readonly to: string;
  readonly json?: true;
}
