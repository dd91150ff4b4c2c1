/** One model of what a run has saved: its models, or its checkpoints. */
import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Checkpoint } from "../../checkpoint.js";
import { FileProblem, InvalidCheckpoint, InvalidExperiment } from "../../foundation/errors.js";
import { rangesText } from "../../foundation/ranges-text.js";
import { modelIn } from "../../peer-memory.js";
import { fileOf, type ModelFile, meanOf } from "../../saved-model.js";
import { readCheckpoint } from "./checkpoints/file.js";
import { CHECKPOINT_SUFFIX, newestCheckpoint } from "./checkpoints/folder.js";
import { readFrozen } from "./checkpoints/frozen-file.js";
import { COMMON_NAME, readModel } from "./models.js";

/** Which model. */
export interface ModelChoice {
  /** A saved model or a checkpoint; a folder of one peer's checkpoints; or a run's folder of models or of checkpoints. */
  readonly source: string;
  /** Of a run's folder: whose model, or the mean of all. */
  readonly of?: number | "mean" | undefined;
  /** Called with one line for each checkpoint that is damaged or passed over. */
  readonly warn: (text: string) => void;
}

/** @throws FileProblem, InvalidCheckpoint or InvalidModel a source that cannot be read or used */
export async function chooseModel(choice: ModelChoice): Promise<ModelFile> {
  const models = await modelsOf(choice);
  return models.length === 1 ? models[0]! : meanOf(models);
}

/** The model that was chosen, or all of those whose mean was. */
async function modelsOf({ source, of, warn }: ModelChoice): Promise<ModelFile[]> {
  const names = await namesIn(source);
  if (!names) {
    if (of === undefined) return [await readOne(source)];
    throw new InvalidExperiment(`${source} is one model: leave out --id and --mean, or name a run's folder`, {
      code: "export-of-one-peer",
      field: "of",
    });
  }
  // Peers that agree have one model, which is their mean too.
  if (typeof of !== "number" && names.includes(COMMON_NAME))
    return [await readModel(join(source, COMMON_NAME))];
  const members = membersAmong(names);
  if (of === undefined && members.length > 0) {
    throw new InvalidExperiment(
      `${source} has models of peers ${rangesText(members.map(({ peer }) => peer))}: choose one with --id, or take their mean with --mean`,
      { code: "export-of-several-peers", field: "of" },
    );
  }
  if (typeof of === "number" && members.length === 0 && names.includes(COMMON_NAME)) {
    throw new InvalidExperiment(`${source} holds one model of all peers, ${COMMON_NAME}: leave out --id`, {
      code: "model-of-all-peers",
      field: "of",
    });
  }
  const chosen = of === "mean" || of === undefined ? members : members.filter(({ peer }) => peer === of);
  const folders =
    of === undefined ? [source] : chosen.flatMap(({ name, isModel }) => (isModel ? [] : join(source, name)));
  const saved = chosen.filter(({ isModel }) => isModel).map(({ name }) => readModel(join(source, name)));
  const models = saved.length > 0 ? await Promise.all(saved) : await newestModels(folders, warn);
  if (models.length === Math.max(1, chosen.length)) return models;
  const where = typeof of === "number" ? `${source} of peer ${of}` : source;
  throw new InvalidCheckpoint(
    `there are no models or checkpoints in ${where}: name what a run was given with --save or --checkpoints, or a file in it`,
    { code: "no-checkpoints", peer: typeof of === "number" ? of : undefined, field: source },
  );
}

const readOne = async (path: string): Promise<ModelFile> =>
  path.endsWith(CHECKPOINT_SUFFIX)
    ? modelOf(await readCheckpoint(path), dirname(path), path)
    : readModel(path);

/** Models of the newest checkpoints, of the newest round that all have. */
async function newestModels(folders: readonly string[], warn: (text: string) => void): Promise<ModelFile[]> {
  const newest = await Promise.all(folders.map((folder) => newestCheckpoint(folder, { warn })));
  const round = Math.min(...newest.map((checkpoint) => checkpoint?.round ?? 0));
  const models: ModelFile[] = [];
  for (const [k, folder] of folders.entries()) {
    const last = newest[k];
    const checkpoint = last && last.round > round ? await newestCheckpoint(folder, { warn }, round) : last;
    if (checkpoint) models.push(await modelOf(checkpoint, folder, folder));
  }
  return models;
}

/** @param folder where the checkpoint lies, and beside it the tensors that its run leaves as they are */
async function modelOf(checkpoint: Checkpoint, folder: string, source: string): Promise<ModelFile> {
  const shapes = checkpoint.exported?.card.frozenShapes ?? {};
  return fileOf(modelIn(checkpoint, await readFrozen(folder, shapes)), source);
}

/** Names in a folder; undefined where the path is a file. @throws FileProblem nothing is there */
async function namesIn(path: string): Promise<string[] | undefined> {
  try {
    return (await stat(path)).isDirectory() ? await readdir(path) : undefined;
  } catch (cause) {
    throw new FileProblem(
      `cannot read ${path}: there is no such file or folder; name a model, a checkpoint or their folder`,
      { code: "checkpoint-missing", field: path, cause },
    );
  }
}

/** Peers of a run in its folder, by their models or their folders of checkpoints. */
function membersAmong(names: readonly string[]) {
  const members = names.flatMap((name) => {
    const [, peer, ending] = /^peer-(\d+)(\.safetensors)?$/.exec(name) ?? [];
    return peer === undefined ? [] : [{ peer: Number(peer), name, isModel: ending !== undefined }];
  });
  // The models that a run has left come before what it went through.
  const isOver = members.some(({ isModel }) => isModel);
  return members.filter(({ isModel }) => isModel === isOver).sort((a, b) => a.peer - b.peer);
}
