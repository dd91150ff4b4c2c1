import { join } from "node:path";
import { encode as encodeBmp } from "bmp-ts";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { describe, expect, it } from "vitest";
import type { Dataset } from "../src/dataset.js";
import { type DatasetSettings, loadDataset } from "../src/datasets/index.js";
import { decodePicture, TooLarge } from "../src/datasets/picture.js";
import { InvalidData } from "../src/foundation/errors.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { expectRejection } from "./support/errors.js";
import { scratchFolder } from "./support/files.js";

const { folder: scratch, file } = scratchFolder();
const load = (data: object): Promise<Dataset> =>
  loadDataset(parseExperiment({ data }).data as DatasetSettings);
const refused = (data: object, code: string) => expectRejection(load(data), InvalidData, { code });

describe("folders of images", () => {
  const png = (values: readonly number[], width = 2) => {
    const picture = new PNG({ width, height: values.length / 4 / width });
    picture.data.set(values);
    return PNG.sync.write(picture);
  };
  const grey = (value: number) => png(Array.from({ length: 16 }, (_, k) => (k % 4 === 3 ? 255 : value)));
  const fill = (folder: string, parts: readonly string[] = [""]) => {
    for (const part of parts) {
      for (const [k, kind] of ["cat", "dog"].entries()) {
        for (let i = 0; i < 5; i++) file(join(folder, part, kind, `${i}.png`), grey(20 * i + k));
      }
    }
    return { kind: "images", path: join(scratch, folder) };
  };

  it("leave out what notebooks and file managers hide there", async () => {
    const data = fill("hidden");
    file("hidden/.ipynb_checkpoints/0-checkpoint.png", grey(1));
    file("hidden/cat/._0.png", "resource fork");
    expect((await load(data)).targets).toMatchObject({ count: 2, names: ["cat", "dog"] });
  });

  it.each([
    ["train", "val"],
    ["Train", "Test"],
    ["training", "validation"],
  ])("in %s and %s are two parts", async (...parts) => {
    const { train, test } = await load(fill(`in-${parts.join("-")}`, parts));
    expect([train.labels.length, test.labels.length]).toEqual([10, 10]);
  });

  it("with classes that some folders lack keep their numbers", async () => {
    const data = { ...fill("some"), classes: ["bird", "cat", "dog"] };
    expect([...new Set((await load(data)).train.labels)]).toEqual([1, 2]);
    await refused({ ...data, classes: ["cat"] }, "images-class-not-named");
  });

  let pictures = 0;
  const first = async (content: Buffer, channels: 1 | 3 = 1): Promise<number[]> => {
    const name = `pictures-${++pictures}`;
    for (const kind of ["a", "b"]) for (let i = 0; i < 5; i++) file(`${name}/${kind}/${i}.png`, content);
    const { train, inputShape } = await load({
      kind: "images",
      path: join(scratch, name),
      channels,
      scale: "unit",
    });
    return [
      ...train.features.slice(
        0,
        inputShape.reduce((a, b) => a * b),
      ),
    ];
  };

  it("drawn in the alpha channel are not empty", async () => {
    const shape = png([0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255]);
    expect(await first(shape)).toEqual([1, 0, 0, 1]);
    // Where colours differ, they are the picture.
    expect(await first(png([255, 255, 255, 255, 0, 0, 0, 0]))).toEqual([1, 0]);
  });

  it("of 16 bits keep them all", async () => {
    const depths = { bitDepth: 16, colorType: 0, inputColorType: 0, inputHasAlpha: false } as const;
    const picture = Object.assign(new PNG({ width: 2, height: 1, ...depths }), {
      data: Buffer.from(Uint16Array.of(1, 1023).buffer),
    });
    const [low, high] = await first(PNG.sync.write(picture, depths));
    expect(low! * 0xffff).toBeCloseTo(1, 2);
    expect(high! * 0xffff).toBeCloseTo(1023, 2);
  });

  it("are turned as the camera was held, each of the eight ways", async () => {
    // Quarters of different brightness: 0 1 / 2 3, in blocks that JPEG keeps apart.
    const width = 16;
    const data = Buffer.from(
      Array.from({ length: width * width * 4 }, (_, k) => {
        const [x, y] = [(k >> 2) % width, Math.floor((k >> 2) / width)];
        return k % 4 === 3 ? 255 : 80 * ((y < 8 ? 0 : 2) + (x < 8 ? 0 : 1));
      }),
    );
    const plain = jpeg.encode({ width, height: width, data }, 95).data;
    const withOrientation = (orientation: number, isLittle: boolean): Buffer => {
      const tiff = Buffer.alloc(26);
      tiff.write(isLittle ? "II*\0" : "MM\0*", "latin1");
      const [short, long] = isLittle
        ? [tiff.writeUInt16LE.bind(tiff), tiff.writeUInt32LE.bind(tiff)]
        : [tiff.writeUInt16BE.bind(tiff), tiff.writeUInt32BE.bind(tiff)];
      long(8, 4);
      short(1, 8);
      short(0x0112, 10);
      short(3, 12);
      long(1, 14);
      short(orientation, 18);
      const segment = Buffer.concat([Buffer.from("\xff\xe1\0\0Exif\0\0", "latin1"), tiff]);
      segment.writeUInt16BE(segment.length - 2, 2);
      return Buffer.concat([plain.subarray(0, 2), segment, plain.subarray(2)]);
    };
    const quarters = async (bytes: Buffer) => {
      const { data } = await decodePicture(bytes);
      return [
        [4, 4],
        [12, 4],
        [4, 12],
        [12, 12],
      ].map(([x, y]) => Math.round(data[4 * (y! * width + x!)]! / 80));
    };
    const upright: Record<number, number[]> = {
      ...{ 1: [0, 1, 2, 3], 2: [1, 0, 3, 2], 3: [3, 2, 1, 0], 4: [2, 3, 0, 1] },
      ...{ 5: [0, 2, 1, 3], 6: [2, 0, 3, 1], 7: [3, 1, 2, 0], 8: [1, 3, 0, 2] },
    };
    for (const [orientation, expected] of Object.entries(upright)) {
      for (const isLittle of [true, false]) {
        expect(await quarters(withOrientation(Number(orientation), isLittle))).toEqual(expected);
      }
    }
    expect(await quarters(plain)).toEqual([0, 1, 2, 3]);
    expect(await quarters(withOrientation(99, true))).toEqual([0, 1, 2, 3]);
  });

  /** The left half black and the right half white, 4 × 2 pixels. */
  const halves = Array.from({ length: 32 }, (_, k) => (k % 4 === 3 || (k >> 2) % 4 >= 2 ? 255 : 0));
  // By Chromium, without loss.
  const webp = "UklGRiAAAABXRUJQVlA4TBMAAAAvA0AAAA8w//M///MfeChDRP8DAA==";
  const bmp = () => {
    // Of bmp-ts, which takes opacity, blue, green and red.
    const data = Buffer.from(halves.map((_, k) => halves[k - (k % 4) + 3 - (k % 4)]!));
    return Buffer.from(
      encodeBmp({ data, width: 4, height: 2, bitPP: 24 } as Parameters<typeof encodeBmp>[0]).data,
    );
  };

  it.each([
    ["webp", () => Buffer.from(webp, "base64")],
    ["bmp", bmp],
    ["jfif", () => jpeg.encode({ width: 4, height: 2, data: Buffer.from(halves) }, 100).data],
  ])("in %s are read", async (ending, content) => {
    for (const kind of ["a", "b"])
      for (let i = 0; i < 5; i++) file(`${ending}/${kind}/${i}.${ending}`, content());
    const { train, inputShape } = await load({
      kind: "images",
      path: join(scratch, ending),
      channels: 1,
      scale: "unit",
    });
    expect(inputShape).toEqual([2, 4, 1]);
    for (const [k, value] of [0, 0, 1, 1, 0, 0, 1, 1].entries())
      expect(train.features[k]).toBeCloseTo(value, 1);
  });

  it.each(["gif", "tif", "tiff", "heic", "avif"])(
    "in %s are named, and what to convert them to",
    async (ending) => {
      const data = fill(`other-${ending}`);
      file(`other-${ending}/dog/7.${ending}`, "anything");
      const { message, field } = await refused(data, "images-other-format");
      expect(field).toMatch(new RegExp(`dog/7\\.${ending}$`));
      expect(message).toContain("convert it to PNG or JPEG");
    },
  );

  const sound: [string, () => Buffer][] = [
    ["png", () => grey(20)],
    ["jpg", () => jpeg.encode({ width: 4, height: 2, data: Buffer.from(halves) }, 90).data],
    ["webp", () => Buffer.from(webp, "base64")],
    ["bmp", bmp],
  ];
  it.each(sound)("in %s that are cut off anywhere are named, and say so", async (ending, content) => {
    const whole = content();
    // Rows of a BMP may end without their filling.
    for (let length = 0; length < whole.length - 3; length += 7) {
      const reason = await decodePicture(whole.subarray(0, length)).then(
        () => "nothing",
        ({ message }: Error) => message,
      );
      expect(reason, `${length} bytes`).toMatch(/^it is (empty|cut off|damaged|no PNG)/);
      expect(reason).not.toMatch(/undefined|finished stream/);
    }
    const data = fill(`cut-${ending}`);
    const path = file(`cut-${ending}/dog/9.${ending}`, whole.subarray(0, whole.length >> 1));
    await refused(data, "images-not-decoded").then(({ field }) => expect(field).toBe(path));
    file(`cut-${ending}/dog/9.${ending}`, "");
    expect((await refused(data, "images-not-decoded")).message).toContain(
      `${path} cannot be read: it is empty`,
    );
  });

  it.each(sound)("in %s with any byte changed are decoded, or refused in a sentence", async (_, content) => {
    const whole = content();
    for (let at = 0; at < whole.length; at += 3) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0xff;
      const outcome = await decodePicture(damaged, 4096).then(
        ({ data }) => typeof data.length,
        (error: Error) => (error instanceof TooLarge ? "number" : error.message),
      );
      expect(outcome).toMatch(/^number$|^it is [^\n]+$/);
    }
  });
});

describe("colour images in IDX files", () => {
  const idx = (dimensions: readonly number[], values: readonly number[]): Buffer => {
    const header = Buffer.alloc(4 + 4 * dimensions.length);
    header.writeUInt32BE(0x0800 + dimensions.length);
    for (const [k, side] of dimensions.entries()) header.writeUInt32BE(side, 4 + 4 * k);
    return Buffer.concat([header, Buffer.from(values)]);
  };
  const write = (folder: string, sides: readonly number[]) => {
    const count = 10;
    const numbers = sides.reduce((product, side) => product * side, count);
    file(
      `${folder}/train-images-idx4-ubyte`,
      idx(
        [count, ...sides],
        Array.from({ length: numbers }, (_, k) => k % 256),
      ),
    );
    file(
      `${folder}/train-labels-idx1-ubyte`,
      idx(
        [count],
        Array.from({ length: count }, (_, k) => k % 2),
      ),
    );
    return { kind: "idx", path: join(scratch, folder) };
  };

  it("are read, and scaled by channel", async () => {
    const { train, inputShape } = await load(write("colour", [2, 4, 3]));
    expect(inputShape).toEqual([2, 4, 3]);
    expect(train.features[5]).toBeCloseTo(5 / 255, 6);
    const { scaling } = await load({ ...write("colour", [2, 4, 3]), scale: "standard" });
    expect(scaling!.mean).toHaveLength(3);
  });

  it("with channels first are refused", async () => {
    await refused(write("first", [3, 8, 8]), "idx-channels");
  });
});
