import { Command } from "commander";
import { type Dataset, sizeOf, targetNames } from "../dataset.js";
import { ownFilesFingerprint } from "../datasets/content.js";
import { loadDataset } from "../datasets/index.js";
import { classTable } from "../datasets/partition.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { Topology } from "../graphs/topology.js";
import { type Experiment, experimentJsonSchema } from "../runs/experiment.js";
import { requireOneKind, taskOf } from "../runs/own-data.js";
import { splitOf } from "../trainers/peer-data.js";
import { note, print, table } from "./console.js";
import { createFile, readExperiment, readTopology } from "./files.js";
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
      const topology = await readTopology(topologyFile);
      const experiment = await readExperiment(experimentFile, given());
      const { about, held, parts } = await partsOf(experiment, topology);
      if (options.out !== undefined) {
        if (!parts) throw noPartsToWrite();
        const { data, split, seed } = experiment;
        await createFile(options.out, `${JSON.stringify({ data, split, seed, peers: parts })}\n`);
        note(`examples of every peer: ${options.out}`);
      }
      if (options.json) {
        const { name, targets } = about;
        const counts = held.flatMap((each) => (each.counts ? [each.counts] : []));
        return print(JSON.stringify({ name, targets, peers: counts }));
      }
      print(splitTable(about, held));
    });
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

/** What a peer learns from. */
export interface Held {
  readonly examples: number;
  /** By class, where examples have one class each and the classes are few. */
  readonly counts: readonly number[] | undefined;
}

/**
 * Which peer holds how much of what; `parts` are their examples in a common data set.
 * @param ids peers whose own files are read, where they have such
 */
export async function partsOf(
  experiment: Experiment,
  topology: Topology,
  ids: readonly number[] = topology.peers.map(({ id }) => id),
): Promise<{ about: Dataset; held: Held[]; parts?: readonly (readonly number[])[] }> {
  const { data, split, seed } = experiment;
  if (split.kind === "own") {
    const files = await Promise.all(
      ids.map((id) => loadDataset(taskOf(experiment, topology, id, false).data)),
    );
    await requireOneKind(files.map((file) => ownFilesFingerprint(file, split.test)));
    return { about: files[0]!, held: files.map((file) => heldOf(file, allOf(file))) };
  }
  const dataset = await loadDataset(data);
  const parts = await splitOf(dataset, split, topology.graph.peers, seed);
  return { about: dataset, held: parts.map((indices) => heldOf(dataset, indices)), parts };
}

/** A row per peer and a column per class. */
export function splitTable({ targets }: Dataset, held: readonly Held[]): string {
  const rows = held.map(({ counts, examples }, peer) => [
    peer,
    ...(counts?.map((count) => (count === 0 ? "·" : count)) ?? []),
    examples,
  ]);
  const isCounted = held.every(({ counts }) => counts);
  const names = isCounted ? targetNames(targets).map((name) => `“${name}”`) : [];
  return table(["peer", ...names, "examples"], rows);
}

function heldOf({ targets, inputShape, train }: Dataset, indices: readonly number[]): Held {
  const isSingle =
    targets.kind === "classes" && train.labels.length === train.features.length / sizeOf(inputShape);
  const counts =
    isSingle && targets.count <= MAX_COLUMNS
      ? classTable(train.labels, [indices], targets.count)[0]
      : undefined;
  return { examples: indices.length, counts };
}

const allOf = ({ inputShape, train }: Dataset): number[] =>
  Array.from({ length: train.features.length / sizeOf(inputShape) }, (_, example) => example);

const noPartsToWrite = () =>
  new InvalidExperiment("split own divides no common data set: leave --out out", {
    code: "split-own-has-no-parts",
    field: "split.kind",
  });
