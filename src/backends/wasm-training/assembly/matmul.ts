// C = op(A)·op(B) + bias, batched; op transposes or not. float32, row-major.

import {
  FROM_BIAS, FROM_C, FROM_ZERO, LINEAR, PANEL, PANEL_BYTES, ROWS_BYTES, TILE_ROWS,
  copyFew, packPanels, packPanelsTransposed, packRows, tile,
} from "./tiles";

/** Depth of one packed block of B: a panel of it (16 KiB) stays in the first-level cache. */
const DEPTH_BLOCK: usize = 512;
/** Rows of A packed and gone through before the next panel: with DEPTH_BLOCK they stay in the second-level cache. */
const ROW_BLOCK: usize = 64;
/** Room for one tile of C whose columns or rows stick out, and its bias. */
const EDGE_BYTES: usize = 128;

/** Bytes of scratch that `matMul` needs. */
export function matMulScratchBytes(columns: usize, depth: usize): usize {
  const panels = (columns + PANEL - 1) / PANEL;
  const block = min(depth, DEPTH_BLOCK);
  return EDGE_BYTES + panels * PANEL_BYTES * (block + 1) + ROW_BLOCK * block * 4;
}

/**
 * @param aBatchBytes,bBatchBytes distance between matrices of a batch; 0 repeats one matrix
 * @param bias `columns` numbers, or 0
 */
export function matMul(
  a: usize, b: usize, c: usize, batch: usize, rows: usize, columns: usize, depth: usize,
  aBatchBytes: usize, bBatchBytes: usize, transposeA: i32, transposeB: i32,
  bias: usize, activation: i32, scratch: usize,
): void {
  const panels = (columns + PANEL - 1) / PANEL;
  const edge = scratch;
  const paddedBias = scratch + EDGE_BYTES;
  const packed = paddedBias + panels * PANEL_BYTES;
  const packedA = packed + panels * PANEL_BYTES * min(depth, DEPTH_BLOCK);
  if (bias) {
    memory.fill(paddedBias, 0, panels * PANEL_BYTES);
    memory.copy(paddedBias, bias, columns << 2);
  }
  const cBatchBytes = (rows * columns) << 2;
  for (let n: usize = 0; n < batch; n++) {
    // One B for all of the batch and one block deep: packed once.
    const repack = n == 0 || bBatchBytes != 0 || depth > DEPTH_BLOCK;
    for (let k: usize = 0; k < depth; k += DEPTH_BLOCK) {
      const block = min(DEPTH_BLOCK, depth - k);
      if (repack) {
        if (transposeB) packPanelsTransposed(b + (k << 2), depth << 2, block, columns, packed);
        else packPanels(b + ((k * columns) << 2), columns << 2, block, columns, packed);
      }
      const start = k > 0 ? FROM_C : bias ? FROM_BIAS : FROM_ZERO;
      const end = k + block == depth ? activation : LINEAR;
      if (transposeA) {
        blockTransposed(a + ((k * rows) << 2), packed, c, rows, columns, block, start, paddedBias, end, edge, packedA);
      } else {
        blockPlain(a + (k << 2), depth << 2, packed, c, rows, columns, block, start, paddedBias, end, edge, packedA);
      }
    }
    a += aBatchBytes;
    b += bBatchBytes;
    c += cBatchBytes;
  }
}

function blockPlain(
  a: usize, aRowBytes: usize, packed: usize, c: usize, rows: usize, columns: usize, depth: usize,
  start: i32, bias: usize, activation: i32, edge: usize, packedA: usize,
): void {
  const tileBytes = depth * ROWS_BYTES;
  for (let first: usize = 0; first < rows; first += ROW_BLOCK) {
    const last = min(rows, first + ROW_BLOCK);
    let to = packedA;
    for (let i = first; i < last; i += TILE_ROWS) {
      const height = min(TILE_ROWS, last - i);
      const a0 = a + i * aRowBytes;
      // Rows past the end repeat row 0 and are written to the edge tile.
      const a1 = height > 1 ? a0 + aRowBytes : a0;
      const a2 = height > 2 ? a1 + aRowBytes : a0;
      const a3 = height > 3 ? a2 + aRowBytes : a0;
      packRows(a0, a1, a2, a3, 1, 0, depth, to);
      to += tileBytes;
    }
    let panel = packed;
    for (let j: usize = 0; j < columns; j += PANEL) {
      let from = packedA;
      for (let i = first; i < last; i += TILE_ROWS) {
        edgedTile(from, ROWS_BYTES, panel, depth, c, i, j, min(TILE_ROWS, last - i), columns, start, bias, activation, edge);
        from += tileBytes;
      }
      panel += depth * PANEL_BYTES;
    }
  }
}

function blockTransposed(
  a: usize, packed: usize, c: usize, rows: usize, columns: usize, depth: usize,
  start: i32, bias: usize, activation: i32, edge: usize, tailA: usize,
): void {
  const tail = rows % TILE_ROWS;
  // The last rows of C copied to columns of four, so that no tile reads past the end of A.
  if (tail) {
    const from = a + ((rows - tail) << 2);
    for (let k: usize = 0; k < depth; k++) {
      v128.store(tailA + k * ROWS_BYTES, f32x4.splat(0));
      copyFew(tailA + k * ROWS_BYTES, from + ((k * rows) << 2), tail);
    }
  }
  for (let first: usize = 0; first < rows; first += ROW_BLOCK) {
    const last = min(rows, first + ROW_BLOCK);
    let panel = packed;
    for (let j: usize = 0; j < columns; j += PANEL) {
      for (let i = first; i < last; i += TILE_ROWS) {
        const height = min(TILE_ROWS, last - i);
        const whole = height == TILE_ROWS;
        edgedTile(
          whole ? a + (i << 2) : tailA, whole ? rows << 2 : ROWS_BYTES, panel, depth,
          c, i, j, height, columns, start, bias, activation, edge,
        );
      }
      panel += depth * PANEL_BYTES;
    }
  }
}

/** The tile of C at row i, column j, of which `height` rows and as many columns as there are lie inside. */
@inline
function edgedTile(
  a: usize, step: usize, panel: usize, depth: usize, c: usize, i: usize, j: usize, height: usize, columns: usize,
  start: i32, bias: usize, activation: i32, edge: usize,
): void {
  const cRowBytes = columns << 2;
  const c0 = c + i * cRowBytes + (j << 2);
  const width = min(PANEL, columns - j);
  if (width == PANEL) {
    tile(
      a, step, panel, depth,
      c0,
      height > 1 ? c0 + cRowBytes : edge,
      height > 2 ? c0 + 2 * cRowBytes : edge,
      height > 3 ? c0 + 3 * cRowBytes : edge,
      start, bias + (j << 2), activation,
    );
  } else {
    if (start == FROM_C) readEdge(edge, c0, cRowBytes, height, width);
    tile(
      a, step, panel, depth, edge, edge + 32, edge + 64, edge + 96, start, bias + (j << 2), activation,
    );
    writeEdge(edge, c0, cRowBytes, height, width);
  }
}

export function readEdge(edge: usize, c: usize, cRowBytes: usize, height: usize, width: usize): void {
  for (let i: usize = 0; i < height; i++) copyFew(edge + i * PANEL_BYTES, c + i * cRowBytes, width);
}

export function writeEdge(edge: usize, c: usize, cRowBytes: usize, height: usize, width: usize): void {
  for (let i: usize = 0; i < height; i++) copyFew(c + i * cRowBytes, edge + i * PANEL_BYTES, width);
}
