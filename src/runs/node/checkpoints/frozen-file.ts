/** Tensors that a run leaves as they are: one file beside a peer's checkpoints, which do not have them. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { modelDigest } from "../../../exchange/fingerprint.js";
import { InvalidCheckpoint } from "../../../foundation/errors.js";
import { numbersFor } from "../../../saved-model.js";
import { createLayout } from "../../../vectors/layout.js";
import type { NamedValues, TensorGroup } from "../../../vectors/state.js";
import { readModel, writeModel } from "../models.js";

const NAME = "frozen.safetensors";

/** Writes the file, unless it is there. @returns its bytes, 0 where it is there. @throws FileProblem */
export async function writeFrozen(folder: string, { shapes, read }: TensorGroup): Promise<number> {
  const path = join(folder, NAME);
  if (existsSync(path)) return 0;
  const values = await read();
  const { tensors, length } = createLayout(Object.entries(shapes).map(([name, shape]) => ({ name, shape })));
  const all = new Float32Array(length);
  for (const { name, offset } of tensors) all.set(values[name]!, offset);
  await writeModel(path, {
    source: path,
    tensors: tensors.map(({ name, shape }) => ({ name, shape, values: values[name]! })),
    metadata: { vector: JSON.stringify(tensors.map(({ name }) => name)), digest: modelDigest(all) },
  });
  return (await stat(path)).size;
}

/**
 * The tensors of these shapes; nothing is read where there are none.
 * @throws InvalidCheckpoint the file is missing
 * @throws FileProblem, InvalidModel it cannot be read, is damaged or has other tensors
 */
export async function readFrozen(
  folder: string,
  shapes: Readonly<Record<string, readonly number[]>>,
): Promise<NamedValues> {
  if (Object.keys(shapes).length === 0) return {};
  const path = join(folder, NAME);
  if (!existsSync(path)) {
    throw new InvalidCheckpoint(
      `${path} is missing, and the checkpoints beside it have only the tensors that learn: copy it there too`,
      { code: "frozen-missing", field: path },
    );
  }
  return numbersFor(await readModel(path), createLayout([]), {}, shapes).frozen;
}
