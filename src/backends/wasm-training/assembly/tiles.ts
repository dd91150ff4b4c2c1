// The inner loop under every product and convolution: a tile of 4 rows × 8 columns of C stays in registers while k
// runs over packed A and B. 4 × 8 leaves room for two vectors of B, four numbers of A and what is made of them among
// the 15 vector registers that engines allocate; larger tiles spill. For the same reason the loop takes one k at a
// time and has no branches: V8 moves the loads of a loop's body to its start, so that unrolled by two it keeps sums in
// memory, and a second loop or a branch around the sums does the same; each costs a quarter of the speed. Numbers of A
// are spread as they are loaded: shuffles would compete with the arithmetic, by 2 %, and by 10 % with fused multiply-adds.

/** Columns in a panel of B: B is packed as panels of [k][8], padded with zeros. */
export const PANEL: usize = 8;
/** Bytes from one k to the next in a panel. */
export const PANEL_BYTES: usize = 32;
/** Rows of C in a tile. */
export const TILE_ROWS: usize = 4;
/** Bytes from one k to the next in packed rows of A. */
export const ROWS_BYTES: usize = 16;

/** What the accumulators start from. */
export const FROM_ZERO: i32 = 0;
export const FROM_C: i32 = 1;
export const FROM_BIAS: i32 = 2;

/** What happens to a finished tile. */
export const LINEAR: i32 = 0;
export const RELU: i32 = 1;
export const RELU6: i32 = 2;

/** a·b + c, rounded once instead of twice where the module may use relaxed SIMD and the processor has it. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(c, f32x4.mul(a, b));
}

@inline
function activate(v: v128, activation: i32): v128 {
  if (activation == LINEAR) return v;
  // NaN stays NaN: a diverged model must show.
  v = f32x4.max(f32x4.splat(0), v);
  return activation == RELU6 ? f32x4.min(f32x4.splat(6), v) : v;
}

/**
 * c(i) = start + Σ_k a[k][i]·b[k]: four neighbouring numbers of A belong to the four rows of C.
 *
 * @param a, step where A begins, and bytes from one k to the next
 * @param b a panel of B
 */
export function tile(
  a: usize, step: usize, b: usize, depth: usize,
  c0: usize, c1: usize, c2: usize, c3: usize,
  start: i32, bias: usize, activation: i32,
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
  const end = b + depth * PANEL_BYTES;
  while (b < end) {
    const low = v128.load(b), high = v128.load(b, 16);
    let s = v128.load32_splat(a);
    x0 = madd(s, low, x0); y0 = madd(s, high, y0);
    s = v128.load32_splat(a, 4);
    x1 = madd(s, low, x1); y1 = madd(s, high, y1);
    s = v128.load32_splat(a, 8);
    x2 = madd(s, low, x2); y2 = madd(s, high, y2);
    s = v128.load32_splat(a, 12);
    x3 = madd(s, low, x3); y3 = madd(s, high, y3);
    a += step;
    b += PANEL_BYTES;
  }
  v128.store(c0, activate(x0, activation)); v128.store(c0, activate(y0, activation), 16);
  v128.store(c1, activate(x1, activation)); v128.store(c1, activate(y1, activation), 16);
  v128.store(c2, activate(x2, activation)); v128.store(c2, activate(y2, activation), 16);
  v128.store(c3, activate(x3, activation)); v128.store(c3, activate(y3, activation), 16);
}

/**
 * Packs four rows of A for `tile`, as [k][4]. The numbers of a row follow one another, in `segments` runs of `run`
 * numbers that begin `segmentBytes` apart (the rows of a convolution window; a product has one segment).
 */
export function packRows(
  a0: usize, a1: usize, a2: usize, a3: usize,
  segments: usize, segmentBytes: usize, run: usize, to: usize,
): void {
  for (; segments > 0; segments--) {
    let k: usize = 0;
    for (; k + 4 <= run; k += 4) {
      const p = k << 2;
      transpose4(v128.load(a0 + p), v128.load(a1 + p), v128.load(a2 + p), v128.load(a3 + p), to, ROWS_BYTES);
      to += 4 * ROWS_BYTES;
    }
    for (; k < run; k++) {
      const p = k << 2;
      store<f32>(to, load<f32>(a0 + p));
      store<f32>(to, load<f32>(a1 + p), 4);
      store<f32>(to, load<f32>(a2 + p), 8);
      store<f32>(to, load<f32>(a3 + p), 12);
      to += ROWS_BYTES;
    }
    a0 += segmentBytes; a1 += segmentBytes; a2 += segmentBytes; a3 += segmentBytes;
  }
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
        const p = from + (k << 2), q = p + 4 * columnBytes;
        transpose4(
          v128.load(p), v128.load(p + columnBytes), v128.load(p + 2 * columnBytes), v128.load(p + 3 * columnBytes),
          to, PANEL_BYTES,
        );
        transpose4(
          v128.load(q), v128.load(q + columnBytes), v128.load(q + 2 * columnBytes), v128.load(q + 3 * columnBytes),
          to + 16, PANEL_BYTES,
        );
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

/** Stores the columns of four rows, `stepBytes` apart. */
@inline
export function transpose4(a: v128, b: v128, c: v128, d: v128, to: usize, stepBytes: usize): void {
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5), cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const AB = i32x4.shuffle(a, b, 2, 6, 3, 7), CD = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(to, i64x2.shuffle(ab, cd, 0, 2));
  v128.store(to + stepBytes, i64x2.shuffle(ab, cd, 1, 3));
  v128.store(to + 2 * stepBytes, i64x2.shuffle(AB, CD, 0, 2));
  v128.store(to + 3 * stepBytes, i64x2.shuffle(AB, CD, 1, 3));
}
