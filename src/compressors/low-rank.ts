import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { normal, type Random } from "../foundation/random.js";
import type { Layout } from "../vectors/layout.js";
import { requireFinite, requireLength } from "./ranges.js";

const settings = z.strictObject({
  kind: z.literal("low-rank"),
  rank: z.int().min(1).max(64).default(2).describe("columns of the two factors of every matrix"),
});

const LARGEST = 3.4028234663852886e38;
/** A column is nothing new when so little of it is at right angles to those before. */
const DEPENDENT = 1e-6;

/** A tensor and where its part of the payload begins: m × n as an m × r and an n × r factor, or as it is where r is 0. */
interface Part {
  readonly offset: number;
  readonly length: number;
  readonly m: number;
  readonly n: number;
  readonly rank: number;
  readonly first: number;
}

/** The last dimension against all others, where two factors of this rank take fewer numbers than the tensor. */
function partsOf({ tensors }: Layout, rank: number) {
  let count = 0;
  const parts = tensors.map(({ offset, length, shape }): Part => {
    const n = shape.at(-1) ?? 1;
    const m = length === 0 ? 0 : length / n;
    const part = { offset, length, m, n, rank: rank * (m + n) < length ? rank : 0, first: count };
    count += part.rank > 0 ? rank * (m + n) : length;
    return part;
  });
  return { parts, count };
}

/**
 * Low rank: of every tensor as a matrix M, its last dimension against all others, C(M) = P PᵀM with r orthonormal columns
 * P, found by one power iteration from a normally distributed matrix. Sent are P and MᵀP, 32 r (m + n) bits; tensors that
 * would take no less are sent as they are.
 *
 * PowerSGD starts from the last round's factor. That would be state between calls, which checkpoints do not have; so here
 * every call draws its start from the payload's own stream, and goes through M once more.
 *
 * Contraction: with z normal and σ the singular values, one column captures Σ σ⁸z² / Σ σ⁶z² ≥ Σ σ²z² / Σ z², whose mean
 * is ‖M‖² / min(m, n); more columns capture no less: α = 1 / min(m, n) of the matrix where that is least, up to float32
 * rounding. The norm bound is at most √r times the norm.
 *
 * @see Vogels, Karimireddy, Jaggi 2019, “PowerSGD”, Algorithm 1; Halko, Martinsson, Tropp 2011, “Finding Structure with
 *   Randomness”, §4.5 (the power iteration)
 */
export const lowRank: CompressorKind<typeof settings> = {
  settings,
  scratchBytes: (_settings, layout) => 12 * layout.length + 1024,
  create({ rank }, { layout, space }) {
    const name = `low-rank(${rank})`;
    const { kernels } = space;
    const { parts, count } = partsOf(layout, rank);
    const end = 4 * count;
    const sent = space.vector(count);
    const payload = new Uint8Array(space.buffer, sent.byteOffset, end);
    const received = space.vector(count);
    const receivedBytes = new Uint8Array(space.buffer, received.byteOffset, end);
    const decoded = space.vector(layout.length);
    const longest = (size: (part: Part) => number) => Math.max(0, ...parts.map(size));
    const left = new Float64Array(longest(({ m, rank }) => m * rank));
    const right = new Float64Array(longest(({ n, rank }) => n * rank));

    /** Writes both factors of a matrix. */
    const factorise = (matrix: Float32Array, { m, n, first }: Part, random: Random, drawn: number): void => {
      for (let k = 0; k < n * rank; k++) right[k] = normal(random, drawn + k);
      multiply(matrix, m, n, rank, right, left);
      multiplyTransposed(matrix, m, n, rank, left, right);
      multiply(matrix, m, n, rank, right, left);
      orthonormalise(left, m, rank);
      for (let k = 0; k < m * rank; k++) left[k] = Math.fround(left[k]!);
      multiplyTransposed(matrix, m, n, rank, left, right);
      sent.set(left.subarray(0, m * rank), first);
      for (let k = 0; k < n * rank; k++) {
        sent[first + m * rank + k] = Math.max(-LARGEST, Math.min(LARGEST, right[k]!));
      }
    };

    /** Leaves C(v) of checked numbers in `decoded`. */
    const decode = (numbers: Float32Array): void => {
      for (const { offset, length, m, n, rank, first } of parts) {
        if (rank === 0) {
          decoded.set(numbers.subarray(first, first + length), offset);
          continue;
        }
        const q = first + m * rank;
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let r = 0; r < rank; r++) sum += numbers[first + i * rank + r]! * numbers[q + j * rank + r]!;
            decoded[offset + i * n + j] = Math.max(-LARGEST, Math.min(LARGEST, sum));
          }
        }
      }
    };

    /** @returns the numbers of a payload, where they are aligned */
    const check = (bytes: Uint8Array): Float32Array => {
      requireLength(name, bytes, end);
      receivedBytes.set(bytes);
      requireFinite(name, kernels.allFinite(received.byteOffset, count));
      return received;
    };

    return {
      name,
      contraction: Math.min(1, ...parts.map(({ m, n, rank }) => (rank === 0 ? 1 : 1 / Math.min(m, n)))),
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector, random) {
        for (const part of parts) {
          const numbers = vector.subarray(part.offset, part.offset + part.length);
          if (part.rank > 0) factorise(numbers, part, random, part.offset);
          else sent.set(numbers, part.first);
        }
        decode(sent);
        kernels.addScaled(vector.byteOffset, decoded.byteOffset, layout.length, -1);
        return payload;
      },
      check,
      normBound(bytes) {
        const numbers = check(bytes);
        let squares = 0;
        for (const { length, m, n, rank, first } of parts) {
          if (rank === 0) squares += squaresOf(numbers, first, length, 1);
          let norm = 0;
          for (let r = 0; r < rank; r++) {
            const p = squaresOf(numbers, first + r, m, rank);
            norm += Math.sqrt(p * squaresOf(numbers, first + m * rank + r, n, rank));
          }
          squares += norm ** 2;
        }
        return Math.sqrt(squares);
      },
      addTo(out, bytes, scale) {
        decode(check(bytes));
        kernels.addScaled(out.byteOffset, decoded.byteOffset, layout.length, scale);
      },
    };
  },
};

/** Σ of the squares of `count` numbers, every `stride`th from `first` on. */
function squaresOf(numbers: Float32Array, first: number, count: number, stride: number): number {
  let sum = 0;
  for (let k = 0; k < count; k++) sum += numbers[first + k * stride]! ** 2;
  return sum;
}

/** P ← M Q, of m × n and n × r, by rows. */
function multiply(
  matrix: Float32Array,
  m: number,
  n: number,
  rank: number,
  q: Float64Array,
  p: Float64Array,
): void {
  p.fill(0, 0, m * rank);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const x = matrix[i * n + j]!;
      for (let r = 0; r < rank; r++) p[i * rank + r]! += x * q[j * rank + r]!;
    }
  }
}

/** Q ← MᵀP. */
function multiplyTransposed(
  matrix: Float32Array,
  m: number,
  n: number,
  rank: number,
  p: Float64Array,
  q: Float64Array,
): void {
  q.fill(0, 0, n * rank);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const x = matrix[i * n + j]!;
      for (let r = 0; r < rank; r++) q[j * rank + r]! += x * p[i * rank + r]!;
    }
  }
}

/** Gram–Schmidt, twice over; columns that are nothing new become 0. */
function orthonormalise(p: Float64Array, m: number, rank: number): void {
  const dot = (a: number, b: number) => {
    let sum = 0;
    for (let i = 0; i < m; i++) sum += p[i * rank + a]! * p[i * rank + b]!;
    return sum;
  };
  const scale = (a: number, factor: number) => {
    for (let i = 0; i < m; i++) p[i * rank + a]! *= factor;
  };
  for (let a = 0; a < rank; a++) {
    const before = Math.sqrt(dot(a, a));
    scale(a, before > 0 ? 1 / before : 0);
    for (let pass = 0; pass < 2; pass++) {
      for (let b = 0; b < a; b++) {
        const along = dot(a, b);
        for (let i = 0; i < m; i++) p[i * rank + a]! -= along * p[i * rank + b]!;
      }
    }
    const size = Math.sqrt(dot(a, a));
    scale(a, size > DEPENDENT ? 1 / size : 0);
  }
}
