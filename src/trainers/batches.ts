import { permutation, random } from "../foundation/random.js";

/** Examples of one forward pass while evaluating. */
export const EVALUATION_BATCH = 256;

/** Batches of one peer: which examples each step learns from. */
export interface Batches {
  /** Examples per batch. */
  readonly size: number;
  /** The examples of a step, in a buffer that the next call overwrites. */
  at(step: number): Uint32Array;
}

/**
 * Batches that depend on (seed, peer, step) alone, so a run can go on from any step. The peer goes through
 * all of its examples, in a new random order each time, before it meets one again; batches are cut from that
 * endless sequence and always full, so a batch may end one pass and begin the next.
 *
 * @param count examples that the peer holds, at least 1
 * @param batchSize at most this many per batch; all of them where it holds fewer
 */
export function createBatches(count: number, batchSize: number, seed: number, peer: number): Batches {
  const size = Math.min(batchSize, count);
  const batch = new Uint32Array(size);
  let pass = -1;
  let order: number[] = [];
  return {
    size,
    at(step) {
      for (let k = 0; k < size; k++) {
        const position = step * size + k;
        const wanted = Math.floor(position / count);
        if (wanted !== pass) {
          order = count === 1 ? [0] : permutation(count, random(seed, "batches", peer, wanted));
          pass = wanted;
        }
        batch[k] = order[position % count]!;
      }
      return batch;
    },
  };
}
