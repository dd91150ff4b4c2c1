/** What the commands that use a trained model share. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { backendNames } from "../backend.js";
import { type DataPart, dataParts } from "../datasets/index.js";
import { FileProblem } from "../foundation/errors.js";
import { unwritten } from "../foundation/system-errors.js";
import { openData, openModel, type UsedData, type UsedModel } from "../runs/model-use.js";
import { chooseModel, type ModelChoice } from "../runs/node/model-choice.js";
import { writeText } from "../sinks/whole-file.js";
import { warn } from "./console.js";
import { peerNumber } from "./option-types.js";

export interface ModelUseOptions extends ModelOfOptions {
  readonly part?: DataPart;
  readonly backend?: string;
  readonly csv?: string;
  readonly json?: true;
}

/** Which model of a run's folder. */
export interface ModelOfOptions {
  readonly id?: number;
  readonly mean?: true;
}

/** The argument of a command that takes one model, and the options that choose it. */
export function addModelChoice(command: Command): Command {
  return command
    .argument(
      "<model>",
      "model (.safetensors), checkpoint, or the folder that a run was given with --save or --checkpoints",
    )
    .option(
      "--id <peer>",
      "whose model, of a folder with several peers; of checkpoints, the newest",
      peerNumber,
    )
    .addOption(new Option("--mean", "the mean of the models of all peers in the folder").conflicts("id"));
}

/** The model that `addModelChoice` lets users choose. */
export const modelChoice = (source: string, { id, mean }: ModelOfOptions): ModelChoice => ({
  source,
  of: mean ? "mean" : id,
  warn,
});

/** The arguments and options of `murmur evaluate` and `murmur predict`. */
export function addModelUse(command: Command): Command {
  return addModelChoice(command)
    .argument(
      "[data]",
      "a path, read with the settings of the run's data; or settings of other data as JSON, or their kind; default: the run's data",
    )
    .addOption(
      new Option(
        "--part <part>",
        "examples to use; default: the held-out ones (test) of the run's data, and all of other data",
      ).choices(dataParts),
    )
    .option("--backend <name>", `tfjs backend: ${backendNames.join(" | ")}; default: that of the run`)
    .option("--csv <file>", "write the result there as a table")
    .option("--json", "print as JSON");
}

export async function openUse(
  path: string,
  data: string | undefined,
  options: ModelUseOptions,
): Promise<UsedModel & { readonly data: UsedData }> {
  const { part, backend, csv } = options;
  if (csv !== undefined && [path, data].some((read) => read && resolve(read) === resolve(csv))) {
    throw new FileProblem(`--csv ${csv} is a file that is read: choose another name`, {
      code: "table-over-input",
      field: csv,
    });
  }
  const used = await openModel(await chooseModel(modelChoice(path, options)), backend);
  return { ...used, data: await openData(used, data, part) };
}

/** “360 held-out examples of digits”, “all 60 examples of flowers.csv” */
export function dataText({ source, part, features }: UsedData, inputSize: number): string {
  const which = { test: "held-out ", train: "training ", all: "" }[part];
  const count = features.length / inputSize;
  const all = part === "all" && count > 1 ? "all " : "";
  return `${all}${count} ${which}${count === 1 ? "example" : "examples"} of ${source}`;
}

/** Writes rows of fields; those with commas, quotes or line ends are quoted. */
export async function writeTable(
  file: string,
  rows: readonly (readonly (string | number)[])[],
): Promise<void> {
  const field = (value: string | number) => {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  try {
    await writeText(file, rows.map((row) => `${row.map(field).join(",")}\n`).join(""));
  } catch (cause) {
    throw new FileProblem(`cannot write ${file}: ${unwritten(cause)}`, {
      code: "table-not-written",
      field: file,
      cause,
    });
  }
}
