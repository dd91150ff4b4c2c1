/** From what a run has saved to a file of its model. */
import { stat } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { FileProblem, InvalidExperiment } from "../../foundation/errors.js";
import { encodeModel, type ModelFile, peersOf } from "../../saved-model.js";
import { makeFolder } from "../../sinks/folders.js";
import { TFJS_WEIGHTS_NAME, toTfjs } from "../../trainers/tfjs-format.js";
import { openModel } from "../model-use.js";
import { chooseModel, type ModelChoice } from "./model-choice.js";
import { writeParts } from "./models.js";

/** Settings of `exportModel`. */
export interface ExportOptions extends ModelChoice {
  /** `.safetensors`; or `.json` for the TensorFlow.js layers format, whose weights lie beside it. */
  readonly to: string;
}

/** What an export has written. */
export interface Exported {
  readonly files: readonly string[];
  /** Whose model it is; several where it is their mean, none where its file does not say. */
  readonly peers: readonly number[];
  /** Rounds that were over, where its file says so. */
  readonly round?: number;
}

/**
 * Writes a file of a model. Nothing is written over.
 * @throws FileProblem, InvalidCheckpoint or InvalidModel a source that cannot be read or used, or a target that is there
 * @throws InvalidExperiment a target of another format
 */
export async function exportModel(options: ExportOptions): Promise<Exported> {
  const { to } = options;
  const format = extname(to);
  if (format !== ".safetensors" && format !== ".json") {
    throw new InvalidExperiment(
      `${to} names no format: end it in .safetensors, or in .json for TensorFlow.js`,
      { code: "export-format", field: "to" },
    );
  }
  const file = await chooseModel(options);
  const files = format === ".json" ? await tfjsFiles(file, to) : [{ path: to, parts: encodeModel(file) }];
  await makeFolder(dirname(to));
  for (const { path } of files) await requireNone(path);
  // model.json is the last: where it is, its weights are.
  for (const { path, parts } of files) await writeParts(path, parts);
  const round = Number(file.metadata.round);
  return {
    files: files.map(({ path }) => path),
    peers: peersOf(file),
    ...(Number.isInteger(round) && { round }),
  };
}

async function tfjsFiles(file: ModelFile, to: string): Promise<{ path: string; parts: Uint8Array[] }[]> {
  const { predictor } = await openModel(file);
  try {
    const { json, weights } = await toTfjs(predictor.layers, file.metadata);
    return [
      { path: join(dirname(to), TFJS_WEIGHTS_NAME), parts: [weights] },
      { path: to, parts: [new TextEncoder().encode(json)] },
    ];
  } finally {
    predictor.dispose();
  }
}

async function requireNone(path: string): Promise<void> {
  try {
    await stat(path);
  } catch {
    return;
  }
  throw new FileProblem(`${path} already exists: choose another place with --to`, {
    code: "export-exists",
    field: path,
  });
}
