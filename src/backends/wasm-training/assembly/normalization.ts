// Group normalisation of x [batch, positions, channels]: sums over positions are taken channel by channel, then
// put together per group, so that every loop over positions runs along memory.

/** Positions added up in float32 before they go to the total, so that the error stays small over many. */
const BLOCK: usize = 64;

const SUM: i32 = 0;
const SQUARES: i32 = 1;
const GRADIENT: i32 = 2;

/** Bytes of scratch for both functions below. */
export function groupNormalizationScratchBytes(channels: usize): usize {
  return channels * 32;
}

/**
 * Per channel, over the positions of one example: Σ x, Σ (x − mean)², or Σ dy and (in `more`) Σ dy·(x − mean).
 * `partial` has room for two rows of channels.
 */
@inline
function channelSums(
  operation: i32, x: usize, dy: usize, mean: usize, positions: usize, channels: usize,
  sums: usize, more: usize, partial: usize,
): void {
  const rowBytes = channels << 2;
  const morePartial = partial + rowBytes;
  memory.fill(sums, 0, rowBytes);
  if (operation == GRADIENT) memory.fill(more, 0, rowBytes);
  for (let first: usize = 0; first < positions; first += BLOCK) {
    memory.fill(partial, 0, 2 * rowBytes);
    for (let p = min(BLOCK, positions - first); p > 0; p--) {
      let c: usize = 0;
      for (; c + 16 <= rowBytes; c += 16) {
        const s = v128.load(partial + c);
        let v = v128.load(x + c);
        if (operation == SUM) {
          v128.store(partial + c, f32x4.add(s, v));
        } else {
          v = f32x4.sub(v, v128.load(mean + c));
          if (operation == SQUARES) {
            v128.store(partial + c, f32x4.add(s, f32x4.mul(v, v)));
          } else {
            const d = v128.load(dy + c);
            v128.store(partial + c, f32x4.add(s, d));
            v128.store(morePartial + c, f32x4.add(v128.load(morePartial + c), f32x4.mul(d, v)));
          }
        }
      }
      for (; c < rowBytes; c += 4) {
        const s = load<f32>(partial + c);
        let v = load<f32>(x + c);
        if (operation == SUM) {
          store<f32>(partial + c, s + v);
        } else {
          v -= load<f32>(mean + c);
          if (operation == SQUARES) {
            store<f32>(partial + c, s + v * v);
          } else {
            const d = load<f32>(dy + c);
            store<f32>(partial + c, s + d);
            store<f32>(morePartial + c, load<f32>(morePartial + c) + d * v);
          }
        }
      }
      x += rowBytes;
      if (operation == GRADIENT) dy += rowBytes;
    }
    for (let c: usize = 0; c < rowBytes; c += 4) {
      store<f32>(sums + c, load<f32>(sums + c) + load<f32>(partial + c));
      if (operation == GRADIENT) store<f32>(more + c, load<f32>(more + c) + load<f32>(morePartial + c));
    }
  }
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
  const sums = scratch, mean = sums + rowBytes, scale = mean + rowBytes, partial = scale + rowBytes;
  for (let n: usize = 0; n < batch; n++) {
    channelSums(SUM, x, 0, 0, positions, channels, sums, 0, partial);
    for (let g: usize = 0; g < groups; g++) {
      const value = <f32>(groupSum(sums, 0, g * perGroup, perGroup) / count);
      store<f32>(means + (g << 2), value);
      for (let c = g * perGroup; c < (g + 1) * perGroup; c++) store<f32>(mean + (c << 2), value);
    }
    channelSums(SQUARES, x, 0, mean, positions, channels, sums, 0, partial);
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
  const partial = constant + rowBytes;
  for (let n: usize = 0; n < batch; n++) {
    for (let g: usize = 0; g < groups; g++) {
      const value = load<f32>(means + (g << 2));
      for (let c = g * perGroup; c < (g + 1) * perGroup; c++) store<f32>(mean + (c << 2), value);
    }
    channelSums(GRADIENT, x, dy, mean, positions, channels, dBeta, dGamma, partial);
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
