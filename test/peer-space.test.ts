// A peer's memory is sized once, before anything lies in it: whatever the algorithm, the compressor and the layout, there is room.
import { expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import { metropolisMixing, pushMixing } from "../src/graphs/weights.js";
import { createLayout } from "../src/vectors/layout.js";
import { everyCompressor, gossipPeer } from "./support/gossip.js";
import { mixingFor } from "./support/graphs.js";

const exact = { kind: "identity" } as const;
/** Around the sizes at which stagings stop growing with the model. */
const LENGTHS = [64, 50_000, 70_003];

it.each(Object.values<AlgorithmKind>(algorithms).map(({ name }) => name))("a peer of %s has room", (name) => {
  const algorithm = algorithms[name as keyof typeof algorithms];
  const directed = algorithm.needs.graph === "directed";
  const graph = createGraph(graphSettings.parse({ kind: "complete", peers: 6 }));
  const ring = createGraph(graphSettings.parse({ kind: "ring", peers: 6, directed }));
  const mixing = directed ? pushMixing(ring) : mixingFor(algorithm, metropolisMixing(graph));
  for (const length of LENGTHS) {
    for (const compressor of algorithm.compresses ? everyCompressor : [exact]) {
      const layout = createLayout([{ name: "x", shape: [length] }]);
      const options = {
        ...{ mixing, layout, algorithm, compressor, rate: 0.3, rounds: 2 },
        ...(!directed && { closingRates: [0.5] }),
      };
      expect(gossipPeer(options, 0).layout.length).toBe(length);
    }
  }
});
