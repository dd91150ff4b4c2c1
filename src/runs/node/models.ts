/** Files of trained models: one `model.safetensors` where all peers' are equal, otherwise `peer-3.safetensors` and so on. */
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { FileProblem } from "../../foundation/errors.js";
import { unwritten, whyUnread } from "../../foundation/system-errors.js";
import type { Peer } from "../../peer.js";
import { areEqual, decodeModel, encodeModel, fileOf, type ModelFile } from "../../saved-model.js";
import { filling, makeFolder } from "../../sinks/folders.js";
import { writeWhole } from "../../sinks/whole-file.js";

/** The model of all peers of a run. */
export const COMMON_NAME = "model.safetensors";
const peerName = (peer: number) => `peer-${peer}.safetensors`;
const CHUNK_BYTES = 1 << 22;

/** Where a run leaves its models. */
export interface SaveSettings {
  readonly folder: string;
  /** Models of the same run may be there, and are replaced. */
  readonly isResumed: boolean;
}

/**
 * Makes the folder and runs. A folder that is new and got no model, as in a run that is interrupted, is removed again.
 * @throws FileProblem it cannot be made, or has a model that one of these peers would replace
 */
export async function withFolder<Outcome>(
  settings: SaveSettings | undefined,
  peers: readonly number[],
  run: () => Promise<Outcome>,
): Promise<Outcome> {
  if (!settings) return run();
  return filling(settings.folder, async () => {
    await requireNoModels(settings, peers);
    return run();
  });
}

async function requireNoModels({ folder, isResumed }: SaveSettings, peers: readonly number[]): Promise<void> {
  const names = await makeFolder(folder);
  const taken = [COMMON_NAME, ...peers.map(peerName)].find((name) => names.includes(name));
  if (taken === undefined || isResumed) return;
  throw new FileProblem(`${join(folder, taken)} already exists: name another folder with --save`, {
    code: "model-exists",
    field: join(folder, taken),
  });
}

/** Where models are saved, by the options of a run. */
export function saveSettings(
  folder: string | undefined,
  checkpoints: { readonly resume: boolean } | undefined,
): SaveSettings | undefined {
  return folder === undefined ? undefined : { folder, isResumed: checkpoints?.resume === true };
}

/** Writes the file, whole or not at all. @throws FileProblem */
export async function writeModel(path: string, model: ModelFile): Promise<void> {
  await writeParts(path, encodeModel(model));
}

/** @throws FileProblem */
export async function writeParts(path: string, parts: readonly Uint8Array[]): Promise<void> {
  try {
    await writeWhole(path, async (file) => {
      for (const part of parts) {
        for (let start = 0; start < part.length; start += CHUNK_BYTES) {
          // A copy: the memory may be shared with threads, which files do not take.
          await file.writeFile(Buffer.from(part.subarray(start, start + CHUNK_BYTES)));
        }
      }
    });
  } catch (cause) {
    throw new FileProblem(`cannot write model ${path}: ${unwritten(cause)}`, {
      code: "model-not-written",
      field: path,
      cause,
    });
  }
}

/** @throws FileProblem it cannot be read. @throws InvalidModel it is damaged */
export async function readModel(path: string): Promise<ModelFile> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new FileProblem(
      `cannot read model ${path}: ${whyUnread(cause)}; name a .safetensors file that murmur saved`,
      {
        code: "model-unreadable",
        field: path,
        cause,
      },
    );
  }
  return decodeModel(bytes, path);
}

/** Saves the model of one peer. @returns its file */
export async function savePeer(folder: string, peer: Pick<Peer, "id" | "saved">): Promise<string> {
  const path = join(folder, peerName(peer.id));
  await writeModel(path, fileOf(await peer.saved()));
  return path;
}

/** Saves the models of all peers of a run. @returns their files */
export async function saveAll(
  folder: string,
  peers: readonly Pick<Peer, "id" | "saved">[],
): Promise<string[]> {
  const models: ModelFile[] = [];
  for (const peer of peers) models.push(fileOf(await peer.saved()));
  const isOne = models.every((model) => areEqual(models[0]!, model));
  const files = isOne ? [join(folder, COMMON_NAME)] : peers.map(({ id }) => join(folder, peerName(id)));
  for (const [k, path] of files.entries()) await writeModel(path, models[k]!);
  return files;
}

/** Makes one file of those that all peers of a run have saved, where they are equal. @returns what is there then */
export async function uniteModels(folder: string, peers: readonly number[]): Promise<string[]> {
  const files = peers.map((peer) => join(folder, peerName(peer)));
  const first = await readModel(files[0]!);
  for (const file of files.slice(1)) if (!areEqual(first, await readModel(file))) return files;
  const path = join(folder, COMMON_NAME);
  try {
    await rename(files[0]!, path);
    for (const file of files.slice(1)) await rm(file);
  } catch (cause) {
    throw new FileProblem(`cannot write model ${path}: ${unwritten(cause)}`, {
      code: "model-not-united",
      field: path,
      cause,
    });
  }
  return [path];
}
