import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { afterAll, describe, expect, test } from "vitest";
import type { Dataset } from "../src/dataset.js";
import { sizeOf } from "../src/dataset.js";
import { type DatasetSettings, datasetSettings, loadDataset } from "../src/datasets/index.js";
import { holdOut } from "../src/datasets/parts.js";
import { InvalidData } from "../src/foundation/errors.js";
import { type Expected, expectRejection } from "./support/errors.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-data-"));
afterAll(() => rmSync(scratch, { recursive: true }));

let folders = 0;
/** A new folder with these files; a value that is an object is a folder in it. */
type Files = { [name: string]: Uint8Array | string | Files };
function folder(files: Files, path = join(scratch, `folder-${folders++}`)): string {
  mkdirSync(path, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === "string" || content instanceof Uint8Array)
      writeFileSync(join(path, name), content);
    else folder(content, join(path, name));
  }
  return path;
}
const file = (content: Uint8Array | string) => join(folder({ file: content }), "file");

const load = async (settings: { kind: string } & Record<string, unknown>): Promise<Dataset> =>
  loadDataset(datasetSettings.parse(settings) as DatasetSettings);

async function refuses(settings: { kind: string } & Record<string, unknown>, expected: Expected) {
  return expectRejection(load(settings), InvalidData, expected);
}

function idxFile(sides: number[], values: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * sides.length + values.length);
  bytes.set([0, 0, 8, sides.length]);
  const view = new DataView(bytes.buffer);
  for (const [i, side] of sides.entries()) view.setUint32(4 + 4 * i, side);
  bytes.set(values, 4 + 4 * sides.length);
  return bytes;
}

describe("idx", () => {
  /** Image i has 2 × 3 pixels of value i; its label is i mod 4. */
  const pair = (count: number, first = 0) => ({
    images: idxFile(
      [count, 2, 3],
      Uint8Array.from({ length: 6 * count }, (_, k) => first + Math.floor(k / 6)),
    ),
    labels: idxFile(
      [count],
      Uint8Array.from({ length: count }, (_, i) => (first + i) % 4),
    ),
  });
  const single = (count: number, zip = (bytes: Uint8Array): Uint8Array => bytes) => {
    const { images, labels } = pair(count);
    return { "t10k-images-idx3-ubyte": zip(images), "t10k-labels-idx1-ubyte": zip(labels) };
  };

  test("of one pair the last fifth is held out, gzip'd or not, named by folder or by file", async () => {
    const plain = folder(single(10));
    const zipped = folder(single(10, gzipSync));
    const named = join(plain, "t10k-images-idx3-ubyte");
    for (const path of [plain, zipped, named]) {
      const { inputShape, targets, train, test: held } = await load({ kind: "idx", path });
      expect(inputShape).toEqual([2, 3, 1]);
      expect(targets).toEqual({ kind: "classes", count: 4 });
      expect(Array.from(train.labels)).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
      expect(Array.from(held.labels)).toEqual([0, 1]);
      expect(train.features[6 * 7]).toBeCloseTo(7 / 255, 7);
      expect(held.features[6]).toBeCloseTo(9 / 255, 7);
    }
  });

  test("of two pairs one is for training and one for testing, and both can be cut", async () => {
    const [a, b] = [pair(6), pair(4, 100)];
    const path = folder({
      "train-images-idx3-ubyte.gz": gzipSync(a.images),
      "train-labels-idx1-ubyte.gz": gzipSync(a.labels),
      "t10k-images-idx3-ubyte": b.images,
      "t10k-labels-idx1-ubyte": b.labels,
    });
    const all = await load({ kind: "idx", path });
    expect([all.train.labels.length, all.test.labels.length]).toEqual([6, 4]);
    expect(all.test.features[0]).toBeCloseTo(100 / 255, 7);
    const cut = await load({ kind: "idx", path, trainExamples: 3, testExamples: 100 });
    expect([cut.train.labels.length, cut.test.labels.length]).toEqual([3, 4]);
    expect(cut.train.features).toHaveLength(18);
  });

  test("standard scale gives mean 0 and variance 1", async () => {
    const { train } = await load({ kind: "idx", path: folder(single(10)), scale: "standard" });
    const mean = train.features.reduce((sum, value) => sum + value, 0) / train.features.length;
    const variance =
      train.features.reduce((sum, value) => sum + (value - mean) ** 2, 0) / train.features.length;
    expect(mean).toBeCloseTo(0, 5);
    expect(variance).toBeCloseTo(1, 5);
  });

  const broken: [string, Files, string][] = [
    ["nothing there", {}, "idx-file-missing"],
    ["no labels", { "t10k-images-idx3-ubyte": pair(3).images }, "data-file-unreadable"],
    ["cut-off images", { ...single(3), "t10k-images-idx3-ubyte": pair(3).images.slice(0, -1) }, "idx-length"],
    [
      "bytes too many",
      { ...single(3), "t10k-labels-idx1-ubyte": new Uint8Array([...pair(3).labels, 1]) },
      "idx-length",
    ],
    [
      "a cut-off gzip file",
      { ...single(3), "t10k-images-idx3-ubyte": gzipSync(pair(3).images).subarray(0, 30) },
      "data-file-damaged",
    ],
    ["another format", { ...single(3), "t10k-images-idx3-ubyte": "P5 28 28 255 and so on" }, "idx-header"],
    ["an empty file", { ...single(3), "t10k-labels-idx1-ubyte": "" }, "idx-header"],
    ["labels of other images", { ...single(3), "t10k-labels-idx1-ubyte": pair(4).labels }, "idx-label-count"],
    ["one image", single(1), "idx-too-few-images"],
  ];
  test.each(broken)("%s is refused", async (_what, files, code) => {
    await refuses({ kind: "idx", path: folder(files) }, { code });
  });

  test("a folder that is not there is refused with where to get the data", async () => {
    const path = join(scratch, "nowhere");
    const { message } = await refuses({ kind: "idx", path }, { code: "data-folder-unreadable", field: path });
    expect(message).toMatch(/https:/);
  });
});

describe("cifar", () => {
  /** Image i has the label i mod 10, red i, green 100 + i and blue 200. */
  const batch = (count: number) =>
    Uint8Array.from({ length: 3073 * count }, (_, k) => {
      const [image, at] = [Math.floor(k / 3073), k % 3073];
      if (at === 0) return image % 10;
      return [image, 100 + image, 200][Math.floor((at - 1) / 1024)]!;
    });

  test("planes become channels, and batches follow one another", async () => {
    const path = folder({
      "data_batch_2.bin": batch(2),
      "data_batch_1.bin": batch(3),
      "test_batch.bin": batch(1),
    });
    const { inputShape, train, test: held } = await load({ kind: "cifar", path, scale: "unit" });
    expect(inputShape).toEqual([32, 32, 3]);
    expect(Array.from(train.labels)).toEqual([0, 1, 2, 0, 1]);
    expect(held.labels).toHaveLength(1);
    const pixel = (image: number, at: number) =>
      Array.from(train.features.subarray((image * 1024 + at) * 3, (image * 1024 + at) * 3 + 3), (value) =>
        Math.round(255 * value),
      );
    expect(pixel(2, 0)).toEqual([2, 102, 200]);
    expect(pixel(4, 1023)).toEqual([1, 101, 200]);
  });

  test("standard scale is per channel, and a channel that never changes becomes 0", async () => {
    const path = folder({ "data_batch_1.bin": batch(5), "test_batch.bin": batch(2) });
    const { train } = await load({ kind: "cifar", path });
    for (const [channel, variance] of [1, 1, 0].entries()) {
      const values = train.features.filter((_, k) => k % 3 === channel);
      expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0, 4);
      expect(values.reduce((sum, value) => sum + value ** 2, 0) / values.length).toBeCloseTo(variance, 4);
    }
  });

  const broken: [string, Files, string][] = [
    ["an empty folder", {}, "cifar-files-missing"],
    ["no test batch", { "data_batch_1.bin": batch(1) }, "cifar-files-missing"],
    [
      "a cut-off batch",
      { "data_batch_1.bin": batch(2).slice(0, 5000), "test_batch.bin": batch(1) },
      "cifar-length",
    ],
    [
      "a label above 9",
      { "data_batch_1.bin": batch(2).fill(77, 3073, 3074), "test_batch.bin": batch(1) },
      "cifar-label",
    ],
  ];
  test.each(broken)("%s is refused", async (_what, files, code) => {
    await refuses({ kind: "cifar", path: folder(files) }, { code });
  });
});

describe("csv", () => {
  const rows = Array.from({ length: 20 }, (_, i) => `${i},${i % 2 ? "oak" : "birch"},${-i / 2}`);
  const table = ["height,tree,depth", ...rows].join("\n");

  test("columns beside the class are features, and words are classes in alphabetical order", async () => {
    const {
      inputShape,
      targets,
      train,
      test: held,
    } = await load({
      kind: "csv",
      path: file(`\uFEFF${table}\r\n`),
      label: "tree",
      scale: "none",
    });
    expect(inputShape).toEqual([2]);
    expect(targets).toEqual({ kind: "classes", count: 2, names: ["birch", "oak"] });
    expect([train.labels.length, held.labels.length]).toEqual([16, 4]);
    for (const { features, labels } of [train, held]) {
      labels.forEach((label: number, i: number) => {
        expect(features[2 * i]! % 2).toBe(label);
        expect(features[2 * i + 1]! + features[2 * i]! / 2).toBe(0);
      });
    }
  });

  test("numbers as classes are in order of value, and rows can have a shape", async () => {
    const path = file(
      Array.from({ length: 30 }, (_, i) => [1, 2, 3, 4, i % 3 ? 10 : 9].join(";")).join("\n"),
    );
    const { targets, inputShape } = await load({
      kind: "csv",
      path,
      header: false,
      delimiter: ";",
      shape: [2, 2, 1],
    });
    expect(targets.names).toEqual(["9", "10"]);
    expect(inputShape).toEqual([2, 2, 1]);
  });

  test("test examples can have a file of their own", async () => {
    const path = file(table);
    const { train, test: held } = await load({ kind: "csv", path, testPath: path, label: 1 });
    expect([train.labels.length, held.labels.length]).toEqual([20, 20]);
    expect(train.features.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 4);
  });

  const broken: [string, string, object, string][] = [
    ["no rows", "a,b\n", {}, "csv-empty"],
    ["a word among the numbers", `${table}\n1,oak,deep\n`, { label: "tree" }, "csv-not-a-number"],
    ["an empty field", `${table}\n1,oak,\n`, { label: "tree" }, "csv-not-a-number"],
    ["a short row", `${table}\n1,oak\n`, { label: "tree" }, "csv-row-length"],
    ["an unknown column", table, { label: "bush" }, "csv-label-column"],
    ["a column beyond the last", table, { label: 3 }, "csv-label-column"],
    ["a shape that does not fit", table, { label: "tree", shape: [3] }, "csv-shape"],
    ["one column", "a\n1\n2\n", {}, "csv-one-column"],
    ["too few rows to hold any out", "a,b\n1,0\n", {}, "csv-too-few-rows"],
  ];
  test.each(broken)("%s is refused", async (_what, content, settings, code) => {
    await refuses({ kind: "csv", path: file(content), ...settings }, { code });
  });

  test("a row of another length than those before it is named with its line", async () => {
    const path = file(`${table}\n1,oak\n`);
    const { message } = await refuses({ kind: "csv", path }, { field: `${path}:22` });
    expect(message).toContain(`line 22 of ${path} has 2 columns, and the lines before it 3:`);
  });

  test("a field that is not a number is named with its line and column", async () => {
    const path = file(`${table}\n1,oak,deep\n`);
    const { message } = await refuses({ kind: "csv", path, label: "tree" }, { field: `${path}:22` });
    expect(message).toContain('column depth is "deep"');
  });
});

describe("text", () => {
  const story = "the cat sat on the mat 🐈\n".repeat(20);

  test("labels are the text one character later, and the end is held out", async () => {
    const dataset = await load({ kind: "text", path: file(story), sequenceLength: 7 });
    const { targets, train, test: held, inputShape } = dataset;
    expect(inputShape).toEqual([7]);
    expect(targets.names).toEqual(
      [..." \naceh mnost🐈"]
        .sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)
        .filter((c, i, all) => c !== all[i - 1]),
    );
    const words = (values: ArrayLike<number>) =>
      Array.from(values, (token) => targets.names![token]).join("");
    expect(words(train.features)).toBe(Array.from(story).slice(0, train.features.length).join(""));
    expect(words(train.labels)).toBe(
      Array.from(story)
        .slice(1, 1 + train.labels.length)
        .join(""),
    );
    const cut = Math.round(Array.from(story).length * 0.9);
    expect(words(held.features)).toBe(
      Array.from(story)
        .slice(cut, cut + held.features.length)
        .join(""),
    );
  });

  test("training examples can overlap", async () => {
    const { train } = await load({ kind: "text", path: file(story), sequenceLength: 8, stride: 3 });
    expect(train.features.subarray(8, 13)).toEqual(train.features.subarray(3, 8));
  });

  test.each([
    ["too short a text", "short", {}, "text-too-short"],
    ["an empty file", "", {}, "text-too-short"],
    ["bytes that are not UTF-8", Uint8Array.of(0x61, 0xff, 0xfe), {}, "text-encoding"],
    [
      "too many characters",
      String.fromCodePoint(...Array.from({ length: 5000 }, (_, i) => 0x4e00 + i)),
      {},
      "text-vocabulary",
    ],
  ])("%s is refused", async (_what, content, settings, code) => {
    await refuses({ kind: "text", path: file(content), ...settings }, { code });
  });
});

describe("images", () => {
  const png = (red: number, side = 4) => {
    const picture = new PNG({ width: side, height: side });
    for (let k = 0; k < side * side; k++) picture.data.set([red, 10, 250, 255], 4 * k);
    return PNG.sync.write(picture);
  };
  const jpg = (red: number, side = 4) =>
    jpeg.encode(
      {
        width: side,
        height: side,
        data: Buffer.from(Array.from({ length: side * side }, () => [red, red, red, 255]).flat()),
      },
      100,
    ).data;
  const some = (count: number, start: number): Files =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}.png`, png(start + i)]));

  test("classes are folders in order of their names, and each gives its share to the test part", async () => {
    const path = folder({ oak: some(10, 100), birch: some(5, 0), "notes.txt": "left alone", empty: {} });
    const { targets, inputShape, train, test: held } = await load({ kind: "images", path, scale: "unit" });
    expect(targets).toEqual({ kind: "classes", count: 2, names: ["birch", "oak"] });
    expect(inputShape).toEqual([4, 4, 3]);
    const counts = (labels: ArrayLike<number>) =>
      [0, 1].map((label) => Array.from(labels).filter((one) => one === label).length);
    expect(counts(train.labels)).toEqual([4, 8]);
    expect(counts(held.labels)).toEqual([1, 2]);
    train.labels.forEach((label: number, i: number) => {
      const [red, green, blue] = Array.from(train.features.subarray(48 * i, 48 * i + 3), (value) =>
        Math.round(255 * value),
      );
      expect(red! >= 100).toBe(label === 1);
      expect([green, blue]).toEqual([10, 250]);
    });
  });

  test("train and test folders are taken as they are; JPEG and grey work too", async () => {
    const path = folder({
      train: { a: { "1.jpg": jpg(40) }, b: { "1.jpeg": jpg(200), "2.PNG": png(0) } },
      test: { b: { "1.jpg": jpg(120) } },
    });
    const {
      inputShape,
      train,
      test: held,
    } = await load({ kind: "images", path, scale: "unit", channels: 1 });
    expect(inputShape).toEqual([4, 4, 1]);
    expect(Array.from(train.labels)).toEqual([0, 1, 1]);
    expect(Array.from(held.labels)).toEqual([1]);
    expect(Math.abs(255 * train.features[0]! - 40)).toBeLessThan(2);
    expect(Math.abs(255 * held.features[0]! - 120)).toBeLessThan(2);
  });

  const huge = Buffer.from(png(1));
  huge.writeUInt32BE(100_000, 16);
  const broken: [string, Files, string][] = [
    ["no images", { "a.png": png(1) }, "images-empty"],
    ["sizes that differ", { a: { "1.png": png(1), "2.png": png(1, 5) } }, "images-sizes-differ"],
    ["a cut-off PNG", { a: { "1.png": png(1).subarray(0, 40) } }, "images-not-decoded"],
    ["a cut-off JPEG", { a: { "1.jpg": jpg(1).subarray(0, 20) } }, "images-not-decoded"],
    ["an empty file", { a: { "1.jpg": "" } }, "images-not-decoded"],
    ["a side that is too long", { a: { "1.png": huge } }, "images-too-large"],
    ["one image", { a: { "1.png": png(1) } }, "images-too-few"],
    [
      "a class only for testing",
      { train: { a: some(1, 1) }, test: { b: some(1, 1) } },
      "images-unknown-class",
    ],
  ];
  test.each(broken)("%s is refused", async (_what, files, code) => {
    await refuses({ kind: "images", path: folder(files) }, { code });
  });

  test("a file instead of a folder is refused", async () => {
    const path = file("x");
    await refuses({ kind: "images", path }, { code: "images-not-a-folder", field: path });
  });
});

describe("a module of the user's own", () => {
  const path = new URL("./support/user-modules.mjs", import.meta.url).pathname;

  test("exports the data, or a function that loads it", async () => {
    const ready = await load({ kind: "module", path, export: "data" });
    expect(ready.train.labels).toHaveLength(8);
    const loaded = await load({ kind: "module", path, export: "loadData", options: { count: 3 } });
    expect(loaded.name).toBe("mine");
    expect(loaded.train.labels).toHaveLength(3);
  });

  test.each([
    ["shape", "inputShape"],
    ["classes", "classes"],
    ["features", "train.features"],
    ["count", "test.features"],
    ["labels", "test.labels"],
  ])("with wrong %s is refused", async (name, field) => {
    await refuses({ kind: "module", path, export: name }, { code: "module-dataset", field });
  });
});

test("holding out takes the same share of each class, to within one, and always the same examples", () => {
  const labels = Array.from({ length: 997 }, (_, i) => (i * i) % 7);
  for (const share of [0.1, 0.2, 0.5, 0.93]) {
    const marks = holdOut(labels, share);
    expect(holdOut(labels, share)).toEqual(marks);
    for (const label of new Set(labels)) {
      const members = labels.flatMap((one, i) => (one === label ? [marks[i]!] : []));
      const held = members.reduce((sum, mark) => sum + mark, 0);
      expect(Math.abs(held - share * members.length)).toBeLessThan(1);
    }
  }
});

const shared = new URL("../../shared/data", import.meta.url).pathname;
if (!existsSync(shared)) console.info("../shared/data is not here: its data sets are not read");
describe.skipIf(!existsSync(shared))("data sets of ../shared", () => {
  test.each([
    [{ kind: "idx", path: join(shared, "mnist-10k") }, [28, 28, 1], 10, 8000, 2000],
    [{ kind: "cifar", path: join(shared, "cifar-10-jpeg"), scale: "unit" }, [32, 32, 3], 10, 10_000, 2000],
    [
      { kind: "csv", path: join(shared, "digits/digits.csv.gz"), header: false, shape: [8, 8, 1] },
      [8, 8, 1],
      10,
      1442,
      355,
    ],
    [{ kind: "text", path: join(shared, "text/tinyshakespeare.txt") }, [64], 65, 15_685, 1742],
  ])("%o has its known shape", async (settings, inputShape, classes, train, held) => {
    const dataset = await load(settings);
    expect(dataset.inputShape).toEqual(inputShape);
    expect(dataset.targets.count).toBe(classes);
    const counts = [dataset.train, dataset.test].map(({ features }) => features.length / sizeOf(inputShape));
    expect(counts).toEqual([train, held]);
    expect(dataset.train.features.every(Number.isFinite)).toBe(true);
  });
});
