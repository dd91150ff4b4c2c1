/** `length` float32 numbers at byte offset `pointer`. */
export function floats(buffer: ArrayBuffer, pointer: number, length: number): Float32Array<ArrayBuffer> {
  return new Float32Array(buffer, pointer >>> 0, length);
}

/** The same for reading only, wherever it lies: payloads are not aligned. */
export function unalignedFloats(buffer: ArrayBuffer, pointer: number, length: number): Float32Array {
  if (pointer % 4 === 0) return floats(buffer, pointer, length);
  return new Float32Array(buffer.slice(pointer >>> 0, (pointer >>> 0) + 4 * length));
}

/** `length` bytes at byte offset `pointer`. */
export function bytes(buffer: ArrayBuffer, pointer: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, pointer >>> 0, length);
}

/** Σ term(k) for k in 0 … length − 1 in the order that `kernels.ts` defines. */
export function orderedSum(length: number, term: (k: number) => number): number {
  const p = new Float64Array(8);
  for (let k = 0; k < length; k++) p[k & 7]! += term(k);
  return p[0]! + p[4]! + (p[2]! + p[6]!) + (p[1]! + p[5]! + (p[3]! + p[7]!));
}

const RUN = 1024;

/**
 * Σ term(k) in runs of 1024: each in float32 and in the same order of eight partial sums, then added up in float64.
 * A run whose float32 sum exceeds float32, or is below `smallest`, is made again in float64.
 */
export function sumInRuns(length: number, term: (k: number) => number, smallest = 0): number {
  let sum = 0;
  for (let start = 0; start < length; start += RUN) {
    const count = Math.min(RUN, length - start);
    const p = new Float32Array(8);
    for (let k = 0; k < count; k++) p[k & 7]! += Math.fround(term(start + k));
    const pair = (k: number) => Math.fround(p[k]! + p[k + 4]!);
    const run = Math.fround(Math.fround(pair(0) + pair(2)) + Math.fround(pair(1) + pair(3)));
    const holds = run >= smallest && Number.isFinite(run);
    sum += holds ? run : orderedSum(count, (k) => term(start + k));
  }
  return sum;
}

/** Numbers of one part of a sum. */
export const PART = 2 ** 19;

/** Σ sum(start, count) over the parts of 2¹⁹ numbers that a range is cut into. */
function sumInParts(length: number, sum: (start: number, count: number) => number): number {
  let total = 0;
  for (let start = 0; start < length; start += PART) total += sum(start, Math.min(PART, length - start));
  return total;
}

/** Σ |a_k| */
export function sumOfMagnitudes(a: Float32Array): number {
  return sumInParts(a.length, (start, count) => sumInRuns(count, (k) => Math.abs(a[start + k]!)));
}

/** 2⁻⁸⁰: a float32 sum of squares this large has lost next to nothing to squares that float32 cannot hold. */
export const SMALLEST_SQUARES = 2 ** -80;

export interface VectorKernels {
  /** out += v */
  add(out: number, v: number, length: number): void;
  /** out += v, then sum += out */
  addThrough(sum: number, out: number, v: number, length: number): void;
  /** out ← v − out */
  subtractFrom(out: number, v: number, length: number): void;
  /** out += scale · v; `v` need not be aligned. */
  addScaled(out: number, v: number, length: number, scale: number): void;
  /** out ← v, v ← 0 */
  moveTo(out: number, v: number, length: number): void;
  /** Σ |v_k|, in float32 over runs of 1024 (`kernels.ts`) */
  sumOfMagnitudes(v: number, length: number): number;
  /** Σ v_k² */
  sumOfSquares(v: number, length: number): number;
  /** Σ (a_k − b_k)² */
  squaredDistance(a: number, b: number, length: number): number;
  /** Each pair of finite numbers in order: low ← the smaller, high ← the larger. */
  sortPairs(low: number, high: number, length: number): void;
  /** 1 when every number is finite, else 0; `v` need not be aligned. */
  allFinite(v: number, length: number): number;
}

export function vectorKernels(buffer: ArrayBuffer): VectorKernels {
  return {
    add(out, v, length) {
      const o = floats(buffer, out, length);
      const a = floats(buffer, v, length);
      for (let k = 0; k < length; k++) o[k]! += a[k]!;
    },
    addThrough(sum, out, v, length) {
      const s = floats(buffer, sum, length);
      const o = floats(buffer, out, length);
      const a = floats(buffer, v, length);
      for (let k = 0; k < length; k++) {
        o[k]! += a[k]!;
        s[k]! += o[k]!;
      }
    },
    subtractFrom(out, v, length) {
      const o = floats(buffer, out, length);
      const a = floats(buffer, v, length);
      for (let k = 0; k < length; k++) o[k] = a[k]! - o[k]!;
    },
    addScaled(out, v, length, scale) {
      const o = floats(buffer, out, length);
      const a = unalignedFloats(buffer, v, length);
      const s = Math.fround(scale);
      for (let k = 0; k < length; k++) o[k]! += Math.fround(s * a[k]!);
    },
    moveTo(out, v, length) {
      const a = floats(buffer, v, length);
      floats(buffer, out, length).set(a);
      a.fill(0);
    },
    sumOfMagnitudes(v, length) {
      return sumOfMagnitudes(floats(buffer, v, length));
    },
    sumOfSquares(v, length) {
      const a = floats(buffer, v, length);
      return sumInParts(length, (start, count) => orderedSum(count, (k) => a[start + k]! * a[start + k]!));
    },
    squaredDistance(a, b, length) {
      const p = floats(buffer, a, length);
      const q = floats(buffer, b, length);
      return sumInParts(length, (start, count) =>
        orderedSum(count, (k) => (p[start + k]! - q[start + k]!) ** 2),
      );
    },
    sortPairs(low, high, length) {
      const a = floats(buffer, low, length);
      const b = floats(buffer, high, length);
      for (let k = 0; k < length; k++) {
        const [x, y] = [a[k]!, b[k]!];
        a[k] = Math.min(x, y);
        b[k] = Math.max(x, y);
      }
    },
    allFinite(v, length) {
      return unalignedFloats(buffer, v, length).every(Number.isFinite) ? 1 : 0;
    },
  };
}
