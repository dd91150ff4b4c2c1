/** From what a run has saved to a file of its model. */
import { readdir, stat } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import type { Checkpoint } from "../../checkpoint.js";
import { FileProblem, InvalidCheckpoint, InvalidExperiment } from "../../foundation/errors.js";
import { modelIn } from "../../peer-memory.js";
import { encodeModel, fileOf, type ModelFile } from "../../saved-model.js";
import { makeFolder } from "../../sinks/folders.js";
import { TFJS_WEIGHTS_NAME, toTfjs } from "../../trainers/tfjs-format.js";
import { openModel } from "../model-use.js";
import { readCheckpoint } from "./checkpoints/file.js";
import { newestCheckpoint, peerFolder } from "./checkpoints/folder.js";
import { readModel, writeParts } from "./models.js";

export interface ExportOptions {
  /** A checkpoint, a peer's folder of them, a run's folder of peers, or a saved model. */
  readonly source: string;
  /** `.safetensors`; or `.json` for the TensorFlow.js layers format, whose weights lie beside it. */
  readonly to: string;
  /** Whose model, where the source is a run's folder. */
  readonly peer?: number | undefined;
  readonly warn: (text: string) => void;
}

/** What an export has written. */
export interface Exported {
  readonly files: readonly string[];
  readonly peer: number;
  readonly round: number;
}

/**
 * Writes a file of a model. Nothing is written over.
 * @throws FileProblem, InvalidCheckpoint or InvalidModel a source that cannot be read or used, or a target that is there
 * @throws InvalidExperiment a target of another format
 */
export async function exportModel({ source, to, peer, warn }: ExportOptions): Promise<Exported> {
  const format = extname(to);
  if (format !== ".safetensors" && format !== ".json") {
    throw new InvalidExperiment(
      `${to} names no format: end it in .safetensors, or in .json for TensorFlow.js`,
      { code: "export-format", field: "to" },
    );
  }
  const file = await modelOf(source, peer, warn);
  const files = format === ".json" ? await tfjsFiles(file, to) : [{ path: to, parts: encodeModel(file) }];
  await makeFolder(dirname(to));
  for (const { path } of files) await requireNone(path);
  // model.json is the last: where it is, its weights are.
  for (const { path, parts } of files) await writeParts(path, parts);
  const { peer: from, round } = file.metadata;
  return { files: files.map(({ path }) => path), peer: Number(from), round: Number(round) };
}

async function modelOf(
  source: string,
  peer: number | undefined,
  warn: (text: string) => void,
): Promise<ModelFile> {
  if (extname(source) === ".safetensors") return readModel(source);
  return fileOf(modelIn(await checkpointOf(source, peer, warn)), source);
}

async function checkpointOf(
  source: string,
  peer: number | undefined,
  warn: (text: string) => void,
): Promise<Checkpoint> {
  const names = await namesIn(source);
  if (!names) return readCheckpoint(source);
  const peers = peersAmong(names);
  if (peer === undefined && peers.length > 0) {
    throw new InvalidExperiment(
      `${source} has checkpoints of peers ${peers.join(", ")}, whose models differ until the run has closed: choose one with --id`,
      { code: "export-of-several-peers", field: "id" },
    );
  }
  const folder = peer === undefined ? source : peerFolder(source, peer);
  const checkpoint =
    peer !== undefined && !peers.includes(peer) ? undefined : await newestCheckpoint(folder, { warn });
  if (checkpoint) return checkpoint;
  throw new InvalidCheckpoint(
    `${folder} has no checkpoints: name the folder that the run was given with --checkpoints, or a checkpoint in it`,
    { code: "no-checkpoints", peer, field: folder },
  );
}

/** Names in a folder; undefined where the path is a file. @throws FileProblem nothing is there */
async function namesIn(path: string): Promise<string[] | undefined> {
  try {
    return (await stat(path)).isDirectory() ? await readdir(path) : undefined;
  } catch (cause) {
    throw new FileProblem(
      `cannot read ${path}: there is no such file or folder; name a checkpoint or its folder`,
      {
        code: "checkpoint-missing",
        field: path,
        cause,
      },
    );
  }
}

const peersAmong = (names: readonly string[]): number[] =>
  names
    .flatMap((name) => /^peer-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);

async function tfjsFiles(file: ModelFile, to: string): Promise<{ path: string; parts: Uint8Array[] }[]> {
  const { classifier } = await openModel(file);
  try {
    const { json, weights } = await toTfjs(classifier.layers, file.metadata);
    return [
      { path: join(dirname(to), TFJS_WEIGHTS_NAME), parts: [weights] },
      { path: to, parts: [new TextEncoder().encode(json)] },
    ];
  } finally {
    classifier.dispose();
  }
}

async function requireNone(path: string): Promise<void> {
  try {
    await stat(path);
  } catch {
    return;
  }
  throw new FileProblem(`${path} is there already: name another file with --to`, {
    code: "export-exists",
    field: path,
  });
}
