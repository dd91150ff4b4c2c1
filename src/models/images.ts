import { InvalidExperiment } from "../foundation/errors.js";

/**
 * Height, width and channels of one example.
 *
 * @throws InvalidExperiment examples that are no images
 */
export function imageShape(model: string, inputShape: readonly number[]): [number, number, number] {
  const [height, width, channels = 1] = inputShape;
  if (height === undefined || width === undefined || inputShape.length > 3) {
    throw new InvalidExperiment(
      `model ${model} takes images, but an example has shape [${inputShape.join(", ")}]: use mlp or another data set`,
      { code: "model-needs-images", field: "model.kind" },
    );
  }
  return [height, width, channels];
}
