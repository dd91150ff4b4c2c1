// Gradients of a depthwise convolution: x [batch, height, width, channels], filter [filterHeight, filterWidth,
// channels, multiplier], dy [batch, outHeight, outWidth, channels·multiplier]. What is added to starts as zeros.

export function depthwiseInputGradient(
  dy: usize, filter: usize, dx: usize, batch: usize, height: usize, width: usize, channels: usize, multiplier: usize,
  outHeight: usize, outWidth: usize, filterHeight: i32, filterWidth: i32,
  strideY: i32, strideX: i32, top: i32, left: i32,
): void {
  const pixelBytes = channels << 2;
  const outBytes = pixelBytes * multiplier;
  const rowBytes = width * pixelBytes;
  for (let n: usize = 0; n < batch; n++) {
    for (let oy: i32 = 0; oy < <i32>outHeight; oy++) {
      for (let ox: i32 = 0; ox < <i32>outWidth; ox++) {
        for (let ky: i32 = 0; ky < filterHeight; ky++) {
          const y = oy * strideY - top + ky;
          if (<u32>y >= <u32>height) continue;
          for (let kx: i32 = 0; kx < filterWidth; kx++) {
            const x = ox * strideX - left + kx;
            if (<u32>x >= <u32>width) continue;
            const to = dx + <usize>y * rowBytes + <usize>x * pixelBytes;
            const f = filter + <usize>(ky * filterWidth + kx) * outBytes;
            let c: usize = 0;
            if (multiplier == 1) {
              for (; c + 4 <= channels; c += 4) {
                const p = c << 2;
                v128.store(to + p, f32x4.add(v128.load(to + p), f32x4.mul(v128.load(dy + p), v128.load(f + p))));
              }
            }
            for (; c < channels; c++) {
              let sum: f32 = 0;
              for (let m: usize = 0; m < multiplier; m++) {
                const p = (c * multiplier + m) << 2;
                sum += load<f32>(dy + p) * load<f32>(f + p);
              }
              store<f32>(to + (c << 2), load<f32>(to + (c << 2)) + sum);
            }
          }
        }
        dy += outBytes;
      }
    }
    dx += height * rowBytes;
  }
}

export function depthwiseFilterGradient(
  x: usize, dy: usize, dFilter: usize, batch: usize, height: usize, width: usize, channels: usize, multiplier: usize,
  outHeight: usize, outWidth: usize, filterHeight: i32, filterWidth: i32,
  strideY: i32, strideX: i32, top: i32, left: i32,
): void {
  const pixelBytes = channels << 2;
  const outBytes = pixelBytes * multiplier;
  const rowBytes = width * pixelBytes;
  for (let n: usize = 0; n < batch; n++) {
    for (let oy: i32 = 0; oy < <i32>outHeight; oy++) {
      for (let ox: i32 = 0; ox < <i32>outWidth; ox++) {
        for (let ky: i32 = 0; ky < filterHeight; ky++) {
          const iy = oy * strideY - top + ky;
          if (<u32>iy >= <u32>height) continue;
          for (let kx: i32 = 0; kx < filterWidth; kx++) {
            const ix = ox * strideX - left + kx;
            if (<u32>ix >= <u32>width) continue;
            const from = x + <usize>iy * rowBytes + <usize>ix * pixelBytes;
            const f = dFilter + <usize>(ky * filterWidth + kx) * outBytes;
            let c: usize = 0;
            if (multiplier == 1) {
              for (; c + 4 <= channels; c += 4) {
                const p = c << 2;
                v128.store(f + p, f32x4.add(v128.load(f + p), f32x4.mul(v128.load(dy + p), v128.load(from + p))));
              }
            }
            for (; c < channels; c++) {
              const value = load<f32>(from + (c << 2));
              for (let m: usize = 0; m < multiplier; m++) {
                const p = (c * multiplier + m) << 2;
                store<f32>(f + p, load<f32>(f + p) + load<f32>(dy + p) * value);
              }
            }
          }
        }
        dy += outBytes;
      }
    }
    x += height * rowBytes;
  }
}
