import type { Compressor } from "../compressor.js";
import type { Settled } from "../exchange/ledger.js";
import type { Bytes, Vector } from "../vectors/vector.js";

/** Payloads of all peers of a complete graph, this one's among them, in the order of the peers: equal sums at all of them. */
export function inOrderOfPeers(id: number, own: Bytes, settled: readonly Settled[]): Bytes[] {
  const before = settled.filter(({ edge }) => edge.peer < id).map(({ theirs }) => theirs);
  const after = settled.filter(({ edge }) => edge.peer > id).map(({ theirs }) => theirs);
  return [...before, own, ...after];
}

/** out += (1/n) Σ_j C_j over all peers, this one's payload decoded like the others. */
export function addMean(
  compressor: Compressor,
  out: Vector,
  id: number,
  own: Bytes,
  settled: readonly Settled[],
): void {
  const payloads = inOrderOfPeers(id, own, settled);
  for (const payload of payloads) compressor.addTo(out, payload, 1 / payloads.length);
}
