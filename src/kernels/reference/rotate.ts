import { floats } from "./vector.js";

/** Linear maps of short runs of numbers. */
export interface RotateKernels {
  /**
   * out_j = after · Σ_i M_ij (before · v_i) of every run of `n` numbers, the sum in the order of i, held to what float32
   * has. `out` is another vector than `v`.
   *
   * @param length a multiple of `n`
   * @param matrix M by rows, n × n
   */
  rotate(
    v: number,
    length: number,
    n: number,
    matrix: number,
    before: number,
    after: number,
    out: number,
  ): void;
}

const LARGEST = Math.fround(3.4028234663852886e38);

export function rotateKernels(buffer: ArrayBuffer): RotateKernels {
  return {
    rotate(v, length, n, matrix, before, after, out) {
      const a = floats(buffer, v, length);
      const m = floats(buffer, matrix, n * n);
      const o = floats(buffer, out, length);
      for (let start = 0; start < length; start += n) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let i = 0; i < n; i++) {
            const x = Math.fround(Math.fround(before) * a[start + i]!);
            sum = Math.fround(sum + Math.fround(x * m[i * n + j]!));
          }
          o[start + j] = Math.min(LARGEST, Math.max(-LARGEST, Math.fround(sum * Math.fround(after))));
        }
      }
    },
  };
}
