// Linear maps of short runs. Meaning: ../reference/rotate.ts.

/** Four numbers times `after`, held to what float32 has. */
@inline
function held(sum: v128, after: v128, largest: v128): v128 {
  return f32x4.min(largest, f32x4.max(f32x4.neg(largest), f32x4.mul(sum, after)));
}

export function rotate(
  v: usize, length: usize, n: usize, matrix: usize, before: f32, after: f32, out: usize,
): void {
  const f4 = f32x4.splat(after), largest = f32x4.splat(f32.MAX_VALUE);
  const row = n << 2;
  for (let start: usize = 0; start < length; start += n, v += row, out += row) {
    let j: usize = 0;
    for (; j + 16 <= n; j += 16) {
      let a = f32x4.splat(0), b = a, c = a, d = a;
      let m = matrix + (j << 2);
      for (let i: usize = 0; i < n; i++, m += row) {
        const x = f32x4.splat(before * load<f32>(v + (i << 2)));
        a = f32x4.add(a, f32x4.mul(x, v128.load(m)));
        b = f32x4.add(b, f32x4.mul(x, v128.load(m, 16)));
        c = f32x4.add(c, f32x4.mul(x, v128.load(m, 32)));
        d = f32x4.add(d, f32x4.mul(x, v128.load(m, 48)));
      }
      const p = out + (j << 2);
      v128.store(p, held(a, f4, largest));
      v128.store(p, held(b, f4, largest), 16);
      v128.store(p, held(c, f4, largest), 32);
      v128.store(p, held(d, f4, largest), 48);
    }
    for (; j < n; j++) {
      let sum: f32 = 0;
      let m = matrix + (j << 2);
      for (let i: usize = 0; i < n; i++, m += row) sum += before * load<f32>(v + (i << 2)) * load<f32>(m);
      store<f32>(out + (j << 2), f32x4.extract_lane(held(f32x4.splat(sum), f4, largest), 0));
    }
  }
}
