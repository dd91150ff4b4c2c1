/** Tensors that a run leaves as they are: one file beside a peer's checkpoints, which do not have them. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { modelDigest } from "../../../exchange/fingerprint.js";
import { FileProblem, InvalidCheckpoint } from "../../../foundation/errors.js";
import { unwritten } from "../../../foundation/system-errors.js";
import { decodeModel, numbersFor } from "../../../saved-model.js";
import { writeWhole } from "../../../sinks/whole-file.js";
import { createLayout } from "../../../vectors/layout.js";
import { encodeSafetensors } from "../../../vectors/safetensors.js";
import type { NamedValues, TensorGroup } from "../../../vectors/state.js";

const NAME = "frozen.safetensors";

/** Writes the file, unless it is there. @returns its bytes, 0 where it is there. @throws FileProblem */
export async function writeFrozen(
  folder: string,
  { shapes, read }: Pick<TensorGroup, "shapes" | "read">,
): Promise<number> {
  const path = join(folder, NAME);
  if (existsSync(path)) return 0;
  const values = await read();
  const { tensors, length } = createLayout(Object.entries(shapes).map(([name, shape]) => ({ name, shape })));
  const all = new Float32Array(length);
  for (const { name, offset } of tensors) all.set(values[name]!, offset);
  const parts = encodeSafetensors({
    tensors: tensors.map(({ name, shape }) => ({ name, shape, values: values[name]! })),
    metadata: { vector: JSON.stringify(tensors.map(({ name }) => name)), digest: modelDigest(all) },
  });
  try {
    await writeWhole(path, async (file) => {
      for (const part of parts) await file.writeFile(part);
    });
  } catch (cause) {
    throw new FileProblem(`cannot write the frozen tensors ${path}: ${unwritten(cause)}`, {
      code: "frozen-not-written",
      field: path,
      cause,
    });
  }
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/**
 * The tensors of these shapes; nothing is read where there are none.
 * @throws InvalidCheckpoint the file cannot be read
 * @throws InvalidModel it is damaged, or has other tensors
 */
export async function readFrozen(
  folder: string,
  shapes: Readonly<Record<string, readonly number[]>>,
): Promise<NamedValues> {
  if (Object.keys(shapes).length === 0) return {};
  const path = join(folder, NAME);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new InvalidCheckpoint(
      `${path} cannot be read, and the checkpoints beside it have only the tensors that learn: copy it there from where the run was`,
      { code: "frozen-missing", field: path, cause },
    );
  }
  return numbersFor(decodeModel(bytes, path), createLayout([]), {}, shapes).frozen;
}
