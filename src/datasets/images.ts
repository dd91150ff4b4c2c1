import { z } from "zod";
import type { DatasetKind, Examples, Targets } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { listFolder, type Origin, readData } from "./files.js";
import { classList, holdOut, limited, partSettings, select, standardize, testShare } from "./parts.js";
import {
  decodePicture,
  OTHER_PICTURE_NAME,
  PICTURE_NAME,
  type Picture,
  TooLarge,
  writePixels,
} from "./picture.js";

const ORIGIN: Origin = {
  name: "images",
  remedy: "data.path is a folder with one folder of PNG, JPEG, WebP or BMP files per class",
};

/** Longest side of an image; larger ones are refused before they are decoded. */
const MAX_SIDE = 4096;
/** Most numbers of all images together: 2 GiB of float32. */
const MAX_NUMBERS = 2 ** 29;

const settings = z.strictObject({
  kind: z.literal("images"),
  path: z
    .string()
    .min(1)
    .describe(
      "folder with a folder per class, or with train and test (or val), each with a folder per class",
    ),
  channels: z
    .union([z.literal(1), z.literal(3)])
    .default(3)
    .describe("3: colour; 1: grey"),
  classes: classList,
  scale: z
    .enum(["unit", "standard"])
    .default("standard")
    .describe("unit: values in [0, 1]; standard: mean 0 and variance 1 per channel over the training images"),
  testShare,
  ...partSettings,
});

/** PNG, JPEG, WebP and BMP files, all of one size, in a folder per class; classes are in order of their folders' names. */
export const images: DatasetKind<typeof settings> = {
  settings,
  unscaled: { scale: "unit" },
  async readAll({ path, channels }) {
    const { isLabelled, files } = await filesOfAll(path);
    const rowNames = [...files.values()].flat();
    if (rowNames.length === 0) throw noImages(path);
    const classNames = [...files.keys()];
    const { features, labels, height, width } = await decodeAll(files, classNames, channels);
    const inputShape = [height, width, channels];
    if (!isLabelled) return { inputShape, targets: classesOf([]), features, rowNames };
    return { inputShape, targets: classesOf(classNames), features, labels, rowNames };
  },
  async load({ path, channels, classes, scale, testShare: share, ...limits }) {
    const top = await requireFolder(path);
    const [trainFolder, testFolder] = partsAmong(top) ?? [];
    const trainFiles = await filesByClass(trainFolder === undefined ? path : `${path}/${trainFolder}`);
    const testFiles = testFolder === undefined ? undefined : await filesByClass(`${path}/${testFolder}`);
    const classNames = classes ?? [...trainFiles.keys()];
    const unknown = [...trainFiles.keys()].find((name) => !classNames.includes(name));
    if (unknown !== undefined) {
      throw new InvalidData(
        `images: ${path} has a class ${unknown} that data.classes does not name: add it there, or remove the folder`,
        { code: "images-class-not-named", field: path },
      );
    }
    const strange = [...(testFiles?.keys() ?? [])].find((name) => !classNames.includes(name));
    if (strange !== undefined) {
      throw new InvalidData(
        `images: ${path}/${testFolder} has a class ${strange} that ${path}/${trainFolder} does not: add it there, or remove it`,
        { code: "images-unknown-class", field: `${path}/${testFolder}` },
      );
    }
    const first = await decodeAll(trainFiles, classNames, channels);
    const second = testFiles && (await decodeAll(testFiles, classNames, channels, first));
    const marks = second ? new Uint8Array(first.labels.length) : holdOut(first.labels, share);
    const train = select(first, marks, 0);
    const test = second ?? select(first, marks, 1);
    if (train.labels.length === 0 || test.labels.length === 0) {
      throw new InvalidData(
        `images: ${path} has ${first.labels.length} images, too few for a held-out part: add some`,
        { code: "images-too-few", field: path },
      );
    }
    const scaling = scale === "standard" && standardize(train.features, test.features, channels);
    const inputShape = [first.height, first.width, channels];
    const about = { name: "images", inputShape, targets: classesOf(classNames) };
    return limited({ ...about, ...(scaling && { scaling }), train, test }, limits);
  },
};

/** Paths of all images by class; of a single picture, or of a folder without folders for classes, under no class. */
async function filesOfAll(path: string): Promise<{ isLabelled: boolean; files: Map<string, string[]> }> {
  if (PICTURE_NAME.test(path) && !(await listFolder(path, ORIGIN)))
    return { isLabelled: false, files: new Map([["", [path]]]) };
  const top = await requireFolder(path);
  const parts = partsAmong(top)?.map((part) => `${path}/${part}`) ?? [path];
  const byClass = joined(await Promise.all(parts.map(foldersIn)));
  if (byClass.size > 0) return { isLabelled: true, files: byClass };
  return { isLabelled: false, files: new Map([["", picturesOf(path, top)]]) };
}

async function requireFolder(path: string): Promise<string[]> {
  const names = await listFolder(path, ORIGIN);
  if (!names)
    throw new InvalidData(`images: ${path} is a file; ${ORIGIN.remedy}`, {
      code: "images-not-a-folder",
      field: path,
    });
  return names;
}

const classesOf = (names: readonly string[]): Targets => ({ kind: "classes", count: names.length, names });

/** Folders of training and test images, by any of their usual names; undefined where there are none. */
function partsAmong(top: readonly string[]): readonly [train: string, test: string] | undefined {
  const [train, test] = [/^train(ing)?$/i, /^(test|testing|val|valid|validation)$/i].map((part) =>
    top.filter((name) => part.test(name)),
  );
  return train?.length === 1 && test?.length === 1 ? [train[0]!, test[0]!] : undefined;
}

/** What file managers and notebooks leave behind. */
const isHidden = (name: string) => name.startsWith(".");

/** @throws InvalidData a picture of another format, which would be missed without a word */
function picturesOf(path: string, names: readonly string[]): string[] {
  const seen = names.filter((name) => !isHidden(name));
  const other = seen.find((name) => OTHER_PICTURE_NAME.test(name));
  if (other !== undefined) {
    throw new InvalidData(
      `images: ${path}/${other} has a format that is not read: convert it to PNG or JPEG, or remove it`,
      { code: "images-other-format", field: `${path}/${other}` },
    );
  }
  return seen.filter((name) => PICTURE_NAME.test(name)).map((name) => `${path}/${name}`);
}

/** Paths of the images of each class. @throws InvalidData there are none */
async function filesByClass(path: string): Promise<Map<string, string[]>> {
  const byClass = await foldersIn(path);
  if (byClass.size === 0) throw noImages(path);
  return byClass;
}

/** Paths of the images of each folder. Files beside the folders, and other files inside, are left alone. */
async function foldersIn(path: string): Promise<Map<string, string[]>> {
  const byClass = new Map<string, string[]>();
  for (const name of await requireFolder(path)) {
    if (isHidden(name)) continue;
    const files = await listFolder(`${path}/${name}`, ORIGIN);
    const pictures = picturesOf(`${path}/${name}`, files ?? []);
    if (pictures.length > 0) byClass.set(name, pictures);
  }
  return byClass;
}

/** The files of each class, part after part. */
function joined(parts: readonly ReadonlyMap<string, readonly string[]>[]): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const part of parts) {
    for (const [name, files] of part) all.set(name, [...(all.get(name) ?? []), ...files]);
  }
  return all;
}

const noImages = (path: string) =>
  new InvalidData(`images: ${path} has no images; ${ORIGIN.remedy}`, { code: "images-empty", field: path });

interface Size {
  readonly height: number;
  readonly width: number;
}

async function decodeAll(
  files: ReadonlyMap<string, readonly string[]>,
  classNames: readonly string[],
  channels: 1 | 3,
  expected?: Size,
): Promise<Examples & Size> {
  const list = classNames.flatMap((name, label) => (files.get(name) ?? []).map((path) => ({ path, label })));
  const labels = Int32Array.from(list, ({ label }) => label);
  let size: Size | undefined = expected && { height: expected.height, width: expected.width };
  let features = new Float32Array(0);
  for (const [i, { path }] of list.entries()) {
    const bytes = Buffer.from(await readData(path, ORIGIN));
    let picture: Picture;
    try {
      picture = await decodePicture(bytes, MAX_SIDE);
    } catch (cause) {
      if (cause instanceof TooLarge) throw tooLarge(path);
      throw new InvalidData(
        `images: ${path} cannot be read: ${(cause as Error).message}; replace or remove it`,
        {
          code: "images-not-decoded",
          field: path,
          cause,
        },
      );
    }
    const { width, height } = picture;
    size ??= { width, height };
    if (width !== size.width || height !== size.height) {
      throw new InvalidData(
        `images: ${path} has ${width} × ${height} pixels, and the images before it ${size.width} × ${size.height}: scale all to one size`,
        { code: "images-sizes-differ", field: path },
      );
    }
    const pixels = width * height;
    if (i === 0) {
      if (list.length * pixels * channels > MAX_NUMBERS) {
        throw new InvalidData(
          `images: ${list.length} images of ${width} × ${height} pixels do not fit into memory: scale them down`,
          { code: "images-too-many" },
        );
      }
      features = new Float32Array(list.length * pixels * channels);
    }
    writePixels(features, i * pixels * channels, picture, channels);
  }
  return { features, labels, ...size! };
}

function tooLarge(path: string): InvalidData {
  return new InvalidData(`images: ${path} has a side of more than ${MAX_SIDE} pixels: scale it down`, {
    code: "images-too-large",
    field: path,
  });
}
