import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import { type Random, random } from "../foundation/random.js";
import { createSimpleGraph, type Edge, type GraphKind, isConnected } from "./graph.js";
import { MAX_SAMPLES, peerCount, seed } from "./sizes.js";

const settings = z.strictObject({
  kind: z.literal("erdos-renyi"),
  peers: peerCount,
  probability: z.number().positive().max(1).describe("probability of each edge"),
  seed,
});

/** An edge probability that connects nearly always: connectivity sets in at ln n / n, and this is twice that. */
const connecting = (peers: number) => Math.min(1, (2 * Math.log(peers)) / peers);

/** Every pair of peers is an edge with the same probability, redrawn until the graph is connected. */
export const erdosRenyi: GraphKind<typeof settings> = {
  settings,
  create({ peers, probability, seed }) {
    for (let sample = 0; sample < MAX_SAMPLES; sample++) {
      const stream = random(seed, "erdos-renyi", sample);
      if (hasLonelyPeer(peers, probability, stream)) continue;
      const graph = createSimpleGraph(peers, drawPairs(peers, probability, stream));
      if (isConnected(graph)) return graph;
    }
    throw new InvalidTopology(
      `none of ${MAX_SAMPLES} random graphs of ${peers} peers with edge probability ${probability} is connected: ` +
        `use a probability of ${connecting(peers).toFixed(3)} or more`,
      { code: "erdos-renyi-disconnected", field: "probability" },
    );
  },
  sized: (peers) => ({ kind: "erdos-renyi", peers, probability: connecting(peers) }),
};

/**
 * Whether some peer has no edge. Nearly every graph that is not connected has such a peer, and finding it takes a small
 * part of the graph's n(n − 1)/2 draws.
 */
function hasLonelyPeer(peers: number, probability: number, stream: Random): boolean {
  for (let peer = 0; peer < peers; peer++) {
    let other = 0;
    while (other < peers && !isEdge(peer, other)) other++;
    if (other === peers) return peers > 1;
  }
  return false;

  function isEdge(a: number, b: number): boolean {
    return a !== b && stream.uniform(drawOf(peers, Math.min(a, b), Math.max(a, b))) < probability;
  }
}

/** The draw that decides on the edge between two peers, the lower first. */
const drawOf = (peers: number, i: number, j: number) => (i * (2 * peers - i - 1)) / 2 + (j - i - 1);

/** One by one, so that there are never more than a graph may have. */
function* drawPairs(peers: number, probability: number, stream: Random): Generator<Edge> {
  for (let i = 0; i < peers; i++) {
    for (let j = i + 1, draw = drawOf(peers, i, j); j < peers; j++, draw++) {
      if (stream.uniform(draw) < probability) yield [i, j];
    }
  }
}
