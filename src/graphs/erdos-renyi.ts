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
      const graph = createSimpleGraph(
        peers,
        drawPairs(peers, probability, random(seed, "erdos-renyi", sample)),
      );
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

/** One by one, so that there are never more than a graph may have. */
function* drawPairs(peers: number, probability: number, stream: Random): Generator<Edge> {
  let draw = 0;
  for (let i = 0; i < peers; i++) {
    for (let j = i + 1; j < peers; j++) if (stream.uniform(draw++) < probability) yield [i, j];
  }
}
