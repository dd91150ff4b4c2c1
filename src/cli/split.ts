import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import type { Dataset } from "../dataset.js";
import { loadDataset } from "../datasets/index.js";
import { classTable } from "../datasets/partition.js";
import { FileProblem } from "../foundation/errors.js";
import { experimentJsonSchema } from "../runs/experiment.js";
import { splitOf } from "../trainers/layers.js";
import { note, print, table } from "./console.js";
import { readExperiment, readTopology } from "./files.js";
import { TOPOLOGY_FILE } from "./option-types.js";
import { addSettingsOptions } from "./settings-options.js";

/** More classes than this are not worth a column each. */
const MAX_COLUMNS = 32;

export function splitCommand(): Command {
  const command = new Command("split");
  command
    .description("show which peer trains on which data: a table of class by peer")
    .argument("<topology>", TOPOLOGY_FILE)
    .argument("[experiment]", "experiment file (JSON); every field can also be given as an option")
    .option("--out <file>", "write the numbers of every peer's training examples there, as JSON")
    .option("--json", "print the table as JSON")
    .action(async (topologyFile: string, experimentFile: string | undefined, options) => {
      const { peers } = (await readTopology(topologyFile)).graph;
      const { data, split, seed } = await readExperiment(experimentFile, given());
      const dataset = await loadDataset(data);
      const parts = await splitOf(dataset, split, peers, seed);
      if (options.out !== undefined) {
        await writeNew(options.out, JSON.stringify({ data, split, seed, peers: parts }));
        note(`examples of every peer: ${options.out}`);
      }
      if (options.json) {
        const { name, classes, classNames } = dataset;
        return print(JSON.stringify({ name, classes, classNames, peers: countsOf(dataset, parts) }));
      }
      print(splitTable(dataset, parts));
    });
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

/** A row per peer and a column per class, where examples have one class each and the classes are few. */
export function splitTable(dataset: Dataset, parts: readonly (readonly number[])[]): string {
  const { classes, classNames } = dataset;
  const counts = countsOf(dataset, parts);
  const rows = parts.map((indices, peer) => [
    peer,
    ...(counts[peer]?.map((count) => (count === 0 ? "·" : count)) ?? []),
    indices.length,
  ]);
  const names =
    counts.length === 0 ? [] : Array.from({ length: classes }, (_, k) => `“${classNames?.[k] ?? k}”`);
  return table(["peer", ...names, "examples"], rows);
}

function countsOf({ classes, train }: Dataset, parts: readonly (readonly number[])[]): number[][] {
  const examples = parts.reduce((sum, indices) => sum + indices.length, 0);
  return classes <= MAX_COLUMNS && train.labels.length === examples
    ? classTable(train.labels, parts, classes)
    : [];
}

/** Writes a file that must not be there yet. */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, `${text}\n`, { flag: "wx" });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === "EEXIST" ? "it already exists; choose another" : message;
    throw new FileProblem(`cannot write ${file}: ${reason}`, {
      code: "split-not-written",
      field: file,
      cause,
    });
  }
}
