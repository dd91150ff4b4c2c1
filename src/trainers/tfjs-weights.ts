/** A model of TensorFlow.js or Keras as the start of a run: `model.json` with its files of weights. */
import type { io } from "@tensorflow/tfjs-core";
import { z } from "zod";
import { sizeOf } from "../dataset.js";
import { type Origin, readData } from "../datasets/files.js";
import { InvalidModel } from "../foundation/errors.js";
import type { ModelFile } from "../saved-model.js";
import { checked } from "../settings/check.js";
import type { NamedTensor } from "../vectors/safetensors.js";

/** What ends the name of such a file. */
export const TFJS_ENDING = ".json";

const FLOAT_BYTES = 4;

const manifest = z.object({
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z.array(
    z.object({
      // Files beside this one.
      paths: z.array(z.string().regex(/^[^/\\]+$/)),
      weights: z.array(
        z
          .object({
            name: z.string(),
            shape: z.array(z.int().nonnegative()),
            dtype: z.literal("float32"),
            quantization: z.unknown().optional(),
          })
          .refine(({ quantization }) => quantization === undefined, {
            error: "is quantized: convert the model without quantization",
          }),
      ),
    }),
  ),
});

/** A model's own file, and those of its weights. */
interface TfjsFiles {
  readonly json: Uint8Array;
  readonly manifest: z.output<typeof manifest>;
  readonly shards: readonly Uint8Array[];
}

/** @throws InvalidData, InvalidModel as {@link readTfjs} does */
export async function readTfjsFiles(path: string, origin: Origin): Promise<TfjsFiles> {
  const json = await readData(path, origin);
  const found = checked(manifest, parsed(json, path), { what: `model ${path}` }, InvalidModel);
  const folder = path.replace(/[^/\\]*$/, "");
  const shards: Uint8Array[] = [];
  for (const { paths } of found.weightsManifest) {
    for (const name of paths) shards.push(await readData(folder + name, origin));
  }
  return { json, manifest: found, shards };
}

/**
 * The tensors of a layers model under the names that they have here, such as `dense1/kernel`. A backend must be ready.
 *
 * @throws InvalidData a file that cannot be read
 * @throws InvalidModel a file that is damaged, is of a graph model or has numbers other than float32
 */
export async function readTfjs(path: string, origin: Origin): Promise<ModelFile> {
  const { manifest, shards } = await readTfjsFiles(path, origin);
  const { modelTopology, weightsManifest } = manifest;
  const weightSpecs = weightsManifest.flatMap(({ weights }) =>
    weights.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
  );
  const weightData = joined(shards);
  const numbers = weightSpecs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  if (weightData.byteLength !== FLOAT_BYTES * numbers) {
    throw new InvalidModel(
      `model ${path} lists ${numbers} numbers, and its files of weights have ${weightData.byteLength} bytes: save or download it again`,
      { code: "tfjs-weights-length", field: path },
    );
  }
  const tensors = await tensorsOf({ modelTopology, weightSpecs, weightData }, path);
  return { source: path, tensors, metadata: {} };
}

async function tensorsOf(artifacts: io.ModelArtifacts, path: string): Promise<NamedTensor[]> {
  const [{ io }, { loadLayersModel }, { leavesOf, tensorName }] = await Promise.all([
    import("@tensorflow/tfjs-core"),
    import("@tensorflow/tfjs-layers"),
    import("./layers-freezing.js"),
    import("../models/layers/index.js"),
  ]);
  try {
    const model = await loadLayersModel(io.fromMemory(artifacts));
    try {
      const weights = leavesOf(model.layers).flatMap((leaf) =>
        leaf.layer.weights.map((weight) => ({ name: tensorName(leaf, weight), tensor: weight.read() })),
      );
      return await Promise.all(
        // Empty tensors have no place in a model vector.
        weights
          .filter(({ tensor: { shape } }) => sizeOf(shape as number[]) > 0)
          .map(async ({ name, tensor }): Promise<NamedTensor> => {
            return { name, shape: tensor.shape, values: Float32Array.from(await tensor.data()) };
          }),
      );
    } finally {
      model.dispose();
    }
  } catch (cause) {
    const [reason] = String((cause as Error).message).split("\n");
    throw new InvalidModel(
      `model ${path} is not one that TensorFlow.js loads: ${reason}; save it again, or name a .safetensors file`,
      { code: "tfjs-not-loaded", field: path, cause },
    );
  }
}

function joined(parts: readonly Uint8Array[]): ArrayBuffer {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.buffer;
}

function parsed(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new InvalidModel(`model ${path} is not JSON: name the model.json of TensorFlow.js`, {
      code: "tfjs-not-json",
      field: path,
      cause,
    });
  }
}
