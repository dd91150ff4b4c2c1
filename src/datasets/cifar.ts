import { z } from "zod";
import type { DatasetKind, Examples } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { listFolder, type Origin, readData } from "./files.js";
import { limited, partSettings, standardize } from "./parts.js";

const ORIGIN: Origin = {
  name: "cifar",
  remedy: "unpack cifar-10-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html",
};

const SIDE = 32;
const CHANNELS = 3;
const PIXELS = SIDE * SIDE;
const CLASSES = 10;
const RECORD_BYTES = 1 + CHANNELS * PIXELS;
const MAX_VALUE = 255;

const settings = z.strictObject({
  kind: z.literal("cifar"),
  path: z.string().min(1).describe("folder with data_batch_1.bin … and test_batch.bin"),
  scale: z
    .enum(["unit", "standard"])
    .default("standard")
    .describe("unit: values in [0, 1]; standard: mean 0 and variance 1 per channel over the training images"),
  ...partSettings,
});

/** CIFAR-10 in its binary form: 32 × 32 colour images of ten classes. As many training batches as there are. */
export const cifar: DatasetKind<typeof settings> = {
  settings,
  unscaled: { scale: "unit" },
  async load({ path, scale, ...limits }) {
    const names = (await listFolder(path, ORIGIN)) ?? [];
    const batches = names.filter((name) => /^data_batch_\d+\.bin(\.gz)?$/.test(name));
    const held = names.filter((name) => /^test_batch\.bin(\.gz)?$/.test(name));
    if (batches.length === 0 || held.length === 0) {
      throw new InvalidData(
        `cifar: ${path} needs data_batch_1.bin … and test_batch.bin, and has ${[...batches, ...held].join(", ") || "none of them"}; ${ORIGIN.remedy}`,
        { code: "cifar-files-missing", field: path },
      );
    }
    const read = async (files: string[]) => {
      const parts = [];
      for (const file of files) parts.push(parseCifar(await readData(`${path}/${file}`, ORIGIN), file));
      return joined(parts);
    };
    const [train, test] = [await read(batches), await read(held)];
    const scaling = scale === "standard" && standardize(train.features, test.features, CHANNELS);
    const targets = { kind: "classes", count: CLASSES } as const;
    const about = { name: "cifar", inputShape: [SIDE, SIDE, CHANNELS], targets };
    return limited({ ...about, ...(scaling && { scaling }), train, test }, limits);
  },
};

/**
 * Records of one label and three planes of 1024 bytes; the features come out as height × width × channels in [0, 1].
 *
 * @throws InvalidData not a whole number of records, or a label above 9
 */
export function parseCifar(bytes: Uint8Array, source: string): Examples {
  const count = bytes.length / RECORD_BYTES;
  if (count === 0 || !Number.isInteger(count)) {
    throw new InvalidData(
      `cifar: ${source} has ${bytes.length} bytes, not a whole number of images of ${RECORD_BYTES}: it is cut off or damaged; ${ORIGIN.remedy}`,
      { code: "cifar-length", field: source },
    );
  }
  const features = new Float32Array(count * PIXELS * CHANNELS);
  const labels = new Int32Array(count);
  for (let image = 0; image < count; image++) {
    const start = image * RECORD_BYTES;
    const label = bytes[start]!;
    if (label >= CLASSES) {
      throw new InvalidData(
        `cifar: image ${image} of ${source} has label ${label}: it is damaged, or not CIFAR-10; ${ORIGIN.remedy}`,
        { code: "cifar-label", field: source },
      );
    }
    labels[image] = label;
    for (let channel = 0; channel < CHANNELS; channel++) {
      const plane = start + 1 + channel * PIXELS;
      const to = image * PIXELS * CHANNELS + channel;
      for (let pixel = 0; pixel < PIXELS; pixel++) {
        features[to + pixel * CHANNELS] = bytes[plane + pixel]! / MAX_VALUE;
      }
    }
  }
  return { features, labels };
}

function joined(parts: readonly Examples[]): Examples {
  if (parts.length === 1) return parts[0]!;
  const features = new Float32Array(parts.reduce((sum, part) => sum + part.features.length, 0));
  const labels = new Int32Array(parts.reduce((sum, part) => sum + part.labels.length, 0));
  let feature = 0;
  let label = 0;
  for (const part of parts) {
    features.set(part.features, feature);
    labels.set(part.labels, label);
    feature += part.features.length;
    label += part.labels.length;
  }
  return { features, labels };
}
