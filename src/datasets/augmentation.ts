/** Small random changes to images as they are learned from: the same class, seen a little differently. */
import { z } from "zod";
import { InvalidExperiment } from "../foundation/errors.js";
import type { Random } from "../foundation/random.js";

/** Widest shift, in pixels. */
const MAX_SHIFT = 64;

export const augmentationSettings = z.strictObject({
  flip: z.boolean().default(false).describe("mirror half of the images, left to right"),
  shift: z
    .int()
    .min(0)
    .max(MAX_SHIFT)
    .default(0)
    .describe("move each image by up to this many pixels in either direction; the border is filled with 0"),
});
export type AugmentationSettings = z.output<typeof augmentationSettings>;

/** Changes a batch of images in place; image i uses draws 3i … 3i + 2. */
export type Augmentation = (batch: Float32Array, draws: Random) => void;

/** Draws per image: whether to flip, and the shifts down and right. */
const DRAWS = 3;

/**
 * The augmentation that these settings describe; undefined where they ask for none.
 *
 * Padding enters with value 0: black where pixels are in [0, 1], the mean colour where they are standardised.
 *
 * @param inputShape [height, width, channels]
 * @throws InvalidExperiment examples that are no images
 * @see He et al. 2015, “Deep Residual Learning for Image Recognition”, §4.2 (flip, and shifts of up to 4)
 */
export function createAugmentation(
  { flip, shift }: AugmentationSettings,
  inputShape: readonly number[],
): Augmentation | undefined {
  if (!flip && shift === 0) return undefined;
  const [height, width, channels] = inputShape;
  if (height === undefined || width === undefined || channels === undefined || inputShape.length !== 3) {
    throw new InvalidExperiment(
      `augmentation is for images, but an example has shape [${inputShape.join(", ")}]: remove it`,
      { code: "augmentation-needs-images", field: "augmentation" },
    );
  }
  const size = height * width * channels;
  const original = new Float32Array(size);
  const steps = 2 * shift + 1;

  return (batch, draws) => {
    for (let i = 0; i * size < batch.length; i++) {
      const isFlipped = flip && draws.uniform(DRAWS * i) < 0.5;
      const down = Math.floor(draws.uniform(DRAWS * i + 1) * steps) - shift;
      const right = Math.floor(draws.uniform(DRAWS * i + 2) * steps) - shift;
      if (!isFlipped && down === 0 && right === 0) continue;
      const image = batch.subarray(i * size, (i + 1) * size);
      original.set(image);
      image.fill(0);
      for (let row = Math.max(0, down); row < Math.min(height, height + down); row++) {
        for (let column = Math.max(0, right); column < Math.min(width, width + right); column++) {
          const source = isFlipped ? width - 1 - (column - right) : column - right;
          const from = ((row - down) * width + source) * channels;
          const to = (row * width + column) * channels;
          for (let channel = 0; channel < channels; channel++)
            image[to + channel] = original[from + channel]!;
        }
      }
    }
  };
}
