import type { AlgorithmKind } from "../../src/algorithm.js";
import type { Mixing } from "../../src/graphs/mixing.js";
import { parseTopology, type Topology } from "../../src/graphs/topology.js";

/** A topology that the algorithm takes: this one, or a complete graph of as many peers. */
export function topologyFor({ needs }: AlgorithmKind, topology: Topology): Topology {
  if (needs.graph !== "complete") return topology;
  const { name, graph } = topology;
  return parseTopology({ name, graph: { kind: "complete", peers: graph.peers } }, name);
}

/** The same for a mixing matrix. */
export function mixingFor({ needs }: AlgorithmKind, mixing: Mixing): Mixing {
  if (needs.graph !== "complete") return mixing;
  return parseTopology({ graph: { kind: "complete", peers: mixing.peers } }, "test").mixing;
}
