import { z } from "zod";
import type { Dataset, DatasetKind, Examples } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { permutation, random } from "../foundation/random.js";

const PIXELS = 64;
const MAX_PIXEL = 16;
const CLASSES = 10;
/** Every fifth image of a class is held out. */
const TEST_EVERY = 5;
/** The split belongs to the data set, not to a run, so that accuracies of different seeds compare. */
const SPLIT_SEED = 0;

const settings = z.strictObject({ kind: z.literal("digits") });

/**
 * 1797 handwritten digits of 8 × 8 pixels, in this package: 1437 to train and 360 to test. Pixels are scaled
 * to [0, 1].
 *
 * The split is always the same: images are put in order of their class and within a class at random (fixed
 * seed), and every fifth of that list is held out, so each class keeps its share to within one image.
 *
 * The file is embedded when the package is built, so that the data set is there without a file system too.
 *
 * @see Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, CC BY 4.0 (digits-attribution.txt)
 */
export const digits: DatasetKind<typeof settings> = {
  settings,
  async load() {
    const { embedded } = await import("./digits-embedded.js");
    const bytes = Uint8Array.from(atob(embedded), (character) => character.charCodeAt(0));
    const lines = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return parseDigits(await new Response(lines).text());
  },
};

/**
 * Lines of 64 integers 0 … 16 and a digit, split as {@link digits} says.
 *
 * @throws InvalidData a line of another form (the message has its number), or no lines
 */
export function parseDigits(text: string): Dataset {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0)
    throw new InvalidData("digits: the file has no images: reinstall this package", { code: "digits-empty" });

  const rows = lines.map((line, index) => {
    const numbers = line.split(",").map((field) => (/^\s*\d+\s*$/.test(field) ? Number(field) : Number.NaN));
    const isImage =
      numbers.length === PIXELS + 1 &&
      numbers.slice(0, PIXELS).every((pixel) => pixel <= MAX_PIXEL) &&
      numbers[PIXELS]! < CLASSES;
    if (!isImage) {
      throw new InvalidData(
        `digits: line ${index + 1} is not ${PIXELS} integers from 0 to ${MAX_PIXEL} and a digit: reinstall this package`,
        { code: "digits-line", field: `line ${index + 1}` },
      );
    }
    return numbers;
  });

  const order = permutation(rows.length, random(SPLIT_SEED, "digits"));
  // Array.sort is stable, so the random order survives within each class.
  const byClass = order.sort((a, b) => rows[a]![PIXELS]! - rows[b]![PIXELS]!);
  const isTest = new Uint8Array(rows.length);
  for (let i = 0; i < byClass.length; i += TEST_EVERY) isTest[byClass[i]!] = 1;

  return {
    name: "digits",
    inputShape: [8, 8, 1],
    targets: { kind: "classes", count: CLASSES },
    train: examplesOf(rows.filter((_, i) => !isTest[i])),
    test: examplesOf(rows.filter((_, i) => isTest[i])),
  };
}

function examplesOf(rows: readonly number[][]): Examples {
  const features = new Float32Array(rows.length * PIXELS);
  const labels = new Int32Array(rows.length);
  rows.forEach((row, i) => {
    for (let k = 0; k < PIXELS; k++) features[i * PIXELS + k] = row[k]! / MAX_PIXEL;
    labels[i] = row[PIXELS]!;
  });
  return { features, labels };
}
