import { z } from "zod";
import { random } from "../foundation/random.js";
import { createSimpleGraph, type Edge, type GraphKind } from "./graph.js";
import type { WeightedEdge } from "./graph-sequence.js";
import { seed, sequencePeerCount } from "./sizes.js";

const settings = z.strictObject({
  kind: z.literal("equitopo"),
  peers: sequencePeerCount,
  shifts: z
    .int()
    .min(1)
    .max(64)
    .default(8)
    .describe("M: distances that rounds choose from; a peer is connected to at most 2M others"),
  seed,
});

/**
 * EquiTopo with one undirected peer a round (OU-EquiDyn): M distances are drawn once; every round takes one of them at
 * random, u, and pairs peers that are u apart, beginning at a random peer. A peer whose partners are both taken rests. A
 * pair averages. The consensus rate does not depend on n in the mean; M ≈ log n distances come close to that.
 *
 * @see Song et al. 2022, “Communication-Efficient Topologies for Decentralized Learning with O(1) Consensus Rate”,
 *   Algorithm 4; weights of 1/2 here, (n − 1)/2n there
 */
export const equitopo: GraphKind<typeof settings> = {
  settings,
  create({ peers, shifts, seed }) {
    const distances = drawDistances(peers, Math.min(shifts, peers - 1), seed);
    const pairs = distances.flatMap((distance) =>
      Array.from({ length: peers }, (_, peer): Edge => [peer, (peer + distance) % peers]),
    );
    const round = (t: number): WeightedEdge[] => {
      const draws = random(seed, "equitopo", t);
      const distance = distances[Math.floor(draws.uniform(0) * distances.length)] ?? 0;
      const start = Math.floor(draws.uniform(1) * peers);
      const isTaken = new Uint8Array(peers);
      const edges: WeightedEdge[] = [];
      for (let k = 0; k < peers && distance > 0; k++) {
        const a = (start + k) % peers;
        const b = (a + distance) % peers;
        if (isTaken[a] || isTaken[b]) continue;
        isTaken[a] = isTaken[b] = 1;
        edges.push([Math.min(a, b), Math.max(a, b), 1 / 2]);
      }
      return edges;
    };
    return { ...createSimpleGraph(peers, pairs), sequence: { round } };
  },
};

/** Distances from 1 to n − 1 that lead from every peer to every other. */
function drawDistances(peers: number, count: number, seed: number): number[] {
  if (peers === 1) return [];
  // One draw in `peers` at least holds a distance of 1, which connects them alone.
  for (let sample = 0; ; sample++) {
    const draws = random(seed, "equitopo distances", sample);
    const left = Array.from({ length: peers - 1 }, (_, k) => k + 1);
    const drawn = Array.from(
      { length: count },
      (_, k) => left.splice(Math.floor(draws.uniform(k) * left.length), 1)[0]!,
    );
    if (drawn.reduce(greatestCommonDivisor, peers) === 1) return drawn;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
