/**
 * A random projection of the model that is short enough to log, and from which distances between models can be
 * told later: every peer projects with the same signs, so the projection of a difference is the difference of
 * the projections.
 *
 * It is a count sketch per tensor. Number m of a tensor goes with a random sign s(m) to one random cell c(m) of
 * that tensor's k cells:
 *
 *     (S z)_c = Σ_{m : c(m) = c} s(m) z_m        E ‖S z‖² = ‖z‖²        Var ‖S z‖² ≤ (2 / k) ‖z‖⁴
 *
 * A tensor that is no longer than its share of cells is kept as it is, without any error.
 *
 * @see Charikar, Chen, Farach-Colton 2002, “Finding Frequent Items in Data Streams” (the sketch);
 *   Weinberger et al. 2009, “Feature Hashing for Large Scale Multitask Learning”, Lemma 2 (its variance)
 */

import { drawBits, random } from "../foundation/random.js";
import type { Layout } from "../vectors/layout.js";

/**
 * Numbers in a projection when the experiment names none. Two standard deviations of a squared distance are
 * then 2·√(2 / 4096) = 4.4 % at most, however the models differ.
 */
export const DEFAULT_PROJECTION_SIZE = 4096;

/** Cells a tensor gets at least, where it has that many numbers and the projection that much room. */
const MINIMUM_CELLS = 64;

/** Where a tensor's cells lie in a projection. */
export interface ProjectedTensor {
  readonly name: string;
  /** Index of the tensor's first cell. */
  readonly offset: number;
  /** Count of its cells. */
  readonly length: number;
  /** Whether the cells are the tensor's own numbers. */
  readonly isExact: boolean;
}

/**
 * How `size` cells are divided among tensors: a minimum each, the rest by length, whole tensors where all fit.
 * There is at least one cell per tensor, so that very many tensors take more than `size`.
 */
export function projectedTensors(
  tensors: readonly { readonly name: string; readonly length: number }[],
  size: number,
): ProjectedTensor[] {
  const fair = Math.max(1, Math.min(MINIMUM_CELLS, Math.floor(size / (2 * tensors.length))));
  const minimums = tensors.map(({ length }) => Math.min(length, fair));
  const room = Math.max(0, size - sum(minimums));
  const wanted = sum(tensors.map(({ length }) => length)) - sum(minimums);
  const share = wanted === 0 ? 0 : Math.min(1, room / wanted);
  let offset = 0;
  return tensors.map(({ name, length }, t) => {
    const cells = minimums[t]! + Math.floor((length - minimums[t]!) * share);
    const placed = { name, offset, length: cells, isExact: cells === length };
    offset += cells;
    return placed;
  });
}

export interface Projection {
  readonly tensors: readonly ProjectedTensor[];
  /** Projects a vector of the layout, in one pass over it. */
  project(vector: Float32Array): Float32Array;
}

/** The projection that all peers of a run with this seed share. */
export function createProjection(layout: Layout, size: number, seed: number): Projection {
  const tensors = projectedTensors(layout.tensors, size);
  const last = tensors.at(-1);
  const cells = new Float64Array(last ? last.offset + last.length : 0);
  const { low, high } = random(seed, "projection");
  return {
    tensors,
    project(vector) {
      cells.fill(0);
      for (const [t, { offset, length, isExact }] of tensors.entries()) {
        const tensor = layout.tensors[t]!;
        const end = tensor.offset + tensor.length;
        if (isExact) {
          cells.set(vector.subarray(tensor.offset, end), offset);
          continue;
        }
        // 31 bits choose the cell, the last one the sign.
        const scale = length / 2 ** 31;
        for (let m = tensor.offset; m < end; m++) {
          const bits = drawBits(low, high, m);
          const cell = offset + Math.floor((bits >>> 1) * scale);
          cells[cell]! += bits & 1 ? vector[m]! : -vector[m]!;
        }
      }
      return Float32Array.from(cells);
    },
  };
}

/**
 * The relative standard deviation of Σ_i ‖x_i − x̄‖² estimated from projections: at most
 * √(Σ_t (2 / k_t) D_t²) / Σ_t D_t, with D_t the part of tensor t. The bound is met when all models differ along one
 * line; when they differ in many directions the error is smaller.
 *
 * @param parts D_t by tensor
 */
export function projectionError(tensors: readonly ProjectedTensor[], parts: ArrayLike<number>): number {
  let total = 0;
  let variance = 0;
  for (const [t, { length, isExact }] of tensors.entries()) {
    total += parts[t]!;
    if (!isExact) variance += (2 / length) * parts[t]! ** 2;
  }
  return total === 0 ? 0 : Math.sqrt(variance) / total;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
