/** One picture of a file as numbers, upright. */
import { orientationOf, type Pixels, upright } from "./orientation.js";

export interface Picture extends Pixels {
  /** The value of white: 255, or 65,535 where a file has 16 bits. */
  readonly white: number;
}

/** Endings of the names of pictures that are read. */
export const PICTURE_NAME = /\.(png|jpe?g|jfif|webp|bmp)$/i;
/** Endings of the names of pictures that must be converted first. */
export const OTHER_PICTURE_NAME = /\.(gif|tiff?|hei[cf]|avif|jp2|p[bgpn]m)$/i;

interface PictureFormat {
  /** What a file of this format begins with, as Latin-1. */
  readonly start: RegExp;
  /** Width and height by the header; undefined where it has no place for them. */
  sides(bytes: Buffer): readonly [number, number] | undefined;
  /** @throws Error a damaged file */
  decode(bytes: Buffer): Promise<Picture>;
}

/** Where a PNG says how many bits a value has. */
const PNG_DEPTH_AT = 24;

const png: PictureFormat = {
  start: /^\x89PNG/,
  sides: (bytes) => [bytes.readUInt32BE(16), bytes.readUInt32BE(20)],
  async decode(bytes) {
    const { PNG } = await import("pngjs");
    const isDeep = bytes[PNG_DEPTH_AT] === 16;
    const { width, height, data } = PNG.sync.read(bytes, { skipRescale: isDeep });
    return { width, height, data, white: isDeep ? 0xffff : 0xff };
  },
};

/** Begins the pixels of a JPEG, and ends the file. */
const [JPEG_SCAN, JPEG_END] = ["\xff\xda", "\xff\xd9"];

const jpeg: PictureFormat = {
  start: /^\xff\xd8/,
  // Its decoder has limits of its own.
  sides: () => undefined,
  async decode(bytes) {
    // The decoder takes missing pixels for grey ones.
    if (bytes.lastIndexOf(JPEG_END, undefined, "latin1") < bytes.lastIndexOf(JPEG_SCAN, undefined, "latin1"))
      throw new RangeError("the end is missing");
    const { default: decoder } = await import("jpeg-js");
    const picture = decoder.decode(bytes, { useTArray: true, formatAsRGBA: true });
    return upright({ ...picture, white: 0xff }, orientationOf(bytes));
  },
};

const bmp: PictureFormat = {
  start: /^BM/,
  sides: (bytes) => [Math.abs(bytes.readInt32LE(18)), Math.abs(bytes.readInt32LE(22))],
  async decode(bytes) {
    const { decode } = await import("bmp-ts");
    const { width, height, data } = decode(bytes, { toRGBA: true });
    return { width, height, data, white: 0xff };
  },
};

const webp: PictureFormat = {
  start: /^RIFF....WEBP/s,
  sides(bytes) {
    const kind = bytes.toString("latin1", 12, 16);
    if (kind === "VP8X") return [bytes.readUIntLE(24, 3) + 1, bytes.readUIntLE(27, 3) + 1];
    if (kind === "VP8L") {
      const bits = bytes.readUInt32LE(21);
      return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
    }
    return [bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff];
  },
  async decode(bytes) {
    const { default: decoder } = await import("@cwasm/webp");
    const { width, height, data } = decoder.decode(bytes);
    return { width, height, data, white: 0xff };
  },
};

const formats = [png, jpeg, bmp, webp];

/**
 * @param mostPixels of a side; larger pictures are refused before they are decoded
 * @throws Error says what is wrong with the file
 */
export async function decodePicture(bytes: Buffer, mostPixels = Number.POSITIVE_INFINITY): Promise<Picture> {
  if (bytes.length === 0) throw new Error("it is empty");
  const start = bytes.toString("latin1", 0, 16);
  const format = formats.find((each) => each.start.test(start));
  if (!format) throw new Error("it is no PNG, JPEG, WebP or BMP");
  let picture: Picture;
  try {
    const sides = format.sides(bytes);
    if (sides && Math.max(...sides) > mostPixels) throw new TooLarge();
    picture = await format.decode(bytes);
  } catch (cause) {
    if (cause instanceof TooLarge) throw cause;
    throw new Error(damageIn(cause as Error), { cause });
  }
  return picture;
}

/** What is wrong with a file, by the error of its decoder. */
function damageIn(error: Error): string {
  // pngjs waits for more in vain; the others read beyond the end.
  if (error instanceof RangeError || /read requests/.test(error.message)) return "it is cut off";
  // Decoders stumble over nonsense that they do not look for.
  if (error instanceof TypeError) return "it is damaged";
  return `it is damaged: ${error.message.split("\n")[0]}`;
}

/** A picture whose side is longer than may be. */
export class TooLarge extends Error {}

/**
 * Numbers in [0, 1] of a picture, one or three per pixel; grey is the luma of ITU-R BT.601. Opacity is left out, but where
 * all pixels have one colour: there it is what the picture shows.
 */
export function writePixels(out: Float32Array, start: number, picture: Picture, channels: 1 | 3): void {
  const { data, white } = picture;
  const isDrawnInOpacity = hasOneColour(data) && !hasOneOpacity(data);
  for (let from = 0, to = start; from < data.length; from += 4) {
    const opacity = data[from + 3]!;
    const [red, green, blue] = isDrawnInOpacity
      ? [opacity, opacity, opacity]
      : [data[from]!, data[from + 1]!, data[from + 2]!];
    if (channels === 1) {
      out[to++] = (0.299 * red + 0.587 * green + 0.114 * blue) / white;
    } else {
      out[to++] = red / white;
      out[to++] = green / white;
      out[to++] = blue / white;
    }
  }
}

const hasOneColour = (data: Picture["data"]): boolean =>
  data.every((value, k) => k % 4 === 3 || value === data[k % 4]);
const hasOneOpacity = (data: Picture["data"]): boolean =>
  data.every((value, k) => k % 4 !== 3 || value === data[3]);
