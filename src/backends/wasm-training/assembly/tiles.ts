// The two inner loops under every product and convolution: a tile of 4 rows × 8 columns of C stays in
// registers while k runs. 4 × 8 leaves room for two vectors of B and the broadcast numbers of A among the
// 15 vector registers that engines allocate; larger tiles spill and measured slower. For the same reason each
// function is one loop without branches: V8 keeps sums in memory as soon as a second loop or a branch touches
// them, which costs a quarter of the speed. So runs end by selection, and odd lengths have functions of their own.

/** Columns in a panel of B: B is packed as panels of [k][8], padded with zeros. */
export const PANEL: usize = 8;
/** Bytes from one k to the next in a panel. */
export const PANEL_BYTES: usize = 32;
/** Rows of C in a tile. */
export const TILE_ROWS: usize = 4;

/** What the accumulators start from. */
export const FROM_ZERO: i32 = 0;
export const FROM_C: i32 = 1;
export const FROM_BIAS: i32 = 2;

/** What happens to a finished tile. */
export const LINEAR: i32 = 0;
export const RELU: i32 = 1;
export const RELU6: i32 = 2;

@inline
function activate(v: v128, activation: i32): v128 {
  if (activation == LINEAR) return v;
  // NaN stays NaN: a diverged model must show.
  v = f32x4.max(f32x4.splat(0), v);
  return activation == RELU6 ? f32x4.min(f32x4.splat(6), v) : v;
}

/**
 * c(i) = start + Σ a(i)[k]·b[k]: the numbers of one row of A follow one another, in `segments` runs of `run`
 * numbers that begin `segmentBytes` apart (the rows of a convolution window; a product has one segment).
 */
@inline
export function rowTile(
  a0: usize, a1: usize, a2: usize, a3: usize,
  c0: usize, c1: usize, c2: usize, c3: usize,
  segments: usize, segmentBytes: usize, run: usize,
  b: usize, start: i32, bias: usize, activation: i32,
): void {
  if (run & 3) rowTileByOne(a0, a1, a2, a3, c0, c1, c2, c3, segments, segmentBytes, run, b, start, bias, activation);
  else rowTileByFour(a0, a1, a2, a3, c0, c1, c2, c3, segments, segmentBytes, run, b, start, bias, activation);
}

function rowTileByFour(
  a0: usize, a1: usize, a2: usize, a3: usize,
  c0: usize, c1: usize, c2: usize, c3: usize,
  segments: usize, segmentBytes: usize, run: usize,
  b: usize, start: i32, bias: usize, activation: i32,
): void {
  let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0, y0 = x0, y1 = x0, y2 = x0, y3 = x0;
  if (start == FROM_C) {
    x0 = v128.load(c0); y0 = v128.load(c0, 16);
    x1 = v128.load(c1); y1 = v128.load(c1, 16);
    x2 = v128.load(c2); y2 = v128.load(c2, 16);
    x3 = v128.load(c3); y3 = v128.load(c3, 16);
  } else if (start == FROM_BIAS) {
    x0 = v128.load(bias); x1 = x0; x2 = x0; x3 = x0;
    y0 = v128.load(bias, 16); y1 = y0; y2 = y0; y3 = y0;
  }
  const jump = segmentBytes - (run << 2) + 16;
  const end = b + segments * run * PANEL_BYTES;
  let k = run;
  while (b < end) {
    let low: v128, high: v128, s: v128;
    low = v128.load(b); high = v128.load(b, 16);
    s = v128.load_splat<f32>(a0);
    x0 = f32x4.add(x0, f32x4.mul(s, low)); y0 = f32x4.add(y0, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a1);
    x1 = f32x4.add(x1, f32x4.mul(s, low)); y1 = f32x4.add(y1, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a2);
    x2 = f32x4.add(x2, f32x4.mul(s, low)); y2 = f32x4.add(y2, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a3);
    x3 = f32x4.add(x3, f32x4.mul(s, low)); y3 = f32x4.add(y3, f32x4.mul(s, high));

    low = v128.load(b, 32); high = v128.load(b, 48);
    s = v128.load_splat<f32>(a0, 4);
    x0 = f32x4.add(x0, f32x4.mul(s, low)); y0 = f32x4.add(y0, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a1, 4);
    x1 = f32x4.add(x1, f32x4.mul(s, low)); y1 = f32x4.add(y1, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a2, 4);
    x2 = f32x4.add(x2, f32x4.mul(s, low)); y2 = f32x4.add(y2, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a3, 4);
    x3 = f32x4.add(x3, f32x4.mul(s, low)); y3 = f32x4.add(y3, f32x4.mul(s, high));

    low = v128.load(b, 64); high = v128.load(b, 80);
    s = v128.load_splat<f32>(a0, 8);
    x0 = f32x4.add(x0, f32x4.mul(s, low)); y0 = f32x4.add(y0, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a1, 8);
    x1 = f32x4.add(x1, f32x4.mul(s, low)); y1 = f32x4.add(y1, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a2, 8);
    x2 = f32x4.add(x2, f32x4.mul(s, low)); y2 = f32x4.add(y2, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a3, 8);
    x3 = f32x4.add(x3, f32x4.mul(s, low)); y3 = f32x4.add(y3, f32x4.mul(s, high));

    low = v128.load(b, 96); high = v128.load(b, 112);
    s = v128.load_splat<f32>(a0, 12);
    x0 = f32x4.add(x0, f32x4.mul(s, low)); y0 = f32x4.add(y0, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a1, 12);
    x1 = f32x4.add(x1, f32x4.mul(s, low)); y1 = f32x4.add(y1, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a2, 12);
    x2 = f32x4.add(x2, f32x4.mul(s, low)); y2 = f32x4.add(y2, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a3, 12);
    x3 = f32x4.add(x3, f32x4.mul(s, low)); y3 = f32x4.add(y3, f32x4.mul(s, high));

    b += 128;
    k -= 4;
    const step = select<usize>(16, jump, k != 0);
    k = select<usize>(k, run, k != 0);
    a0 += step; a1 += step; a2 += step; a3 += step;
  }
  v128.store(c0, activate(x0, activation)); v128.store(c0, activate(y0, activation), 16);
  v128.store(c1, activate(x1, activation)); v128.store(c1, activate(y1, activation), 16);
  v128.store(c2, activate(x2, activation)); v128.store(c2, activate(y2, activation), 16);
  v128.store(c3, activate(x3, activation)); v128.store(c3, activate(y3, activation), 16);
}

function rowTileByOne(
  a0: usize, a1: usize, a2: usize, a3: usize,
  c0: usize, c1: usize, c2: usize, c3: usize,
  segments: usize, segmentBytes: usize, run: usize,
  b: usize, start: i32, bias: usize, activation: i32,
): void {
  let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0, y0 = x0, y1 = x0, y2 = x0, y3 = x0;
  if (start == FROM_C) {
    x0 = v128.load(c0); y0 = v128.load(c0, 16);
    x1 = v128.load(c1); y1 = v128.load(c1, 16);
    x2 = v128.load(c2); y2 = v128.load(c2, 16);
    x3 = v128.load(c3); y3 = v128.load(c3, 16);
  } else if (start == FROM_BIAS) {
    x0 = v128.load(bias); x1 = x0; x2 = x0; x3 = x0;
    y0 = v128.load(bias, 16); y1 = y0; y2 = y0; y3 = y0;
  }
  const jump = segmentBytes - (run << 2) + 4;
  const end = b + segments * run * PANEL_BYTES;
  let k = run;
  while (b < end) {
    let low: v128, high: v128, s: v128;
    low = v128.load(b); high = v128.load(b, 16);
    s = v128.load_splat<f32>(a0);
    x0 = f32x4.add(x0, f32x4.mul(s, low)); y0 = f32x4.add(y0, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a1);
    x1 = f32x4.add(x1, f32x4.mul(s, low)); y1 = f32x4.add(y1, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a2);
    x2 = f32x4.add(x2, f32x4.mul(s, low)); y2 = f32x4.add(y2, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a3);
    x3 = f32x4.add(x3, f32x4.mul(s, low)); y3 = f32x4.add(y3, f32x4.mul(s, high));

    b += 32;
    k -= 1;
    const step = select<usize>(4, jump, k != 0);
    k = select<usize>(k, run, k != 0);
    a0 += step; a1 += step; a2 += step; a3 += step;
  }
  v128.store(c0, activate(x0, activation)); v128.store(c0, activate(y0, activation), 16);
  v128.store(c1, activate(x1, activation)); v128.store(c1, activate(y1, activation), 16);
  v128.store(c2, activate(x2, activation)); v128.store(c2, activate(y2, activation), 16);
  v128.store(c3, activate(x3, activation)); v128.store(c3, activate(y3, activation), 16);
}

/**
 * The same with A transposed: four neighbouring numbers of A belong to the four rows of C. k runs over
 * `segments` rows whose addresses are listed at `rows`, `run` steps of `step` bytes in each. One number past the
 * list is read.
 */
@inline
export function columnTile(
  rows: usize, segments: usize, offset: usize, run: usize, step: usize,
  c0: usize, c1: usize, c2: usize, c3: usize,
  b: usize, start: i32, bias: usize, activation: i32,
): void {
  if (run & 1) columnTileByOne(rows, segments, offset, run, step, c0, c1, c2, c3, b, start, bias, activation);
  else columnTileByTwo(rows, segments, offset, run, step, c0, c1, c2, c3, b, start, bias, activation);
}

function columnTileByTwo(
  rows: usize, segments: usize, offset: usize, run: usize, step: usize,
  c0: usize, c1: usize, c2: usize, c3: usize,
  b: usize, start: i32, bias: usize, activation: i32,
): void {
  let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0, y0 = x0, y1 = x0, y2 = x0, y3 = x0;
  if (start == FROM_C) {
    x0 = v128.load(c0); y0 = v128.load(c0, 16);
    x1 = v128.load(c1); y1 = v128.load(c1, 16);
    x2 = v128.load(c2); y2 = v128.load(c2, 16);
    x3 = v128.load(c3); y3 = v128.load(c3, 16);
  } else if (start == FROM_BIAS) {
    x0 = v128.load(bias); x1 = x0; x2 = x0; x3 = x0;
    y0 = v128.load(bias, 16); y1 = y0; y2 = y0; y3 = y0;
  }
  const end = b + segments * run * PANEL_BYTES;
  let k = run;
  let a = <usize>load<u32>(rows) + offset;
  while (b < end) {
    let low: v128, high: v128, s: v128;
    low = v128.load(b); high = v128.load(b, 16);
    s = v128.load_splat<f32>(a);
    x0 = f32x4.add(x0, f32x4.mul(s, low)); y0 = f32x4.add(y0, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a, 4);
    x1 = f32x4.add(x1, f32x4.mul(s, low)); y1 = f32x4.add(y1, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a, 8);
    x2 = f32x4.add(x2, f32x4.mul(s, low)); y2 = f32x4.add(y2, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a, 12);
    x3 = f32x4.add(x3, f32x4.mul(s, low)); y3 = f32x4.add(y3, f32x4.mul(s, high));
    a += step;

    low = v128.load(b, 32); high = v128.load(b, 48);
    s = v128.load_splat<f32>(a);
    x0 = f32x4.add(x0, f32x4.mul(s, low)); y0 = f32x4.add(y0, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a, 4);
    x1 = f32x4.add(x1, f32x4.mul(s, low)); y1 = f32x4.add(y1, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a, 8);
    x2 = f32x4.add(x2, f32x4.mul(s, low)); y2 = f32x4.add(y2, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a, 12);
    x3 = f32x4.add(x3, f32x4.mul(s, low)); y3 = f32x4.add(y3, f32x4.mul(s, high));

    b += 64;
    k -= 2;
    rows += select<usize>(0, 4, k != 0);
    a = select<usize>(a + step, <usize>load<u32>(rows) + offset, k != 0);
    k = select<usize>(k, run, k != 0);
  }
  v128.store(c0, activate(x0, activation)); v128.store(c0, activate(y0, activation), 16);
  v128.store(c1, activate(x1, activation)); v128.store(c1, activate(y1, activation), 16);
  v128.store(c2, activate(x2, activation)); v128.store(c2, activate(y2, activation), 16);
  v128.store(c3, activate(x3, activation)); v128.store(c3, activate(y3, activation), 16);
}

function columnTileByOne(
  rows: usize, segments: usize, offset: usize, run: usize, step: usize,
  c0: usize, c1: usize, c2: usize, c3: usize,
  b: usize, start: i32, bias: usize, activation: i32,
): void {
  let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0, y0 = x0, y1 = x0, y2 = x0, y3 = x0;
  if (start == FROM_C) {
    x0 = v128.load(c0); y0 = v128.load(c0, 16);
    x1 = v128.load(c1); y1 = v128.load(c1, 16);
    x2 = v128.load(c2); y2 = v128.load(c2, 16);
    x3 = v128.load(c3); y3 = v128.load(c3, 16);
  } else if (start == FROM_BIAS) {
    x0 = v128.load(bias); x1 = x0; x2 = x0; x3 = x0;
    y0 = v128.load(bias, 16); y1 = y0; y2 = y0; y3 = y0;
  }
  const end = b + segments * run * PANEL_BYTES;
  let k = run;
  let a = <usize>load<u32>(rows) + offset;
  while (b < end) {
    let low: v128, high: v128, s: v128;
    low = v128.load(b); high = v128.load(b, 16);
    s = v128.load_splat<f32>(a);
    x0 = f32x4.add(x0, f32x4.mul(s, low)); y0 = f32x4.add(y0, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a, 4);
    x1 = f32x4.add(x1, f32x4.mul(s, low)); y1 = f32x4.add(y1, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a, 8);
    x2 = f32x4.add(x2, f32x4.mul(s, low)); y2 = f32x4.add(y2, f32x4.mul(s, high));
    s = v128.load_splat<f32>(a, 12);
    x3 = f32x4.add(x3, f32x4.mul(s, low)); y3 = f32x4.add(y3, f32x4.mul(s, high));

    b += 32;
    k -= 1;
    rows += select<usize>(0, 4, k != 0);
    a = select<usize>(a + step, <usize>load<u32>(rows) + offset, k != 0);
    k = select<usize>(k, run, k != 0);
  }
  v128.store(c0, activate(x0, activation)); v128.store(c0, activate(y0, activation), 16);
  v128.store(c1, activate(x1, activation)); v128.store(c1, activate(y1, activation), 16);
  v128.store(c2, activate(x2, activation)); v128.store(c2, activate(y2, activation), 16);
  v128.store(c3, activate(x3, activation)); v128.store(c3, activate(y3, activation), 16);
}

/** Copies `width` < 8 numbers. */
@inline
export function copyFew(to: usize, from: usize, width: usize): void {
  for (let j: usize = 0; j < width; j++) store<f32>(to + (j << 2), load<f32>(from + (j << 2)));
}

/**
 * Packs rows [0, depth) × columns of B into panels of [depth][8], the last padded with zeros.
 * Element (k, j) of B lies at b + k·rowBytes + j·4.
 */
export function packPanels(b: usize, rowBytes: usize, depth: usize, columns: usize, to: usize): void {
  let j: usize = 0;
  // Two panels at a time, so that each cache line of B is fetched once.
  const panelBytes = depth * PANEL_BYTES;
  for (; j + 2 * PANEL <= columns; j += 2 * PANEL) {
    let from = b + (j << 2);
    for (let k: usize = 0; k < depth; k++) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      v128.store(to + panelBytes, v128.load(from, 32));
      v128.store(to + panelBytes, v128.load(from, 48), 16);
      from += rowBytes;
      to += PANEL_BYTES;
    }
    to += panelBytes;
  }
  for (; j + PANEL <= columns; j += PANEL) {
    let from = b + (j << 2);
    for (let k: usize = 0; k < depth; k++) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      from += rowBytes;
      to += PANEL_BYTES;
    }
  }
  if (j < columns) {
    const width = columns - j;
    let from = b + (j << 2);
    const zero = f32x4.splat(0);
    for (let k: usize = 0; k < depth; k++) {
      v128.store(to, zero);
      v128.store(to, zero, 16);
      copyFew(to, from, width);
      from += rowBytes;
      to += PANEL_BYTES;
    }
  }
}

/** Packs Bᵀ: element (k, j) lies at b + j·columnBytes + k·4. */
export function packPanelsTransposed(b: usize, columnBytes: usize, depth: usize, columns: usize, to: usize): void {
  for (let j: usize = 0; j < columns; j += PANEL) {
    const from = b + j * columnBytes;
    const width = min(PANEL, columns - j);
    let k: usize = 0;
    if (width == PANEL) {
      for (; k + 4 <= depth; k += 4) {
        transpose4(from + (k << 2), columnBytes, to);
        transpose4(from + 4 * columnBytes + (k << 2), columnBytes, to + 16);
        to += 4 * PANEL_BYTES;
      }
    }
    for (; k < depth; k++) {
      for (let i: usize = 0; i < PANEL; i++) {
        store<f32>(to + (i << 2), i < width ? load<f32>(from + i * columnBytes + (k << 2)) : 0);
      }
      to += PANEL_BYTES;
    }
  }
}

/** Reads 4 rows of 4 numbers, `rowBytes` apart; writes 4 columns, one panel row apart. */
@inline
function transpose4(from: usize, rowBytes: usize, to: usize): void {
  const a = v128.load(from), b = v128.load(from + rowBytes);
  const c = v128.load(from + 2 * rowBytes), d = v128.load(from + 3 * rowBytes);
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5), cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const AB = i32x4.shuffle(a, b, 2, 6, 3, 7), CD = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(to, i64x2.shuffle(ab, cd, 0, 2));
  v128.store(to + PANEL_BYTES, i64x2.shuffle(ab, cd, 1, 3));
  v128.store(to + 2 * PANEL_BYTES, i64x2.shuffle(AB, CD, 0, 2));
  v128.store(to + 3 * PANEL_BYTES, i64x2.shuffle(AB, CD, 1, 3));
}
