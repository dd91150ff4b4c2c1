// Arithmetic that goes once over memory.

import { RELU } from "./tiles";

/** out = dy where x > 0, else 0. */
export function reluGradient(dy: usize, x: usize, out: usize, length: usize): void {
  const zero = f32x4.splat(0);
  let k: usize = 0;
  for (; k + 8 <= length; k += 8) {
    const p = k << 2;
    v128.store(out + p, v128.and(v128.load(dy + p), f32x4.gt(v128.load(x + p), zero)));
    v128.store(out + p, v128.and(v128.load(dy + p, 16), f32x4.gt(v128.load(x + p, 16), zero)), 16);
  }
  for (; k < length; k++) {
    const p = k << 2;
    store<f32>(out + p, load<f32>(x + p) > 0 ? load<f32>(dy + p) : 0);
  }
}

/** out[index[i]] += values[i], rows of `width` numbers; indices outside [0, segments) are left out. */
export function segmentSum(
  values: usize, index: usize, out: usize, rows: usize, width: usize, segments: usize,
): void {
  const rowBytes = width << 2;
  memory.fill(out, 0, segments * rowBytes);
  for (let i: usize = 0; i < rows; i++) {
    const segment = load<u32>(index + (i << 2));
    if (segment < <u32>segments) {
      const to = out + <usize>segment * rowBytes;
      let k: usize = 0;
      for (; k + 4 <= width; k += 4) {
        const p = k << 2;
        v128.store(to + p, f32x4.add(v128.load(to + p), v128.load(values + p)));
      }
      for (; k < width; k++) {
        const p = k << 2;
        store<f32>(to + p, load<f32>(to + p) + load<f32>(values + p));
      }
    }
    values += rowBytes;
  }
}

/** Zeros; for results that kernels add to. */
export function zero(out: usize, bytes: usize): void {
  memory.fill(out, 0, bytes);
}

/** Adds a row to each of `rows` rows, in place, and applies the activation of a tile: linear or relu. */
export function addRow(values: usize, row: usize, rows: usize, columns: usize, activation: i32): void {
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < rows; i++) {
    let k: usize = 0;
    for (; k + 4 <= columns; k += 4) {
      const p = k << 2;
      const sum = f32x4.add(v128.load(values + p), v128.load(row + p));
      v128.store(values + p, activation == RELU ? f32x4.max(zero, sum) : sum);
    }
    for (; k < columns; k++) {
      const p = k << 2;
      const sum = load<f32>(values + p) + load<f32>(row + p);
      store<f32>(values + p, activation == RELU ? max<f32>(0, sum) : sum);
    }
    values += columns << 2;
  }
}
