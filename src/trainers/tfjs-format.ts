/** The TensorFlow.js layers format: `model.json` and one file of weights, for `tf.loadLayersModel`. */
import type { io } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { VERSION } from "../version.js";

/** Name of the weights' file beside `model.json`, which refers to it. */
export const TFJS_WEIGHTS_NAME = "weights.bin";

export interface TfjsModel {
  /** Content of `model.json`. */
  readonly json: string;
  /** Content of {@link TFJS_WEIGHTS_NAME}: float32, little-endian. */
  readonly weights: Uint8Array;
}

/**
 * A layers model with its weights, those that no gradient moves included.
 * @param metadata of the model's file, which `getUserDefinedMetadata` of the loaded model gives back
 */
export async function toTfjs(
  model: LayersModel,
  metadata: Readonly<Record<string, string>>,
): Promise<TfjsModel> {
  const { io } = await import("@tensorflow/tfjs-core");
  let artifacts: io.ModelArtifacts | undefined;
  await model.save(
    io.withSaveHandler(async (given) => {
      artifacts = given;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    }),
  );
  const { modelTopology, weightSpecs, weightData } = artifacts!;
  const manifest: io.ModelJSON = {
    modelTopology: modelTopology as object,
    format: "layers-model",
    generatedBy: `murmuration ${VERSION}`,
    convertedBy: null,
    userDefinedMetadata: metadata,
    weightsManifest: [{ paths: [TFJS_WEIGHTS_NAME], weights: weightSpecs! }],
  };
  const weights = new Uint8Array(io.CompositeArrayBuffer.join(weightData));
  return { json: JSON.stringify(manifest), weights };
}
