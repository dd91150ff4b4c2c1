import { floats } from "./vector.js";

const { fround } = Math;

/**
 * Update rules of optimisers, one pass each: the gradient g in `update` becomes the update u that is added to the
 * model; state vectors move on; `point` (the model x) is read only. What all take:
 *
 * - `rate`: γ, with a bias correction of the first moment folded in where there is one;
 * - `clip`: the factor on the gradient; 1 leaves it as it is;
 * - `decay`: λ of the L2 penalty. The gradient of a rule is clip·g + λ·x; with λ = 0 `point` is not read.
 *
 * All of them are rounded to float32, except the β and ρ of moving averages: those are float64, so that 1 − β loses
 * nothing before it is rounded. A moving average is β·a + (1 − β)·b.
 */
export interface OptimizerKernels {
  /** u = −γ·g */
  sgd(update: number, point: number, length: number, rate: number, clip: number, decay: number): void;
  /** m ← share·m + g; u = −γ·m, or −γ·(g + share·m) with `nesterov` ≠ 0 */
  momentum(
    update: number,
    point: number,
    velocity: number,
    length: number,
    rate: number,
    clip: number,
    decay: number,
    share: number,
    nesterov: number,
  ): void;
  /** m ← avg(g), v ← avg(g²); u = −(γ·m / (√v·spread + ε) + shrink·x); with shrink = 0 its term is left out */
  adam(
    update: number,
    point: number,
    first: number,
    second: number,
    length: number,
    rate: number,
    clip: number,
    decay: number,
    beta1: number,
    beta2: number,
    spread: number,
    epsilon: number,
    shrink: number,
  ): void;
  /** m ← avg(g), v ← avg(g²), n ← max(n, v); u = −γ·m / (√n·spread + ε) */
  amsgrad(
    update: number,
    point: number,
    first: number,
    second: number,
    largest: number,
    length: number,
    rate: number,
    clip: number,
    decay: number,
    beta1: number,
    beta2: number,
    spread: number,
    epsilon: number,
  ): void;
  /** m ← avg(g), n ← max(β₂·n, |g|); u = −γ·m / (n + ε) */
  adamax(
    update: number,
    point: number,
    first: number,
    largest: number,
    length: number,
    rate: number,
    clip: number,
    decay: number,
    beta1: number,
    beta2: number,
    epsilon: number,
  ): void;
  /**
   * s ← avg(g²); step = γ·g / √(s + ε); u = −step
   *
   * With `centered` ≠ 0: a ← avg(g), and max(s − a², 0) in the place of s. With share ≠ 0: w ← share·w + step and
   * u = −w. `means` and `velocity` are not touched otherwise.
   */
  rmsprop(
    update: number,
    point: number,
    squares: number,
    means: number,
    velocity: number,
    length: number,
    rate: number,
    clip: number,
    decay: number,
    rho: number,
    epsilon: number,
    share: number,
    centered: number,
  ): void;
  /** s ← s + g²; u = −γ·g / √(s + ε) */
  adagrad(
    update: number,
    point: number,
    squares: number,
    length: number,
    rate: number,
    clip: number,
    decay: number,
    epsilon: number,
  ): void;
  /** step = √(t + ε) / √(s + ε) · g; u = −γ·step; then s ← avg(g²), t ← avg(step²) */
  adadelta(
    update: number,
    point: number,
    squares: number,
    steps: number,
    length: number,
    rate: number,
    clip: number,
    decay: number,
    rho: number,
    epsilon: number,
  ): void;
}

/** share·a + (1 − share)·b in float32 */
function average(share: number): (a: number, b: number) => number {
  const [keep, take] = [fround(share), fround(1 - share)];
  return (a, b) => fround(fround(keep * a) + fround(take * b));
}

const square = (x: number) => fround(x * x);

export function optimizerKernels(buffer: ArrayBuffer): OptimizerKernels {
  /** Sets `update` to −step(g, k) for every number k. */
  function everywhere(
    [update, point, length]: readonly [number, number, number],
    clip: number,
    decay: number,
    step: (gradient: number, k: number) => number,
  ): void {
    const u = floats(buffer, update, length);
    const x = floats(buffer, point, length);
    const [c, d] = [fround(clip), fround(decay)];
    for (let k = 0; k < length; k++) {
      const clipped = fround(c * u[k]!);
      u[k] = -step(d === 0 ? clipped : fround(clipped + fround(d * x[k]!)), k);
    }
  }

  /** The numbers of Adam's denominators: √v·spread + ε */
  const denominator = (spread: number, epsilon: number) => {
    const [s, e] = [fround(spread), fround(epsilon)];
    return (v: number) => fround(fround(fround(Math.sqrt(v)) * s) + e);
  };

  return {
    sgd(update, point, length, rate, clip, decay) {
      const r = fround(rate);
      everywhere([update, point, length], clip, decay, (g) => fround(r * g));
    },
    momentum(update, point, velocity, length, rate, clip, decay, share, nesterov) {
      const m = floats(buffer, velocity, length);
      const [r, s] = [fround(rate), fround(share)];
      everywhere([update, point, length], clip, decay, (g, k) => {
        m[k] = fround(s * m[k]!) + g;
        return fround(r * (nesterov ? fround(g + fround(s * m[k]!)) : m[k]!));
      });
    },
    adam(update, point, first, second, length, rate, clip, decay, beta1, beta2, spread, epsilon, shrink) {
      const [m, v, x] = [first, second, point].map((pointer) => floats(buffer, pointer, length)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const [r, w] = [fround(rate), fround(shrink)];
      const [average1, average2, below] = [average(beta1), average(beta2), denominator(spread, epsilon)];
      everywhere([update, point, length], clip, decay, (g, k) => {
        m[k] = average1(m[k]!, g);
        v[k] = average2(v[k]!, square(g));
        const step = fround(fround(r * m[k]!) / below(v[k]!));
        return w === 0 ? step : fround(step + fround(w * x[k]!));
      });
    },
    amsgrad(update, point, first, second, largest, length, rate, clip, decay, beta1, beta2, spread, epsilon) {
      const [m, v, n] = [first, second, largest].map((pointer) => floats(buffer, pointer, length)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const r = fround(rate);
      const [average1, average2, below] = [average(beta1), average(beta2), denominator(spread, epsilon)];
      everywhere([update, point, length], clip, decay, (g, k) => {
        m[k] = average1(m[k]!, g);
        v[k] = average2(v[k]!, square(g));
        n[k] = Math.max(n[k]!, v[k]!);
        return fround(fround(r * m[k]!) / below(n[k]!));
      });
    },
    adamax(update, point, first, largest, length, rate, clip, decay, beta1, beta2, epsilon) {
      const m = floats(buffer, first, length);
      const n = floats(buffer, largest, length);
      const [r, b, e] = [fround(rate), fround(beta2), fround(epsilon)];
      const average1 = average(beta1);
      everywhere([update, point, length], clip, decay, (g, k) => {
        m[k] = average1(m[k]!, g);
        n[k] = Math.max(fround(b * n[k]!), Math.abs(g));
        return fround(fround(r * m[k]!) / fround(n[k]! + e));
      });
    },
    rmsprop(
      update,
      point,
      squares,
      means,
      velocity,
      length,
      rate,
      clip,
      decay,
      rho,
      epsilon,
      share,
      centered,
    ) {
      const s = floats(buffer, squares, length);
      const a = floats(buffer, means, centered ? length : 0);
      const w = floats(buffer, velocity, share === 0 ? 0 : length);
      const [r, e, m] = [fround(rate), fround(epsilon), fround(share)];
      const averaged = average(rho);
      everywhere([update, point, length], clip, decay, (g, k) => {
        s[k] = averaged(s[k]!, square(g));
        let variance = s[k]!;
        if (centered) {
          a[k] = averaged(a[k]!, g);
          variance = Math.max(fround(s[k]! - square(a[k]!)), 0);
        }
        const step = fround(fround(r * g) / fround(Math.sqrt(fround(variance + e))));
        if (m === 0) return step;
        w[k] = fround(m * w[k]!) + step;
        return w[k]!;
      });
    },
    adagrad(update, point, squares, length, rate, clip, decay, epsilon) {
      const s = floats(buffer, squares, length);
      const [r, e] = [fround(rate), fround(epsilon)];
      everywhere([update, point, length], clip, decay, (g, k) => {
        s[k]! += square(g);
        return fround(fround(r * g) / fround(Math.sqrt(fround(s[k]! + e))));
      });
    },
    adadelta(update, point, squares, steps, length, rate, clip, decay, rho, epsilon) {
      const s = floats(buffer, squares, length);
      const t = floats(buffer, steps, length);
      const [r, e] = [fround(rate), fround(epsilon)];
      const averaged = average(rho);
      const root = (x: number) => fround(Math.sqrt(fround(x + e)));
      everywhere([update, point, length], clip, decay, (g, k) => {
        const step = fround(fround(root(t[k]!) / root(s[k]!)) * g);
        s[k] = averaged(s[k]!, square(g));
        t[k] = averaged(t[k]!, square(step));
        return fround(r * step);
      });
    },
  };
}
