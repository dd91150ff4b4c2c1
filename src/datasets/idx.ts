import { z } from "zod";
import type { DatasetKind, Examples } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { listFolder, type Origin, readData } from "./files.js";
import { classList, limited, partSettings, slice, standardize, testShare } from "./parts.js";

const ORIGIN: Origin = {
  name: "idx",
  remedy:
    "MNIST's four files are at https://storage.googleapis.com/cvdf-datasets/mnist/, Fashion-MNIST's at https://github.com/zalandoresearch/fashion-mnist",
};

/** Sides of a file of grey images, and of one of colour images: their count, height, width and channels. */
const IMAGE_SIDES = [3, 4];
/** Most channels of an image: red, green, blue and opacity. More are sides in another order. */
const MAX_CHANNELS = 4;

/** Type byte of unsigned bytes, the only type of the MNIST family. */
const UNSIGNED_BYTE = 0x08;
const MAX_PIXEL = 255;

const settings = z.strictObject({
  kind: z.literal("idx"),
  path: z.string().min(1).describe("folder with the files under their usual names, or one file of images"),
  classes: classList,
  scale: z
    .enum(["unit", "standard"])
    .default("unit")
    .describe("unit: pixels in [0, 1]; standard: mean 0 and variance 1 over the training images"),
  testShare,
  ...partSettings,
});

/**
 * Images and labels in IDX files, gzip'd or not: MNIST, Fashion-MNIST, KMNIST, EMNIST; or in colour, as height × width × channels.
 *
 * A folder may hold a pair of files for training (`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`) and one
 * for testing (`t10k-…`), each with or without `.gz`. Where there is one pair, its last images are held out.
 */
export const idx: DatasetKind<typeof settings> = {
  settings,
  unscaled: { scale: "unit" },
  async load({ path, classes: names, scale, testShare: share, ...limits }) {
    const pairs = await findPairs(path);
    const parts = [];
    for (const pair of pairs) parts.push(await readPair(pair));
    const [first, second] = parts as [Pair, Pair | undefined];
    if (second && first.inputShape.join() !== second.inputShape.join()) {
      throw new InvalidData(
        `idx: images of ${pairs[0]} are ${first.inputShape.join(" × ")} and those of ${pairs[1]} ${second.inputShape.join(" × ")}: take both from one data set`,
        { code: "idx-shapes-differ", field: pairs[1] },
      );
    }
    const size = first.inputShape.reduce((product, side) => product * side, 1);
    const images = first.examples.labels.length;
    const held = Math.max(1, Math.round(images * share));
    if (!second && held >= images) {
      throw new InvalidData(
        `idx: ${pairs[0]} has ${images} images, too few for a held-out part; ${ORIGIN.remedy}`,
        { code: "idx-too-few-images", field: pairs[0] },
      );
    }
    const train = second ? first.examples : slice(first.examples, size, 0, images - held);
    const test = second ? second.examples : slice(first.examples, size, images - held);
    const scaling = scale === "standard" && standardize(train.features, test.features, first.inputShape[2]);
    const found = 1 + [first, second].reduce((most, part) => Math.max(most, part?.largestLabel ?? 0), 0);
    const count = names?.length ?? found;
    if (found > count) {
      throw new InvalidData(
        `idx: ${path} has a label ${found - 1}, and data.classes names ${count} classes: name all of them`,
        { code: "idx-label-range", field: "data.classes" },
      );
    }
    const targets = { kind: "classes", count, ...(names && { names }) } as const;
    const about = { name: "idx", inputShape: first.inputShape, targets };
    return limited({ ...about, ...(scaling && { scaling }), train, test }, limits);
  },
};

/** Parts of a data set, as their files call them. */
const PARTS = /(^|[-_.])(train|t10k|test)(?=[-_.])/;

/**
 * Paths of the image files: of training and test, or of the only pair. A name without its part is that of a set, as in
 * `emnist-letters-train-images-idx3-ubyte`.
 *
 * @throws InvalidData no images, or those of several sets
 */
async function findPairs(path: string): Promise<[string] | [string, string]> {
  const names = await listFolder(path, ORIGIN);
  if (!names) return [path];
  const images = names.filter((name) => /images.*idx[34]/.test(name));
  const sets = new Map<string, { train?: string; test?: string }>();
  for (const name of images) {
    const set = name.replace(PARTS, "").replace(/\.gz$/, "");
    const part = PARTS.exec(name)?.[2] === "train" ? "train" : "test";
    sets.set(set, { ...sets.get(set), [part]: await insideOf(`${path}/${name}`, name) });
  }
  if (sets.size > 1) {
    throw new InvalidData(
      `idx: folder ${path} has images of ${sets.size} data sets (${[...sets.keys()].join(", ")}): give each a folder of its own, or name one file of images`,
      { code: "idx-several-sets", field: path },
    );
  }
  const [set] = sets.values();
  if (set?.train !== undefined && set.test !== undefined) return [set.train, set.test];
  const only = set?.train ?? set?.test;
  if (only === undefined) {
    throw new InvalidData(`idx: folder ${path} has no file …images-idx3-ubyte; ${ORIGIN.remedy}`, {
      code: "idx-file-missing",
      field: path,
    });
  }
  return [only];
}

/** The file of a folder that is named as it is, as some programs unpack archives; the file itself otherwise. */
async function insideOf(path: string, name: string): Promise<string> {
  const inside = await listFolder(path, ORIGIN);
  return inside?.includes(name) ? `${path}/${name}` : path;
}

/** A folder of the file's name is renamed as the file is. */
function labelsOf(imagesPath: string): string {
  const parts = imagesPath.split(/(?<=[/\\])/);
  const file = parts.at(-1)!;
  const isNested = parts.at(-2)?.slice(0, -1) === file;
  const kept = isNested ? -2 : -1;
  const renamed = parts
    .slice(kept)
    .map((part) => part.replace("images", "labels").replace(/idx[34]/, "idx1"));
  return [...parts.slice(0, kept), ...renamed].join("");
}

/** Where one file of a pair is gzip'd and the other is not, the path of that which is there. */
async function packedOrNot(path: string): Promise<string> {
  const other = path.endsWith(".gz") ? path.slice(0, -".gz".length) : `${path}.gz`;
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  const names = (await listFolder(cut < 0 ? "." : path.slice(0, cut + 1), ORIGIN)) ?? [];
  return !names.includes(path.slice(cut + 1)) && names.includes(other.slice(cut + 1)) ? other : path;
}

interface Pair {
  readonly examples: Examples;
  readonly inputShape: readonly [number, number, number];
  readonly largestLabel: number;
}

async function readPair(imagesPath: string): Promise<Pair> {
  const labelsPath = await packedOrNot(labelsOf(imagesPath));
  if (labelsPath === imagesPath) {
    throw new InvalidData(
      `idx: ${imagesPath} has no “images” in its name, from which the name of the labels follows: rename both files`,
      { code: "idx-file-name", field: imagesPath },
    );
  }
  const images = parseIdx(await readData(imagesPath, ORIGIN), IMAGE_SIDES, imagesPath);
  const labels = parseIdx(await readData(labelsPath, ORIGIN), [1], labelsPath);
  const [count, height, width, channels = 1] = images.sides as [number, number, number, number?];
  if (labels.sides[0] !== count) {
    throw new InvalidData(
      `idx: ${imagesPath} has ${count} images and ${labelsPath} ${labels.sides[0]} labels: take both from one data set`,
      { code: "idx-label-count", field: labelsPath },
    );
  }
  if (images.values.length === 0)
    throw new InvalidData(`idx: ${imagesPath} has no images; ${ORIGIN.remedy}`, {
      code: "idx-empty",
      field: imagesPath,
    });
  if (channels > MAX_CHANNELS) {
    throw new InvalidData(
      `idx: images of ${imagesPath} are ${height} × ${width} × ${channels}: write their channels last, as in 32 × 32 × 3`,
      { code: "idx-channels", field: imagesPath },
    );
  }
  return {
    examples: {
      features: Float32Array.from(images.values, (pixel) => pixel / MAX_PIXEL),
      labels: Int32Array.from(labels.values),
    },
    inputShape: [height, width, channels],
    largestLabel: labels.values.reduce((most, label) => Math.max(most, label), 0),
  };
}

/**
 * The content of an IDX file: two zero bytes, a type, the count of sides, the sides as big-endian 32-bit
 * integers, then the values.
 *
 * @throws InvalidData not of this form, or shorter or longer than its own header says
 */
export function parseIdx(
  bytes: Uint8Array,
  ranks: readonly number[],
  source: string,
): { sides: number[]; values: Uint8Array } {
  const rank = ranks.find((each) => each === bytes[3]) ?? ranks[0]!;
  const header = 4 + 4 * rank;
  const isIdx =
    bytes.length >= header &&
    bytes[0] === 0 &&
    bytes[1] === 0 &&
    bytes[2] === UNSIGNED_BYTE &&
    bytes[3] === rank;
  if (!isIdx) {
    throw new InvalidData(
      `idx: ${source} is not an IDX file of bytes with ${ranks.join(" or ")} sides; ${ORIGIN.remedy}`,
      { code: "idx-header", field: source },
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sides = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const due = header + sides.reduce((product, side) => product * side, 1);
  if (bytes.length !== due) {
    throw new InvalidData(
      `idx: ${source} has ${bytes.length} bytes, and its header says ${due}: it is cut off or damaged; ${ORIGIN.remedy}`,
      { code: "idx-length", field: source },
    );
  }
  return { sides, values: bytes.subarray(header) };
}
