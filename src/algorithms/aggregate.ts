import type { Compressor } from "../compressor.js";
import type { Settled } from "../exchange/settlement.js";
import type { Bytes, Vector } from "../vectors/vector.js";

/** Payloads of all peers of a complete graph, this one's among them, in the order of the peers: equal sums at all of them. */
export function withOwn(id: number, own: Bytes, settled: readonly Settled[]) {
  const others = settled.map(({ edge, theirs }) => ({ peer: edge.peer, payload: theirs }));
  return [...others, { peer: id, payload: own }].sort((a, b) => a.peer - b.peer);
}

/** out += (1/n) Σ_j C_j over all peers, this one's payload decoded like the others. */
export function addMean(
  compressor: Compressor,
  out: Vector,
  id: number,
  own: Bytes,
  settled: readonly Settled[],
): void {
  const payloads = withOwn(id, own, settled);
  for (const { payload } of payloads) compressor.addTo(out, payload, 1 / payloads.length);
}
