// Group normalisation of x [batch, positions, channels]: sums over positions are taken channel by channel, then
// put together per group, so that every loop over positions runs along memory.

/** Positions added up in float32 before they go to the total, so that the error stays small over many. */
const BLOCK: usize = 64;

const SUM: i32 = 0;
const SQUARES: i32 = 1;
const GRADIENT: i32 = 2;

/** Bytes of scratch for both functions below. */
export function groupNormalizationScratchBytes(channels: usize): usize {
  return channels * 16;
}

/** Per channel, over the positions of one example: Σ x, Σ (x − mean)², or Σ dy and (in `more`) Σ dy·(x − mean). */
@inline
function channelSums(
  operation: i32, x: usize, dy: usize, mean: usize, positions: usize, channels: usize, sums: usize, more: usize,
): void {
  const rowBytes = channels << 2;
  memory.fill(sums, 0, rowBytes);
  if (operation == GRADIENT) memory.fill(more, 0, rowBytes);
  for (let first: usize = 0; first < positions; first += BLOCK) {
    const blockBytes = min(BLOCK, positions - first) * rowBytes;
    let c: usize = 0;
    // Eight channels at a time, so that one addition need not wait for the last.
    for (; c + 32 <= rowBytes; c += 32) eightSums(operation, x + c, dy + c, mean + c, rowBytes, blockBytes, sums + c, more + c);
    for (; c < rowBytes; c += 4) oneSum(operation, x + c, dy + c, mean + c, rowBytes, blockBytes, sums + c, more + c);
    x += blockBytes;
    dy += blockBytes;
  }
}

@inline
function eightSums(
  operation: i32, x: usize, dy: usize, mean: usize, rowBytes: usize, blockBytes: usize, sums: usize, more: usize,
): void {
  let low = f32x4.splat(0), high = low, moreLow = low, moreHigh = low, meanLow = low, meanHigh = low;
  if (operation != SUM) {
    meanLow = v128.load(mean);
    meanHigh = v128.load(mean, 16);
  }
  for (let p: usize = 0; p < blockBytes; p += rowBytes) {
    let v = v128.load(x + p), w = v128.load(x + p, 16);
    if (operation != SUM) {
      v = f32x4.sub(v, meanLow);
      w = f32x4.sub(w, meanHigh);
    }
    if (operation == SQUARES) {
      v = f32x4.mul(v, v);
      w = f32x4.mul(w, w);
    } else if (operation == GRADIENT) {
      const d = v128.load(dy + p), e = v128.load(dy + p, 16);
      moreLow = f32x4.add(moreLow, f32x4.mul(d, v));
      moreHigh = f32x4.add(moreHigh, f32x4.mul(e, w));
      v = d;
      w = e;
    }
    low = f32x4.add(low, v);
    high = f32x4.add(high, w);
  }
  v128.store(sums, f32x4.add(v128.load(sums), low));
  v128.store(sums, f32x4.add(v128.load(sums, 16), high), 16);
  if (operation == GRADIENT) {
    v128.store(more, f32x4.add(v128.load(more), moreLow));
    v128.store(more, f32x4.add(v128.load(more, 16), moreHigh), 16);
  }
}

@inline
function oneSum(
  operation: i32, x: usize, dy: usize, mean: usize, rowBytes: usize, blockBytes: usize, sums: usize, more: usize,
): void {
  let sum: f32 = 0, moreSum: f32 = 0;
  for (let p: usize = 0; p < blockBytes; p += rowBytes) {
    let v = load<f32>(x + p);
    if (operation != SUM) v -= load<f32>(mean);
    if (operation == SQUARES) v *= v;
    if (operation == GRADIENT) {
      moreSum += load<f32>(dy + p) * v;
      v = load<f32>(dy + p);
    }
    sum += v;
  }
  store<f32>(sums, load<f32>(sums) + sum);
  if (operation == GRADIENT) store<f32>(more, load<f32>(more) + moreSum);
}

/** Σ over the group that begins at channel `first`, in double precision; weighted where there are weights. */
@inline
function groupSum(sums: usize, weights: usize, first: usize, perGroup: usize): f64 {
  let total: f64 = 0;
  for (let c = first; c < first + perGroup; c++) {
    const value = <f64>load<f32>(sums + (c << 2));
    total += weights ? value * <f64>load<f32>(weights + (c << 2)) : value;
  }
  return total;
}

/**
 * y = γ·(x − μ)·s + β with s = 1/√(σ² + ε), μ and σ² of each example's group.
 * Writes μ and s, [batch, groups] each, for the gradient.
 */
export function groupNormalization(
  x: usize, gamma: usize, beta: usize, y: usize, means: usize, inverses: usize,
  batch: usize, positions: usize, channels: usize, groups: usize, epsilon: f64, scratch: usize,
): void {
  const rowBytes = channels << 2;
  const perGroup = channels / groups;
  const count = <f64>(positions * perGroup);
  const sums = scratch, mean = sums + rowBytes, scale = mean + rowBytes;
  for (let n: usize = 0; n < batch; n++) {
    channelSums(SUM, x, 0, 0, positions, channels, sums, 0);
    for (let g: usize = 0; g < groups; g++) {
      const value = <f32>(groupSum(sums, 0, g * perGroup, perGroup) / count);
      store<f32>(means + (g << 2), value);
      for (let c = g * perGroup; c < (g + 1) * perGroup; c++) store<f32>(mean + (c << 2), value);
    }
    channelSums(SQUARES, x, 0, mean, positions, channels, sums, 0);
    for (let g: usize = 0; g < groups; g++) {
      const inverse = <f32>(1 / Math.sqrt(groupSum(sums, 0, g * perGroup, perGroup) / count + epsilon));
      store<f32>(inverses + (g << 2), inverse);
      for (let c = g * perGroup; c < (g + 1) * perGroup; c++) {
        store<f32>(scale + (c << 2), inverse * load<f32>(gamma + (c << 2)));
      }
    }
    for (let p: usize = 0; p < positions; p++) {
      let c: usize = 0;
      for (; c + 16 <= rowBytes; c += 16) {
        const v = f32x4.mul(f32x4.sub(v128.load(x + c), v128.load(mean + c)), v128.load(scale + c));
        v128.store(y + c, f32x4.add(v, v128.load(beta + c)));
      }
      for (; c < rowBytes; c += 4) {
        const v = (load<f32>(x + c) - load<f32>(mean + c)) * load<f32>(scale + c);
        store<f32>(y + c, v + load<f32>(beta + c));
      }
      x += rowBytes;
      y += rowBytes;
    }
    means += groups << 2;
    inverses += groups << 2;
  }
}

/**
 * With x̂ = (x − μ)·s and averages ⟨·⟩ over a group: dx = s·(γ·dy − ⟨γ·dy⟩ − x̂·⟨γ·dy·x̂⟩).
 * Writes each example's own dγ = Σ dy·x̂ and dβ = Σ dy, [batch, channels] each.
 */
export function groupNormalizationGradient(
  dy: usize, x: usize, gamma: usize, means: usize, inverses: usize,
  dx: usize, dGamma: usize, dBeta: usize,
  batch: usize, positions: usize, channels: usize, groups: usize, scratch: usize,
): void {
  const rowBytes = channels << 2;
  const perGroup = channels / groups;
  const count = <f64>(positions * perGroup);
  const mean = scratch, fromDy = mean + rowBytes, fromX = fromDy + rowBytes, constant = fromX + rowBytes;
  for (let n: usize = 0; n < batch; n++) {
    for (let g: usize = 0; g < groups; g++) {
      const value = load<f32>(means + (g << 2));
      for (let c = g * perGroup; c < (g + 1) * perGroup; c++) store<f32>(mean + (c << 2), value);
    }
    channelSums(GRADIENT, x, dy, mean, positions, channels, dBeta, dGamma);
    for (let g: usize = 0; g < groups; g++) {
      const first = g * perGroup;
      const s = <f64>load<f32>(inverses + (g << 2));
      const meanDy = groupSum(dBeta, gamma, first, perGroup) / count;
      const meanDyX = s * groupSum(dGamma, gamma, first, perGroup) / count;
      for (let c = first << 2; c < (first + perGroup) << 2; c += 4) {
        store<f32>(dGamma + c, <f32>(s * <f64>load<f32>(dGamma + c)));
        store<f32>(fromDy + c, <f32>(s * <f64>load<f32>(gamma + c)));
        store<f32>(fromX + c, <f32>(s * s * meanDyX));
        store<f32>(constant + c, <f32>(s * meanDy));
      }
    }
    for (let p: usize = 0; p < positions; p++) {
      let c: usize = 0;
      for (; c + 16 <= rowBytes; c += 16) {
        const centred = f32x4.sub(v128.load(x + c), v128.load(mean + c));
        const v = f32x4.sub(f32x4.mul(v128.load(dy + c), v128.load(fromDy + c)), f32x4.mul(centred, v128.load(fromX + c)));
        v128.store(dx + c, f32x4.sub(v, v128.load(constant + c)));
      }
      for (; c < rowBytes; c += 4) {
        const centred = load<f32>(x + c) - load<f32>(mean + c);
        const v = load<f32>(dy + c) * load<f32>(fromDy + c) - centred * load<f32>(fromX + c);
        store<f32>(dx + c, v - load<f32>(constant + c));
      }
      x += rowBytes;
      dy += rowBytes;
      dx += rowBytes;
    }
    means += groups << 2;
    inverses += groups << 2;
    dGamma += rowBytes;
    dBeta += rowBytes;
  }
}
