/** Photographs as they were seen: cameras write how they were held. */

/** Pixels row by row, four numbers each. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue and opacity. */
  readonly data: Uint8Array | Uint8ClampedArray | Uint16Array;
}

/** How a camera was held, 1 to 8; 1 is upright. @see Exif 2.32, tag 0x0112 */
export function orientationOf(bytes: Buffer): number {
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
export function upright<Picture extends Pixels>(picture: Picture, orientation: number): Picture {
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
