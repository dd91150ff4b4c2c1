// Convolutions of 3 × 3 or 5 × 5 windows at stride 1 and their gradients with respect to the filter, by tiles of
// m × m outputs from 6 × 6 inputs: 36 products for 16·9 or 4·25. Tiles go through in blocks that stay in the
// second-level cache, as 36 small matrix products each. Counts of channels are multiples of four.

import { FROM_C, FROM_ZERO, LINEAR, PANEL, PANEL_BYTES, ROWS_BYTES, TILE_ROWS, tile, transpose4 } from "./tiles";
import { POINTS, POINT_ROW, evaluate, interpolate, scalePoints, transformInput } from "./transforms";

const POINTS_2D: usize = POINTS * POINTS;
/** Bytes of a panel's row at all points. */
const PANEL_POINTS: usize = POINTS_2D * PANEL_BYTES;
/** Room for one tile between its two passes, and for four of four channels. */
const PASS_BYTES: usize = POINTS * POINT_ROW;
const TEMPORARY_BYTES: usize = 5 * PASS_BYTES;
/** Bytes that a block of transformed tiles should take. */
const BLOCK_BYTES: usize = 256 * 1024;

/**
 * Bytes from one point to the next of planes of `bytes`: an odd count of cache lines, so that what one tile has at all
 * points falls into different sets of the cache.
 */
@inline
function planeBytes(bytes: usize): usize {
  return (((bytes + 63) >> 6) | 1) << 6;
}

/** Tiles in a block: a multiple of four. */
export function winogradBlock(channels: usize, outChannels: usize): usize {
  const tiles = BLOCK_BYTES / (POINTS_2D * 4 * max(channels, outChannels));
  return max(TILE_ROWS, tiles & ~(TILE_ROWS - 1));
}

/** Bytes of scratch for `winograd` and `winogradFilterGradient`. */
export function winogradScratchBytes(channels: usize, outChannels: usize): usize {
  const panels = (outChannels + PANEL - 1) / PANEL;
  const block = winogradBlock(channels, outChannels);
  return TEMPORARY_BYTES + POINTS_2D * (planeBytes(block * channels * 4) + planeBytes(block * panels * PANEL_BYTES));
}

/** Bytes of a transformed filter. */
export function winogradFilterBytes(channels: usize, outChannels: usize): usize {
  return POINTS_2D * filterPlane(channels, outChannels);
}

/** Bytes from one point to the next of a transformed filter. */
@inline
function filterPlane(channels: usize, outChannels: usize): usize {
  return planeBytes(((outChannels + PANEL - 1) / PANEL) * channels * PANEL_BYTES);
}

/**
 * G·g·Gᵀ. In: panels of [size²·channels][8], as `packFilter` makes them. Out: [36][panel][channels][8].
 *
 * @param scratch 1 KiB
 */
export function winogradFilter(packed: usize, size: usize, channels: usize, panels: usize, to: usize, scratch: usize): void {
  const tap = channels * PANEL_BYTES;
  const pointBytes = planeBytes(panels * tap);
  for (let j: usize = 0; j < panels; j++) {
    for (let k: usize = 0; k < tap; k += 16) {
      for (let y: usize = 0; y < size; y++) {
        evaluate(packed + y * size * tap + k, tap, size, scratch + y * POINT_ROW, 16);
      }
      const points = to + j * tap + k;
      for (let x: usize = 0; x < POINTS; x++) {
        evaluate(scratch + (x << 4), POINT_ROW, size, points + x * pointBytes, POINTS * pointBytes);
      }
      scalePoints(points, pointBytes);
    }
    packed += size * size * tap;
  }
}

/** Gᵀ·dU·G: the gradient of the filter [size²·channels][outChannels] from that of the transformed one. */
export function winogradFilterFromPoints(
  gradient: usize, size: usize, channels: usize, outChannels: usize, to: usize, scratch: usize,
): void {
  const rowBytes = outChannels << 2;
  const pointBytes = filterPlane(channels, outChannels);
  for (let o: usize = 0; o < outChannels; o += 4) {
    const panel = gradient + (o >> 3) * channels * PANEL_BYTES + ((o & 4) << 2);
    for (let c: usize = 0; c < channels; c++) {
      const points = panel + c * PANEL_BYTES;
      scalePoints(points, pointBytes);
      for (let y: usize = 0; y < POINTS; y++) {
        interpolate(points + y * POINTS * pointBytes, pointBytes, scratch + y * POINT_ROW, 16, size);
      }
      const tap = channels * rowBytes;
      for (let x: usize = 0; x < size; x++) {
        interpolate(scratch + (x << 4), POINT_ROW, to + x * tap + c * rowBytes + (o << 2), size * tap, size);
      }
    }
  }
}

/** Bᵀ·d·B of four channels of one tile, to 36 places `toStep` bytes apart. */
@inline
function transformInputTile(from: usize, row: usize, pixel: usize, to: usize, toStep: usize, pass: usize): void {
  for (let y: usize = 0; y < POINTS; y++) transformInput(from + y * row, pixel, pass + y * POINT_ROW, 16);
  for (let x: usize = 0; x < POINTS; x++) transformInput(pass + (x << 4), POINT_ROW, to + x * toStep, POINTS * toStep);
}

/**
 * Convolution of `images` images, which are padded so that every tile has its 6 × 6 inputs. Distances in bytes.
 *
 * @param out [images][height][width][outChannels]
 * @param m side of a tile: 4 for filters of 3 × 3, 2 for 5 × 5
 * @param filter of `winogradFilter`
 */
export function winograd(
  input: usize, inImage: usize, inRow: usize, inPixel: usize,
  out: usize, images: usize, height: usize, width: usize,
  channels: usize, outChannels: usize, m: usize, filter: usize, scratch: usize,
): void {
  const panels = (outChannels + PANEL - 1) / PANEL;
  const tilesX = (width + m - 1) / m;
  const perImage = ((height + m - 1) / m) * tilesX;
  const tiles = images * perImage;
  const block = evenBlock(tiles, winogradBlock(channels, outChannels));
  const inputs = scratch + TEMPORARY_BYTES;
  const products = inputs + POINTS_2D * planeBytes(block * (channels << 2));
  const filterPoint = filterPlane(channels, outChannels);
  const groupBytes = channels * ROWS_BYTES;
  for (let first: usize = 0; first < tiles; first += block) {
    const count = min(block, tiles - first);
    const groupsBytes = ((count + TILE_ROWS - 1) / TILE_ROWS) * groupBytes;
    const pointBytes = planeBytes(groupsBytes);
    for (let i: usize = 0; i < count; i += TILE_ROWS) {
      const to = inputs + (i / TILE_ROWS) * groupBytes;
      packTiles(input, inImage, inRow, inPixel, first + i, tiles, perImage, tilesX, channels, m, to, pointBytes, scratch);
    }
    for (let p: usize = 0; p < POINTS_2D; p++) {
      for (let j: usize = 0; j < panels; j++) {
        const panel = filter + p * filterPoint + j * channels * PANEL_BYTES;
        const rowBytes = panels * PANEL_POINTS;
        let c = products + j * PANEL_POINTS + p * PANEL_BYTES;
        const points = inputs + p * pointBytes;
        for (let from = points; from < points + groupsBytes; from += groupBytes) {
          tile(
            from, ROWS_BYTES, panel, channels, c, c + rowBytes, c + 2 * rowBytes, c + 3 * rowBytes, FROM_ZERO, 0, LINEAR,
          );
          c += TILE_ROWS * rowBytes;
        }
      }
    }
    for (let i: usize = 0; i < count; i++) {
      const n = (first + i) / perImage, rest = (first + i) % perImage;
      const y = (rest / tilesX) * m, x = (rest % tilesX) * m;
      const to = out + ((((n * height + y) * width + x) * outChannels) << 2);
      writeTile(
        products + i * panels * PANEL_POINTS, outChannels, m, to, width * outChannels << 2,
        min(m, height - y), min(m, width - x), scratch,
      );
    }
  }
}

/** So many tiles that the blocks of a batch have about the same size, at most `most`. */
@inline
function evenBlock(tiles: usize, most: usize): usize {
  const blocks = (tiles + most - 1) / most;
  return ((tiles + blocks - 1) / blocks + TILE_ROWS - 1) & ~(TILE_ROWS - 1);
}

@inline
function tileAddress(
  base: usize, image: usize, row: usize, pixel: usize, index: usize, perImage: usize, tilesX: usize, m: usize,
): usize {
  const rest = index % perImage;
  return base + (index / perImage) * image + (rest / tilesX) * m * row + (rest % tilesX) * m * pixel;
}

/** Transforms four tiles, and packs them for `tile` at each point. Tiles past the end repeat the last. */
function packTiles(
  input: usize, image: usize, row: usize, pixel: usize, index: usize, tiles: usize, perImage: usize, tilesX: usize,
  channels: usize, m: usize, to: usize, pointBytes: usize, scratch: usize,
): void {
  const four = scratch + PASS_BYTES;
  for (let c: usize = 0; c < channels; c += 4) {
    for (let t: usize = 0; t < TILE_ROWS; t++) {
      const from = tileAddress(input, image, row, pixel, min(index + t, tiles - 1), perImage, tilesX, m) + (c << 2);
      transformInputTile(from, row, pixel, four + (t << 4), 64, scratch);
    }
    let p = to + c * ROWS_BYTES;
    for (let from = four; from < four + 4 * PASS_BYTES; from += 64) {
      transpose4(
        v128.load(from), v128.load(from, 16), v128.load(from, 32), v128.load(from, 48), p, ROWS_BYTES,
      );
      p += pointBytes;
    }
  }
}

/** Aᵀ·M·A of one tile, of which `height` × `width` outputs lie inside. */
function writeTile(
  products: usize, outChannels: usize, m: usize, to: usize, rowBytes: usize, height: usize, width: usize, scratch: usize,
): void {
  const pixel = outChannels << 2;
  const isWhole = height == m && width == m;
  const edge = scratch + PASS_BYTES;
  for (let o: usize = 0; o < outChannels; o += 4) {
    const from = products + (o >> 3) * PANEL_POINTS + ((o & 4) << 2);
    for (let y: usize = 0; y < POINTS; y++) {
      interpolate(from + y * POINTS * PANEL_BYTES, PANEL_BYTES, scratch + y * POINT_ROW, 16, m);
    }
    const base = to + (o << 2);
    if (isWhole) {
      for (let x: usize = 0; x < m; x++) interpolate(scratch + (x << 4), POINT_ROW, base + x * pixel, rowBytes, m);
      continue;
    }
    for (let x: usize = 0; x < width; x++) {
      interpolate(scratch + (x << 4), POINT_ROW, edge, 16, m);
      for (let y: usize = 0; y < height; y++) v128.store(base + y * rowBytes + x * pixel, v128.load(edge + (y << 4)));
    }
  }
}

/**
 * Adds to the gradient of the transformed filter, [36][panel][channels][8], what `images` images come to:
 * Σ over tiles of (A·dy·Aᵀ) ⊙ (Bᵀ·x·B). Both are padded so that tiles are whole.
 */
export function winogradFilterGradient(
  input: usize, inImage: usize, inRow: usize, inPixel: usize,
  dy: usize, dyImage: usize, dyRow: usize, dyPixel: usize,
  images: usize, tilesY: usize, tilesX: usize, channels: usize, outChannels: usize, m: usize,
  gradient: usize, scratch: usize,
): void {
  const panels = (outChannels + PANEL - 1) / PANEL;
  const perImage = tilesY * tilesX;
  const tiles = images * perImage;
  const block = evenBlock(tiles, winogradBlock(channels, outChannels));
  const inputs = scratch + TEMPORARY_BYTES;
  const outputs = inputs + POINTS_2D * planeBytes(block * (channels << 2));
  const filterPoint = filterPlane(channels, outChannels);
  const inBytes = channels << 2;
  for (let first: usize = 0; first < tiles; first += block) {
    const count = min(block, tiles - first);
    const panelBytes = count * PANEL_BYTES;
    const inPoint = planeBytes(count * inBytes), outPoint = planeBytes(panels * panelBytes);
    if (outChannels & 4) memory.fill(outputs, 0, POINTS_2D * outPoint);
    for (let i: usize = 0; i < count; i++) {
      const x = tileAddress(input, inImage, inRow, inPixel, first + i, perImage, tilesX, m);
      const y = tileAddress(dy, dyImage, dyRow, dyPixel, first + i, perImage, tilesX, m);
      for (let c: usize = 0; c < inBytes; c += 16) {
        transformInputTile(x + c, inRow, inPixel, inputs + i * inBytes + c, inPoint, scratch);
      }
      for (let o: usize = 0; o < outChannels; o += 4) {
        const to = outputs + (o >> 3) * panelBytes + i * PANEL_BYTES + ((o & 4) << 2);
        evaluateTile(y + (o << 2), dyRow, dyPixel, m, to, outPoint, scratch);
      }
    }
    for (let p: usize = 0; p < POINTS_2D; p++) {
      for (let j: usize = 0; j < panels; j++) {
        const panel = outputs + p * outPoint + j * panelBytes;
        const points = inputs + p * inPoint;
        let c = gradient + p * filterPoint + j * channels * PANEL_BYTES;
        for (let i: usize = 0; i < inBytes; i += 16) {
          tile(points + i, inBytes, panel, count, c, c + 32, c + 64, c + 96, FROM_C, 0, LINEAR);
          c += TILE_ROWS * PANEL_BYTES;
        }
      }
    }
  }
}

/** A·dy·Aᵀ of four channels of one tile. */
@inline
function evaluateTile(from: usize, row: usize, pixel: usize, m: usize, to: usize, toStep: usize, pass: usize): void {
  for (let y: usize = 0; y < m; y++) evaluate(from + y * row, pixel, m, pass + y * POINT_ROW, 16);
  for (let x: usize = 0; x < POINTS; x++) evaluate(pass + (x << 4), POINT_ROW, m, to + x * toStep, POINTS * toStep);
}
