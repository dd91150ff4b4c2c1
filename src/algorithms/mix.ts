import type { Compressor } from "../compressor.js";
import type { Settled } from "../exchange/settlement.js";
import type { Bytes, Vector } from "../vectors/vector.js";

/**
 * out += Σ_j η w_ij f_j (C_j − C_i), straight from the payloads that settled.
 *
 * @param factors f_j of each pair; 1 where left out
 */
export function mix(
  compressor: Compressor,
  out: Vector,
  settled: readonly Settled[],
  factors?: Float64Array,
): void {
  addPairs(compressor, out, settled, undefined, factors);
}

/** out += scale · Σ_j w_ij (C_j − C_i), whatever the rates of the pairs. */
export function addDisagreement(
  compressor: Compressor,
  out: Vector,
  settled: readonly Settled[],
  scale = 1,
): void {
  addPairs(compressor, out, settled, scale);
}

/** @param scale of every pair; its own rate where undefined */
function addPairs(
  compressor: Compressor,
  out: Vector,
  settled: readonly Settled[],
  scale: number | undefined,
  factors?: Float64Array,
): void {
  let own: Bytes | undefined;
  let total = 0;
  // Edges that were sent the same payload subtract it once.
  for (let k = 0; k < settled.length; k++) {
    const pair = settled[k]!;
    if (own !== undefined && own !== pair.own) {
      compressor.addTo(out, own, -total);
      total = 0;
    }
    own = pair.own;
    const weight = (scale ?? pair.rate) * pair.edge.weight * (factors?.[k] ?? 1);
    compressor.addTo(out, pair.theirs, weight);
    total += weight;
  }
  if (own !== undefined) compressor.addTo(out, own, -total);
}
