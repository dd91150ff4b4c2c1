// Sums over some axes of a tensor, without transposing it.

/** Rows added up in float32 before they go to the total, so that the error stays small over many rows. */
const ROW_BLOCK: usize = 128;

/** out[o][i] = factor · Σ_r x[o][r][i]. */
export function sumMiddle(
  x: usize, out: usize, outer: usize, reduced: usize, inner: usize, factor: f32,
): void {
  const innerBytes = inner << 2;
  const factors = f32x4.splat(factor);
  for (let o: usize = 0; o < outer; o++) {
    const from = x + o * reduced * innerBytes;
    const to = out + o * innerBytes;
    let i: usize = 0;
    // 16 columns at a time stay in registers.
    for (; i + 16 <= inner; i += 16) {
      let t0 = f32x4.splat(0), t1 = t0, t2 = t0, t3 = t0;
      let p = from + (i << 2);
      for (let first: usize = 0; first < reduced; first += ROW_BLOCK) {
        let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
        for (let r = min(ROW_BLOCK, reduced - first); r > 0; r--) {
          s0 = f32x4.add(s0, v128.load(p));
          s1 = f32x4.add(s1, v128.load(p, 16));
          s2 = f32x4.add(s2, v128.load(p, 32));
          s3 = f32x4.add(s3, v128.load(p, 48));
          p += innerBytes;
        }
        t0 = f32x4.add(t0, s0); t1 = f32x4.add(t1, s1);
        t2 = f32x4.add(t2, s2); t3 = f32x4.add(t3, s3);
      }
      const q = to + (i << 2);
      v128.store(q, f32x4.mul(t0, factors)); v128.store(q, f32x4.mul(t1, factors), 16);
      v128.store(q, f32x4.mul(t2, factors), 32); v128.store(q, f32x4.mul(t3, factors), 48);
    }
    for (; i + 4 <= inner; i += 4) {
      let total = f32x4.splat(0);
      let p = from + (i << 2);
      for (let first: usize = 0; first < reduced; first += ROW_BLOCK) {
        let sum = f32x4.splat(0);
        for (let r = min(ROW_BLOCK, reduced - first); r > 0; r--) {
          sum = f32x4.add(sum, v128.load(p));
          p += innerBytes;
        }
        total = f32x4.add(total, sum);
      }
      v128.store(to + (i << 2), f32x4.mul(total, factors));
    }
    for (; i < inner; i++) {
      let total: f64 = 0;
      let p = from + (i << 2);
      for (let r = reduced; r > 0; r--) {
        total += <f64>load<f32>(p);
        p += innerBytes;
      }
      store<f32>(to + (i << 2), <f32>total * factor);
    }
  }
}

/** out[o] = factor · Σ_r x[o][r]. */
export function sumLast(x: usize, out: usize, outer: usize, reduced: usize, factor: f32): void {
  for (let o: usize = 0; o < outer; o++) {
    let total: f64 = 0;
    let left = reduced;
    while (left >= 16) {
      const block = min(left, 16 * ROW_BLOCK) & ~15;
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      for (let r: usize = 0; r < block; r += 16) {
        s0 = f32x4.add(s0, v128.load(x));
        s1 = f32x4.add(s1, v128.load(x, 16));
        s2 = f32x4.add(s2, v128.load(x, 32));
        s3 = f32x4.add(s3, v128.load(x, 48));
        x += 64;
      }
      s0 = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
      total += <f64>f32x4.extract_lane(s0, 0) + <f64>f32x4.extract_lane(s0, 1)
        + (<f64>f32x4.extract_lane(s0, 2) + <f64>f32x4.extract_lane(s0, 3));
      left -= block;
    }
    for (; left > 0; left--) {
      total += <f64>load<f32>(x);
      x += 4;
    }
    store<f32>(out + (o << 2), <f32>(total * <f64>factor));
  }
}
