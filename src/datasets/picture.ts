/** One PNG or JPEG file as numbers, upright. */

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue and opacity of each pixel, row by row. */
  readonly data: Uint8Array | Uint16Array;
  /** The value of white: 255, or 65,535 where a file has 16 bits. */
  readonly white: number;
}

const PNG_START = 0x89;
/** Where a PNG says how many bits a value has. */
const PNG_DEPTH_AT = 24;

/** @throws Error a damaged file */
export async function decodePicture(bytes: Buffer): Promise<Picture> {
  if (bytes[0] === PNG_START) {
    const { PNG } = await import("pngjs");
    const isDeep = bytes[PNG_DEPTH_AT] === 16;
    const { width, height, data } = PNG.sync.read(bytes, { skipRescale: isDeep });
    return { width, height, data, white: isDeep ? 0xffff : 0xff };
  }
  const { default: jpeg } = await import("jpeg-js");
  const picture = jpeg.decode(bytes, { useTArray: true, formatAsRGBA: true });
  return upright({ ...picture, white: 0xff }, orientationOf(bytes));
}

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

/** How a camera was held, 1 to 8; 1 is upright. @see Exif 2.32, tag 0x0112 */
function orientationOf(bytes: Buffer): number {
  for (let at = 2; at + 4 < bytes.length && bytes[at] === 0xff; ) {
    const [marker, length] = [bytes[at + 1]!, bytes.readUInt16BE(at + 2)];
    if (marker === 0xda) return 1;
    const segment = bytes.subarray(at + 4, at + 2 + length);
    if (marker === 0xe1 && segment.toString("latin1", 0, 6) === "Exif\0\0") {
      return orientationIn(segment.subarray(6));
    }
    at += 2 + length;
  }
  return 1;
}

const ORIENTATION = 0x0112;

/** From the first directory of a TIFF block. */
function orientationIn(tiff: Buffer): number {
  if (tiff.length < 10) return 1;
  const isLittle = tiff.toString("latin1", 0, 2) === "II";
  const short = (at: number) => (isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const first = isLittle ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  if (first + 2 > tiff.length) return 1;
  const count = short(first);
  for (let at = first + 2, k = 0; k < count && at + 10 <= tiff.length; k++, at += 12) {
    if (short(at) !== ORIENTATION) continue;
    const orientation = short(at + 8);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}

/** Turns and mirrors a picture as its orientation says. */
function upright(picture: Picture, orientation: number): Picture {
  if (orientation === 1) return picture;
  const { width, height, data } = picture;
  const isTurned = orientation >= 5;
  const [wide, high] = isTurned ? [height, width] : [width, height];
  const turned = data.slice();
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const [column, row] = isTurned ? [y, x] : [x, y];
      const isMirrored = [2, 3, 7, 8].includes(orientation);
      const isFlipped = [3, 4, 6, 7].includes(orientation);
      const from =
        4 * ((isFlipped ? height - 1 - row : row) * width + (isMirrored ? width - 1 - column : column));
      turned.set(data.subarray(from, from + 4), 4 * (y * wide + x));
    }
  }
  return { ...picture, width: wide, height: high, data: turned };
}
