// Convolutions over [batch, height, width, channels] as products of a few packed windows at a time: in a padded image the `run`
// = filterWidth·channels numbers that one row of a window covers follow one another, so a window is
// filterHeight such runs, one image row apart.

import {
  FROM_BIAS, FROM_C, FROM_ZERO, LINEAR, PANEL, PANEL_BYTES, ROWS_BYTES, TILE_ROWS, packPanels, packRows, tile,
} from "./tiles";
import { readEdge, writeEdge } from "./matmul";

/** Pixels of output whose windows are packed and gone through for each panel of the filter. */
const PIXEL_BLOCK: usize = 64;
const EDGE_BYTES: usize = 128;

/** Bytes of scratch for `windows` of `depth` numbers each. */
export function windowsScratchBytes(depth: usize): usize {
  return EDGE_BYTES + PIXEL_BLOCK * (8 + (depth << 2));
}

/**
 * Copies `images` images into the middle of larger ones of zeros, followed by 16 bytes that may be read and mean nothing.
 * Sizes in bytes except counts of rows.
 */
export function padImages(
  from: usize, images: usize, height: usize, rowBytes: usize,
  to: usize, top: usize, leftBytes: usize, paddedHeight: usize, paddedRowBytes: usize,
): void {
  const rightBytes = paddedRowBytes - leftBytes - rowBytes;
  const bottom = paddedHeight - top - height;
  for (let n: usize = 0; n < images; n++) {
    memory.fill(to, 0, top * paddedRowBytes);
    to += top * paddedRowBytes;
    for (let y: usize = 0; y < height; y++) {
      if (leftBytes) memory.fill(to, 0, leftBytes);
      memory.copy(to + leftBytes, from, rowBytes);
      if (rightBytes) memory.fill(to + leftBytes + rowBytes, 0, rightBytes);
      from += rowBytes;
      to += paddedRowBytes;
    }
    memory.fill(to, 0, bottom * paddedRowBytes);
    to += bottom * paddedRowBytes;
  }
}

/** Packs a filter [filterHeight·run][outChannels] for `windows`; `to` takes panels of 32 bytes × depth. */
export function packFilter(filter: usize, depth: usize, outChannels: usize, to: usize): void {
  packPanels(filter, outChannels << 2, depth, outChannels, to);
}

/**
 * Packs the part of a filter that one phase of the gradient with respect to the input sees, transposed:
 * taps `firstY`, `firstY + strideY`, … backwards, likewise for x, channels exchanged.
 * In: [filterHeight][filterWidth][inChannels][outChannels]. Out: panels of [tapsY·tapsX·outChannels][8] over inChannels.
 */
export function packFilterPhase(
  filter: usize, filterHeight: usize, filterWidth: usize, inChannels: usize, outChannels: usize,
  firstY: usize, firstX: usize, strideY: usize, strideX: usize, to: usize,
): void {
  const tapsY = (filterHeight - firstY + strideY - 1) / strideY;
  const tapsX = (filterWidth - firstX + strideX - 1) / strideX;
  for (let j: usize = 0; j < inChannels; j += PANEL) {
    const width = min(PANEL, inChannels - j);
    for (let ty = tapsY; ty-- > 0; ) {
      for (let tx = tapsX; tx-- > 0; ) {
        const ky = firstY + ty * strideY, kx = firstX + tx * strideX;
        const from = filter + ((((ky * filterWidth + kx) * inChannels + j) * outChannels) << 2);
        for (let o: usize = 0; o < outChannels; o++) {
          for (let i: usize = 0; i < PANEL; i++) {
            store<f32>(to + (i << 2), i < width ? load<f32>(from + ((i * outChannels + o) << 2)) : 0);
          }
          to += PANEL_BYTES;
        }
      }
    }
  }
}

/**
 * out(n, y, x) = bias + Σ window(n, y, x)·filter, for every image n and pixel (y, x).
 * All distances in bytes: `…Image` from image to image, `…Row` from output row to output row, `…Pixel` from output
 * pixel to output pixel, `inSegment` from one row of a window to the next.
 *
 * @param packed panels of [segments·run][8]
 * @param bias `outChannels` rounded up to panels, or 0
 */
export function windows(
  input: usize, inImage: usize, inRow: usize, inPixel: usize, inSegment: usize,
  out: usize, outImage: usize, outRow: usize, outPixel: usize,
  images: usize, height: usize, width: usize,
  segments: usize, run: usize, packed: usize, outChannels: usize,
  bias: usize, activation: i32, scratch: usize,
): void {
  const edge = scratch;
  const addresses = scratch + EDGE_BYTES;
  const packedWindows = addresses + PIXEL_BLOCK * 8;
  const depth = segments * run;
  const tileBytes = depth * ROWS_BYTES;
  const pixels = images * height * width;
  const start = bias ? FROM_BIAS : FROM_ZERO;
  let n: usize = 0, y: usize = 0, x: usize = 0;
  for (let first: usize = 0; first < pixels; first += PIXEL_BLOCK) {
    const count = min(PIXEL_BLOCK, pixels - first);
    let from = input + n * inImage + y * inRow + x * inPixel;
    let to = out + n * outImage + y * outRow + x * outPixel;
    for (let i: usize = 0; i < count; i++) {
      store<u32>(addresses + (i << 3), <u32>from);
      store<u32>(addresses + (i << 3), <u32>to, 4);
      from += inPixel;
      to += outPixel;
      if (++x == width) {
        x = 0;
        if (++y == height) {
          y = 0;
          n++;
        }
        from = input + n * inImage + y * inRow;
        to = out + n * outImage + y * outRow;
      }
    }
    let packedTile = packedWindows;
    for (let i: usize = 0; i < count; i += TILE_ROWS) {
      const p = addresses + (i << 3);
      const rows = min(TILE_ROWS, count - i);
      const a0 = <usize>load<u32>(p);
      packRows(
        a0,
        rows > 1 ? <usize>load<u32>(p, 8) : a0,
        rows > 2 ? <usize>load<u32>(p, 16) : a0,
        rows > 3 ? <usize>load<u32>(p, 24) : a0,
        segments, inSegment, run, packedTile,
      );
      packedTile += tileBytes;
    }
    let panel = packed;
    for (let j: usize = 0; j < outChannels; j += PANEL) {
      const columns = min(PANEL, outChannels - j);
      const jBytes = j << 2;
      packedTile = packedWindows;
      for (let i: usize = 0; i < count; i += TILE_ROWS) {
        const p = addresses + (i << 3);
        const rows = min(TILE_ROWS, count - i);
        if (columns == PANEL) {
          tile(
            packedTile, ROWS_BYTES, panel, depth,
            <usize>load<u32>(p, 4) + jBytes,
            rows > 1 ? <usize>load<u32>(p, 12) + jBytes : edge,
            rows > 2 ? <usize>load<u32>(p, 20) + jBytes : edge,
            rows > 3 ? <usize>load<u32>(p, 28) + jBytes : edge,
            start, bias + jBytes, activation,
          );
        } else {
          tile(
            packedTile, ROWS_BYTES, panel, depth, edge, edge + 32, edge + 64, edge + 96,
            start, bias + jBytes, activation,
          );
          for (let r: usize = 0; r < rows; r++) {
            writeEdge(edge + r * PANEL_BYTES, <usize>load<u32>(p + (r << 3), 4) + jBytes, 0, 1, columns);
          }
        }
        packedTile += tileBytes;
      }
      panel += depth * PANEL_BYTES;
    }
  }
}

/** Bytes of scratch for `filterGradient` over `images` images at a time. */
export function filterGradientScratchBytes(images: usize, outHeight: usize, outWidth: usize, outChannels: usize): usize {
  const panels = (outChannels + PANEL - 1) / PANEL;
  return EDGE_BYTES + (panels * PANEL_BYTES + ROWS_BYTES) * images * outHeight * outWidth;
}

/**
 * dFilter += Σ over images and pixels of window ⊗ dy. Distances in bytes; `input` may be read 12 bytes past its end.
 * dFilter is [filterHeight][run][outChannels], dy [images][outHeight][outWidth][outChannels].
 */
export function filterGradient(
  input: usize, inImage: usize, inRow: usize, inPixel: usize, inSegment: usize,
  dy: usize, images: usize, outHeight: usize, outWidth: usize,
  filterHeight: usize, run: usize, outChannels: usize,
  dFilter: usize, scratch: usize,
): void {
  const edge = scratch;
  const pixels = images * outHeight * outWidth;
  const packedInput = scratch + EDGE_BYTES;
  const packed = packedInput + pixels * ROWS_BYTES;
  packPanels(dy, outChannels << 2, pixels, outChannels, packed);
  const cRowBytes = outChannels << 2;
  for (let ky: usize = 0; ky < filterHeight; ky++) {
    for (let i: usize = 0; i < run; i += TILE_ROWS) {
      packPixels(input + ky * inSegment + (i << 2), inImage, inRow, inPixel, images, outHeight, outWidth, packedInput);
      const rows = min(TILE_ROWS, run - i);
      let panel = packed;
      for (let j: usize = 0; j < outChannels; j += PANEL) {
        const columns = min(PANEL, outChannels - j);
        const c0 = dFilter + (ky * run + i) * cRowBytes + (j << 2);
        if (columns == PANEL && rows == TILE_ROWS) {
          tile(
            packedInput, ROWS_BYTES, panel, pixels, c0, c0 + cRowBytes, c0 + 2 * cRowBytes, c0 + 3 * cRowBytes,
            FROM_C, 0, LINEAR,
          );
        } else {
          readEdge(edge, c0, cRowBytes, rows, columns);
          tile(
            packedInput, ROWS_BYTES, panel, pixels, edge, edge + 32, edge + 64, edge + 96, FROM_C, 0, LINEAR,
          );
          writeEdge(edge, c0, cRowBytes, rows, columns);
        }
        panel += pixels * PANEL_BYTES;
      }
    }
  }
}

/** Packs the four numbers of every window at `from` for `tile`, as [pixel][4]. */
@inline
function packPixels(
  from: usize, inImage: usize, inRow: usize, inPixel: usize,
  images: usize, height: usize, width: usize, to: usize,
): void {
  for (let n: usize = 0; n < images; n++) {
    for (let y: usize = 0; y < height; y++) {
      let p = from + n * inImage + y * inRow;
      for (let x: usize = 0; x < width; x++) {
        v128.store(to, v128.load(p));
        p += inPixel;
        to += ROWS_BYTES;
      }
    }
  }
}
