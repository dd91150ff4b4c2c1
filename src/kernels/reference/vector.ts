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

export interface VectorKernels {
  /** out += v */
  add(out: number, v: number, length: number): void;
  /** out ← v − out */
  subtractFrom(out: number, v: number, length: number): void;
  /** out += scale · v; `v` need not be aligned. */
  addScaled(out: number, v: number, length: number, scale: number): void;
  /** Σ |v_k| */
  sumOfMagnitudes(v: number, length: number): number;
  /** Σ v_k² */
  sumOfSquares(v: number, length: number): number;
  /** Σ (a_k − b_k)² */
  squaredDistance(a: number, b: number, length: number): number;
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
    sumOfMagnitudes(v, length) {
      const a = floats(buffer, v, length);
      return orderedSum(length, (k) => Math.abs(a[k]!));
    },
    sumOfSquares(v, length) {
      const a = floats(buffer, v, length);
      return orderedSum(length, (k) => a[k]! * a[k]!);
    },
    squaredDistance(a, b, length) {
      const p = floats(buffer, a, length);
      const q = floats(buffer, b, length);
      return orderedSum(length, (k) => (p[k]! - q[k]!) ** 2);
    },
    allFinite(v, length) {
      return unalignedFloats(buffer, v, length).every(Number.isFinite) ? 1 : 0;
    },
  };
}
