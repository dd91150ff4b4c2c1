// Convolutions over [batch, height, width, channels] as products of a few packed windows at a time: in a padded image the `run`
// = filterWidth·channels numbers that one row of a window covers follow one another, so a window is
// filterHeight such runs, one image row apart.

import {
  FROM_BIAS, FROM_C, FROM_ZERO, LINEAR, PANEL, PANEL_BYTES, ROWS_BYTES, TILE_ROWS, packPanels, packRows, tile,
} from "./tiles";
import { readEdge, writeEdge } from "./matmul";

/** Bytes of packed input that are gone through for each panel of the filter: they stay in the first-level cache. */
const STRIP_BYTES: usize = 24 * 1024;
const EDGE_BYTES: usize = 128;

/** Bytes of scratch for `windows` of `depth` numbers each. */
export function windowsScratchBytes(depth: usize): usize {
  return EDGE_BYTES + max(STRIP_BYTES, depth * ROWS_BYTES);
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
 * pixel to output pixel, `inSegment` from one row of a window to the next, of which `inRow` is a multiple.
 *
 * Four columns of output at a time: their strips of input are packed once, row by row, and the windows of an output row
 * follow one another in them, so that windows one above the other share what they have in common.
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
  const strip = scratch + EDGE_BYTES;
  const segmentBytes = run * ROWS_BYTES;
  // Windows that do not overlap are packed one by one.
  const shared = inRow / inSegment < segments;
  const step = shared ? inRow / inSegment : segments;
  const most = max(segments, STRIP_BYTES / segmentBytes);
  const rowsAtOnce = min(height, (most - segments) / step + 1);
  const columns = images * width;
  for (let i: usize = 0; i < columns; i += TILE_ROWS) {
    const count = min(TILE_ROWS, columns - i);
    const i1 = count > 1 ? i + 1 : i, i2 = count > 2 ? i + 2 : i, i3 = count > 3 ? i + 3 : i;
    let a0 = columnAddress(input, inImage, inPixel, width, i), c0 = columnAddress(out, outImage, outPixel, width, i);
    let a1 = columnAddress(input, inImage, inPixel, width, i1), c1 = columnAddress(out, outImage, outPixel, width, i1);
    let a2 = columnAddress(input, inImage, inPixel, width, i2), c2 = columnAddress(out, outImage, outPixel, width, i2);
    let a3 = columnAddress(input, inImage, inPixel, width, i3), c3 = columnAddress(out, outImage, outPixel, width, i3);
    for (let first: usize = 0; first < height; first += rowsAtOnce) {
      const rows = min(rowsAtOnce, height - first);
      if (shared) {
        packRows(a0, a1, a2, a3, (rows - 1) * step + segments, inSegment, run, strip);
      } else {
        for (let y: usize = 0; y < rows; y++) {
          const p = y * inRow;
          packRows(a0 + p, a1 + p, a2 + p, a3 + p, segments, inSegment, run, strip + y * step * segmentBytes);
        }
      }
      stripProducts(
        strip, step * segmentBytes, rows, segments * run, packed, outChannels,
        c0, c1, c2, c3, count, outRow, bias, activation, edge,
      );
      a0 += rows * inRow; a1 += rows * inRow; a2 += rows * inRow; a3 += rows * inRow;
      c0 += rows * outRow; c1 += rows * outRow; c2 += rows * outRow; c3 += rows * outRow;
    }
  }
}

/** Where column `index` of the columns of all images begins. */
@inline
function columnAddress(base: usize, image: usize, pixel: usize, width: usize, index: usize): usize {
  return base + (index / width) * image + (index % width) * pixel;
}

/** Products of `rows` packed windows, `step` bytes apart, with the filter, to `count` ≤ 4 columns. */
@inline
function stripProducts(
  strip: usize, step: usize, rows: usize, depth: usize, panel: usize, outChannels: usize,
  c0: usize, c1: usize, c2: usize, c3: usize, count: usize, outRow: usize,
  bias: usize, activation: i32, edge: usize,
): void {
  const start = bias ? FROM_BIAS : FROM_ZERO;
  for (let j: usize = 0; j < outChannels; j += PANEL) {
    const columns = min(PANEL, outChannels - j);
    const isWhole = columns == PANEL && count == TILE_ROWS;
    for (let y: usize = 0; y < rows; y++) {
      const p = y * outRow + (j << 2), from = strip + y * step;
      if (isWhole) {
        tile(from, ROWS_BYTES, panel, depth, c0 + p, c1 + p, c2 + p, c3 + p, start, bias + (j << 2), activation);
        continue;
      }
      tile(
        from, ROWS_BYTES, panel, depth, edge, edge + 32, edge + 64, edge + 96, start, bias + (j << 2), activation,
      );
      writeEdge(edge, c0 + p, 0, 1, columns);
      if (count > 1) writeEdge(edge + PANEL_BYTES, c1 + p, 0, 1, columns);
      if (count > 2) writeEdge(edge + 2 * PANEL_BYTES, c2 + p, 0, 1, columns);
      if (count > 3) writeEdge(edge + 3 * PANEL_BYTES, c3 + p, 0, 1, columns);
    }
    panel += depth * PANEL_BYTES;
  }
}

/** Bytes of scratch for `filterGradient` over `images` images at a time. */
export function filterGradientScratchBytes(
  images: usize, outHeight: usize, outWidth: usize, outChannels: usize, filterHeight: usize,
): usize {
  const panels = (outChannels + PANEL - 1) / PANEL;
  const pixels = images * outHeight * outWidth;
  return EDGE_BYTES + panels * PANEL_BYTES * pixels + ROWS_BYTES * (pixels + (filterHeight - 1) * outWidth);
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
  const pixels = images * outHeight * outWidth;
  const packed = scratch + EDGE_BYTES;
  const panelBytes = pixels * PANEL_BYTES;
  const packedInput = packed + ((outChannels + PANEL - 1) / PANEL) * panelBytes;
  packPanels(dy, outChannels << 2, pixels, outChannels, packed);
  // In one image, and row by row, the rows of a window see the same input one row apart.
  const isShared = images == 1 && inRow == inSegment;
  const cRowBytes = outChannels << 2;
  for (let i: usize = 0; i < run; i += TILE_ROWS) {
    const from = input + (i << 2);
    if (isShared) packPixels(from, 0, inRow, inPixel, 1, outHeight + filterHeight - 1, outWidth, packedInput);
    for (let ky: usize = 0; ky < filterHeight; ky++) {
      if (!isShared) packPixels(from + ky * inSegment, inImage, inRow, inPixel, images, outHeight, outWidth, packedInput);
      gradientTiles(
        isShared ? packedInput + ky * outWidth * ROWS_BYTES : packedInput, packed, panelBytes, pixels,
        dFilter + (ky * run + i) * cRowBytes, min(TILE_ROWS, run - i), outChannels, scratch,
      );
    }
  }
}

/** Adds to `rows` ≤ 4 rows of the gradient of a filter, for all output channels. */
@inline
function gradientTiles(
  packedInput: usize, panel: usize, panelBytes: usize, pixels: usize, c: usize, rows: usize, outChannels: usize,
  edge: usize,
): void {
  const cRowBytes = outChannels << 2;
  for (let j: usize = 0; j < outChannels; j += PANEL) {
    const columns = min(PANEL, outChannels - j);
    const c0 = c + (j << 2);
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
    panel += panelBytes;
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
