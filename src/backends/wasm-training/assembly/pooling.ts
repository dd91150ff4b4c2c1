// Gradients of 2-D pooling over [batch, height, width, channels]. dx starts as zeros.

/**
 * Each dy goes to the first largest input of its window, in row order; a window of NaN passes nothing on.
 * Windows may stick out on all sides: `top` and `left` are the padding.
 */
export function maxPoolGradient(
  x: usize, dy: usize, dx: usize, batch: usize, height: usize, width: usize, channels: usize,
  outHeight: usize, outWidth: usize, filterHeight: i32, filterWidth: i32,
  strideY: i32, strideX: i32, top: i32, left: i32,
): void {
  const pixelBytes = channels << 2;
  const rowBytes = width * pixelBytes;
  const imageBytes = height * rowBytes;
  for (let n: usize = 0; n < batch; n++) {
    for (let oy: i32 = 0; oy < <i32>outHeight; oy++) {
      const y0 = oy * strideY - top;
      const yFrom = max(0, y0), yTo = min(<i32>height, y0 + filterHeight);
      for (let ox: i32 = 0; ox < <i32>outWidth; ox++) {
        const x0 = ox * strideX - left;
        const xFrom = max(0, x0), xTo = min(<i32>width, x0 + filterWidth);
        let c: usize = 0;
        for (; c + 4 <= channels; c += 4) {
          let best = f32x4.splat(-Infinity);
          let where = i32x4.splat(-1);
          for (let iy = yFrom; iy < yTo; iy++) {
            let offset = iy * <i32>rowBytes + xFrom * <i32>pixelBytes;
            for (let ix = xFrom; ix < xTo; ix++) {
              const v = v128.load(x + <usize>offset + (c << 2));
              const larger = f32x4.gt(v, best);
              best = v128.bitselect(v, best, larger);
              where = v128.bitselect(i32x4.splat(offset), where, larger);
              offset += <i32>pixelBytes;
            }
          }
          const to = dx + (c << 2);
          add(to, i32x4.extract_lane(where, 0), load<f32>(dy + (c << 2)));
          add(to + 4, i32x4.extract_lane(where, 1), load<f32>(dy + (c << 2), 4));
          add(to + 8, i32x4.extract_lane(where, 2), load<f32>(dy + (c << 2), 8));
          add(to + 12, i32x4.extract_lane(where, 3), load<f32>(dy + (c << 2), 12));
        }
        for (; c < channels; c++) {
          let best: f32 = -Infinity;
          let where: i32 = -1;
          for (let iy = yFrom; iy < yTo; iy++) {
            for (let ix = xFrom; ix < xTo; ix++) {
              const offset = iy * <i32>rowBytes + ix * <i32>pixelBytes;
              const v = load<f32>(x + <usize>offset + (c << 2));
              if (v > best) {
                best = v;
                where = offset;
              }
            }
          }
          add(dx + (c << 2), where, load<f32>(dy + (c << 2)));
        }
        dy += pixelBytes;
      }
    }
    x += imageBytes;
    dx += imageBytes;
  }
}

@inline
function add(to: usize, offset: i32, value: f32): void {
  if (offset >= 0) store<f32>(to + <usize>offset, load<f32>(to + <usize>offset) + value);
}

/** Each dy, times `factor`, goes to every input of its window. */
export function averagePoolGradient(
  dy: usize, dx: usize, batch: usize, height: usize, width: usize, channels: usize,
  outHeight: usize, outWidth: usize, filterHeight: i32, filterWidth: i32,
  strideY: i32, strideX: i32, top: i32, left: i32, factor: f32,
): void {
  const pixelBytes = channels << 2;
  const rowBytes = width * pixelBytes;
  const factors = f32x4.splat(factor);
  for (let n: usize = 0; n < batch; n++) {
    for (let oy: i32 = 0; oy < <i32>outHeight; oy++) {
      const y0 = oy * strideY - top;
      const yFrom = max(0, y0), yTo = min(<i32>height, y0 + filterHeight);
      for (let ox: i32 = 0; ox < <i32>outWidth; ox++) {
        const x0 = ox * strideX - left;
        const xFrom = max(0, x0), xTo = min(<i32>width, x0 + filterWidth);
        for (let iy = yFrom; iy < yTo; iy++) {
          let to = dx + iy * <i32>rowBytes + xFrom * <i32>pixelBytes;
          for (let ix = xFrom; ix < xTo; ix++) {
            let c: usize = 0;
            for (; c + 4 <= channels; c += 4) {
              const p = to + (c << 2);
              v128.store(p, f32x4.add(v128.load(p), f32x4.mul(factors, v128.load(dy + (c << 2)))));
            }
            for (; c < channels; c++) {
              const p = to + (c << 2);
              store<f32>(p, load<f32>(p) + factor * load<f32>(dy + (c << 2)));
            }
            to += pixelBytes;
          }
        }
        dy += pixelBytes;
      }
    }
    dx += height * rowBytes;
  }
}
