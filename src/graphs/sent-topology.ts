/** Topologies that cross from one thread or process to another. */
import { parseTopology, type Topology } from "./topology.js";

/** A topology as messages have it: a graph sequence has functions, and is made again from its settings. */
export type SentTopology =
  | Topology
  | { readonly name: string; readonly graph: unknown; readonly peers: unknown };

export function sentTopology(topology: Topology): SentTopology {
  const { name, graphSettings: graph, peers } = topology;
  return topology.mixing.sequence ? { name, graph, peers } : topology;
}

export function receivedTopology(sent: SentTopology): Topology {
  return "mixing" in sent ? sent : parseTopology(sent, sent.name);
}
