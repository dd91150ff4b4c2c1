// Update rules of optimisers. Meaning and order of every operation: ../reference/optimizers.ts.
// Each rule is written once for four numbers; the last few go through it one by one, in the first lane.

@inline
function get(p: usize, isWhole: bool): v128 {
  return isWhole ? v128.load(p) : v128.load32_zero(p);
}

@inline
function put(p: usize, x: v128, isWhole: bool): void {
  if (isWhole) v128.store(p, x);
  else v128.store_lane<f32>(p, x, 0);
}

/** clip·g + decay·x; without decay `point` is not read. */
@inline
function gradient(update: usize, point: usize, clip: v128, decay: v128, decays: bool, isWhole: bool): v128 {
  const g = f32x4.mul(clip, get(update, isWhole));
  return decays ? f32x4.add(g, f32x4.mul(decay, get(point, isWhole))) : g;
}

/** keep·a + take·b */
@inline
function blend(keep: v128, a: v128, take: v128, b: v128): v128 {
  return f32x4.add(f32x4.mul(keep, a), f32x4.mul(take, b));
}

@inline
function rest(share: f64): v128 {
  return f32x4.splat(<f32>(1 - share));
}

@inline
function sgd4(update: usize, point: usize, rate: v128, clip: v128, decay: v128, decays: bool, isWhole: bool): void {
  const g = gradient(update, point, clip, decay, decays, isWhole);
  put(update, f32x4.neg(f32x4.mul(rate, g)), isWhole);
}

export function sgd(update: usize, point: usize, length: usize, rate: f32, clip: f32, decay: f32): void {
  const r = f32x4.splat(rate), c = f32x4.splat(clip), d = f32x4.splat(decay);
  const decays = decay != 0;
  let k: usize = 0;
  for (; k + 16 <= length; k += 16) {
    const p = k << 2;
    sgd4(update + p, point + p, r, c, d, decays, true);
    sgd4(update + p + 16, point + p + 16, r, c, d, decays, true);
    sgd4(update + p + 32, point + p + 32, r, c, d, decays, true);
    sgd4(update + p + 48, point + p + 48, r, c, d, decays, true);
  }
  for (; k < length; k++) sgd4(update + (k << 2), point + (k << 2), r, c, d, decays, false);
}

@inline
function momentum4(
  update: usize, point: usize, velocity: usize,
  rate: v128, clip: v128, decay: v128, decays: bool, share: v128, nesterov: i32, isWhole: bool,
): void {
  const g = gradient(update, point, clip, decay, decays, isWhole);
  const m = f32x4.add(f32x4.mul(share, get(velocity, isWhole)), g);
  put(velocity, m, isWhole);
  const direction = nesterov ? f32x4.add(g, f32x4.mul(share, m)) : m;
  put(update, f32x4.neg(f32x4.mul(rate, direction)), isWhole);
}

export function momentum(
  update: usize, point: usize, velocity: usize, length: usize,
  rate: f32, clip: f32, decay: f32, share: f32, nesterov: i32,
): void {
  const r = f32x4.splat(rate), c = f32x4.splat(clip), d = f32x4.splat(decay), s = f32x4.splat(share);
  const decays = decay != 0;
  let p: usize = 0;
  const end = length << 2, whole = end & ~15;
  for (; p < whole; p += 16) momentum4(update + p, point + p, velocity + p, r, c, d, decays, s, nesterov, true);
  for (; p < end; p += 4) momentum4(update + p, point + p, velocity + p, r, c, d, decays, s, nesterov, false);
}

@inline
function adam4(
  update: usize, point: usize, first: usize, second: usize,
  rate: v128, clip: v128, decay: v128, decays: bool,
  b1: v128, r1: v128, b2: v128, r2: v128, spread: v128, epsilon: v128, shrink: v128, shrinks: bool, isWhole: bool,
): void {
  const g = gradient(update, point, clip, decay, decays, isWhole);
  const m = blend(b1, get(first, isWhole), r1, g);
  const v = blend(b2, get(second, isWhole), r2, f32x4.mul(g, g));
  put(first, m, isWhole);
  put(second, v, isWhole);
  const step = f32x4.div(f32x4.mul(rate, m), f32x4.add(f32x4.mul(f32x4.sqrt(v), spread), epsilon));
  put(update, f32x4.neg(shrinks ? f32x4.add(step, f32x4.mul(shrink, get(point, isWhole))) : step), isWhole);
}

export function adam(
  update: usize, point: usize, first: usize, second: usize, length: usize,
  rate: f32, clip: f32, decay: f32, beta1: f64, beta2: f64, spread: f32, epsilon: f32, shrink: f32,
): void {
  const r = f32x4.splat(rate), c = f32x4.splat(clip), d = f32x4.splat(decay);
  const b1 = f32x4.splat(<f32>beta1), b2 = f32x4.splat(<f32>beta2), r1 = rest(beta1), r2 = rest(beta2);
  const s = f32x4.splat(spread), e = f32x4.splat(epsilon), w = f32x4.splat(shrink);
  const decays = decay != 0, shrinks = shrink != 0;
  let p: usize = 0;
  const end = length << 2, whole = end & ~15;
  for (; p < whole; p += 16) {
    adam4(
      update + p, point + p, first + p, second + p,
      r, c, d, decays, b1, r1, b2, r2, s, e, w, shrinks, true,
    );
  }
  for (; p < end; p += 4) {
    adam4(
      update + p, point + p, first + p, second + p,
      r, c, d, decays, b1, r1, b2, r2, s, e, w, shrinks, false,
    );
  }
}

@inline
function amsgrad4(
  update: usize, point: usize, first: usize, second: usize, largest: usize,
  rate: v128, clip: v128, decay: v128, decays: bool,
  b1: v128, r1: v128, b2: v128, r2: v128, spread: v128, epsilon: v128, isWhole: bool,
): void {
  const g = gradient(update, point, clip, decay, decays, isWhole);
  const m = blend(b1, get(first, isWhole), r1, g);
  const v = blend(b2, get(second, isWhole), r2, f32x4.mul(g, g));
  const most = f32x4.max(get(largest, isWhole), v);
  put(first, m, isWhole);
  put(second, v, isWhole);
  put(largest, most, isWhole);
  const step = f32x4.div(f32x4.mul(rate, m), f32x4.add(f32x4.mul(f32x4.sqrt(most), spread), epsilon));
  put(update, f32x4.neg(step), isWhole);
}

export function amsgrad(
  update: usize, point: usize, first: usize, second: usize, largest: usize, length: usize,
  rate: f32, clip: f32, decay: f32, beta1: f64, beta2: f64, spread: f32, epsilon: f32,
): void {
  const r = f32x4.splat(rate), c = f32x4.splat(clip), d = f32x4.splat(decay);
  const b1 = f32x4.splat(<f32>beta1), b2 = f32x4.splat(<f32>beta2), r1 = rest(beta1), r2 = rest(beta2);
  const s = f32x4.splat(spread), e = f32x4.splat(epsilon);
  const decays = decay != 0;
  let p: usize = 0;
  const end = length << 2, whole = end & ~15;
  for (; p < whole; p += 16) {
    amsgrad4(
      update + p, point + p, first + p, second + p, largest + p,
      r, c, d, decays, b1, r1, b2, r2, s, e, true,
    );
  }
  for (; p < end; p += 4) {
    amsgrad4(
      update + p, point + p, first + p, second + p, largest + p,
      r, c, d, decays, b1, r1, b2, r2, s, e, false,
    );
  }
}

@inline
function adamax4(
  update: usize, point: usize, first: usize, largest: usize,
  rate: v128, clip: v128, decay: v128, decays: bool, b1: v128, r1: v128, b2: v128, epsilon: v128, isWhole: bool,
): void {
  const g = gradient(update, point, clip, decay, decays, isWhole);
  const m = blend(b1, get(first, isWhole), r1, g);
  const most = f32x4.max(f32x4.mul(b2, get(largest, isWhole)), f32x4.abs(g));
  put(first, m, isWhole);
  put(largest, most, isWhole);
  put(update, f32x4.neg(f32x4.div(f32x4.mul(rate, m), f32x4.add(most, epsilon))), isWhole);
}

export function adamax(
  update: usize, point: usize, first: usize, largest: usize, length: usize,
  rate: f32, clip: f32, decay: f32, beta1: f64, beta2: f32, epsilon: f32,
): void {
  const r = f32x4.splat(rate), c = f32x4.splat(clip), d = f32x4.splat(decay);
  const b1 = f32x4.splat(<f32>beta1), r1 = rest(beta1), b2 = f32x4.splat(beta2), e = f32x4.splat(epsilon);
  const decays = decay != 0;
  let p: usize = 0;
  const end = length << 2, whole = end & ~15;
  for (; p < whole; p += 16) {
    adamax4(update + p, point + p, first + p, largest + p, r, c, d, decays, b1, r1, b2, e, true);
  }
  for (; p < end; p += 4) {
    adamax4(update + p, point + p, first + p, largest + p, r, c, d, decays, b1, r1, b2, e, false);
  }
}

@inline
function rmsprop4(
  update: usize, point: usize, squares: usize, means: usize, velocity: usize,
  rate: v128, clip: v128, decay: v128, decays: bool,
  keep: v128, take: v128, epsilon: v128, share: v128, moves: bool, centered: i32, isWhole: bool,
): void {
  const g = gradient(update, point, clip, decay, decays, isWhole);
  const s = blend(keep, get(squares, isWhole), take, f32x4.mul(g, g));
  put(squares, s, isWhole);
  let variance = s;
  if (centered) {
    const a = blend(keep, get(means, isWhole), take, g);
    put(means, a, isWhole);
    variance = f32x4.max(f32x4.sub(s, f32x4.mul(a, a)), f32x4.splat(0));
  }
  let step = f32x4.div(f32x4.mul(rate, g), f32x4.sqrt(f32x4.add(variance, epsilon)));
  if (moves) {
    step = f32x4.add(f32x4.mul(share, get(velocity, isWhole)), step);
    put(velocity, step, isWhole);
  }
  put(update, f32x4.neg(step), isWhole);
}

export function rmsprop(
  update: usize, point: usize, squares: usize, means: usize, velocity: usize, length: usize,
  rate: f32, clip: f32, decay: f32, rho: f64, epsilon: f32, share: f32, centered: i32,
): void {
  const r = f32x4.splat(rate), c = f32x4.splat(clip), d = f32x4.splat(decay);
  const keep = f32x4.splat(<f32>rho), take = rest(rho), e = f32x4.splat(epsilon), m = f32x4.splat(share);
  const decays = decay != 0, moves = share != 0;
  let p: usize = 0;
  const end = length << 2, whole = end & ~15;
  for (; p < whole; p += 16) {
    rmsprop4(
      update + p, point + p, squares + p, means + p, velocity + p,
      r, c, d, decays, keep, take, e, m, moves, centered, true,
    );
  }
  for (; p < end; p += 4) {
    rmsprop4(
      update + p, point + p, squares + p, means + p, velocity + p,
      r, c, d, decays, keep, take, e, m, moves, centered, false,
    );
  }
}

@inline
function adagrad4(
  update: usize, point: usize, squares: usize,
  rate: v128, clip: v128, decay: v128, decays: bool, epsilon: v128, isWhole: bool,
): void {
  const g = gradient(update, point, clip, decay, decays, isWhole);
  const s = f32x4.add(get(squares, isWhole), f32x4.mul(g, g));
  put(squares, s, isWhole);
  put(update, f32x4.neg(f32x4.div(f32x4.mul(rate, g), f32x4.sqrt(f32x4.add(s, epsilon)))), isWhole);
}

export function adagrad(
  update: usize, point: usize, squares: usize, length: usize, rate: f32, clip: f32, decay: f32, epsilon: f32,
): void {
  const r = f32x4.splat(rate), c = f32x4.splat(clip), d = f32x4.splat(decay), e = f32x4.splat(epsilon);
  const decays = decay != 0;
  let p: usize = 0;
  const end = length << 2, whole = end & ~15;
  for (; p < whole; p += 16) adagrad4(update + p, point + p, squares + p, r, c, d, decays, e, true);
  for (; p < end; p += 4) adagrad4(update + p, point + p, squares + p, r, c, d, decays, e, false);
}

@inline
function adadelta4(
  update: usize, point: usize, squares: usize, steps: usize,
  rate: v128, clip: v128, decay: v128, decays: bool, keep: v128, take: v128, epsilon: v128, isWhole: bool,
): void {
  const g = gradient(update, point, clip, decay, decays, isWhole);
  const s = get(squares, isWhole), t = get(steps, isWhole);
  const ratio = f32x4.div(f32x4.sqrt(f32x4.add(t, epsilon)), f32x4.sqrt(f32x4.add(s, epsilon)));
  const step = f32x4.mul(ratio, g);
  put(squares, blend(keep, s, take, f32x4.mul(g, g)), isWhole);
  put(steps, blend(keep, t, take, f32x4.mul(step, step)), isWhole);
  put(update, f32x4.neg(f32x4.mul(rate, step)), isWhole);
}

export function adadelta(
  update: usize, point: usize, squares: usize, steps: usize, length: usize,
  rate: f32, clip: f32, decay: f32, rho: f64, epsilon: f32,
): void {
  const r = f32x4.splat(rate), c = f32x4.splat(clip), d = f32x4.splat(decay);
  const keep = f32x4.splat(<f32>rho), take = rest(rho), e = f32x4.splat(epsilon);
  const decays = decay != 0;
  let p: usize = 0;
  const end = length << 2, whole = end & ~15;
  for (; p < whole; p += 16) {
    adadelta4(update + p, point + p, squares + p, steps + p, r, c, d, decays, keep, take, e, true);
  }
  for (; p < end; p += 4) {
    adadelta4(update + p, point + p, squares + p, steps + p, r, c, d, decays, keep, take, e, false);
  }
}
