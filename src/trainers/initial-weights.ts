/** Runs that start from a model of a file. */
import { type Origin, readData } from "../datasets/files.js";
import { decodeModel, numbersFor } from "../saved-model.js";
import { readTfjs, readTfjsFiles, TFJS_ENDING } from "./tfjs-weights.js";
import type { Trainer } from "./trainer.js";

const ORIGIN: Origin = {
  name: "weights",
  remedy: "name a .safetensors file, or a model.json of TensorFlow.js",
};

/** Everything that a file of initial weights consists of, for its digest. @throws InvalidData, InvalidModel */
export async function bytesOfWeights(path: string): Promise<readonly Uint8Array[]> {
  if (!path.endsWith(TFJS_ENDING)) return [await readData(path, ORIGIN)];
  const { json, shards } = await readTfjsFiles(path, ORIGIN);
  return [json, ...shards];
}

/**
 * The trainer with the numbers of a file in place of those drawn from the seed, frozen tensors included, and what stays with
 * the peer where the file has it.
 *
 * @throws InvalidData a file that cannot be read
 * @throws InvalidModel a damaged file, or tensors other than the model's. The trainer is disposed of then
 */
export async function startFrom(trainer: Trainer, path: string): Promise<Trainer> {
  try {
    const file = path.endsWith(TFJS_ENDING)
      ? await readTfjs(path, ORIGIN)
      : decodeModel(await readData(path, ORIGIN), path);
    const { model, local, frozen } = numbersFor(
      file,
      trainer.layout,
      trainer.stateShapes,
      trainer.frozen?.shapes,
    );
    await trainer.restore({ ...(await trainer.state()), ...local });
    trainer.frozen?.write(frozen);
    return { ...trainer, initialize: (out) => out.set(model) };
  } catch (error) {
    trainer.dispose();
    throw error;
  }
}
