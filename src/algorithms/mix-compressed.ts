import type { Heard } from "../algorithm.js";
import type { Compressor } from "../compressor.js";
import type { Vector } from "../vector.js";

/**
 * out += rate · Σ_j w_ij (q_j − q). Written with differences it needs no self-weight: an edge that did not
 * deliver contributes zero at both of its ends, and Σ_i out_i never changes.
 */
export function mixCompressed(
  compressor: Compressor,
  out: Vector,
  own: Uint8Array,
  heard: readonly Heard[],
  rate: number,
): void {
  let heardWeight = 0;
  for (const { payload, weight } of heard) {
    compressor.addTo(out, payload, rate * weight);
    heardWeight += weight;
  }
  compressor.addTo(out, own, -rate * heardWeight);
}
