/** The first lines of the logs of a run. */
import type { ExampleCounts } from "../dataset.js";
import { digest } from "../exchange/fingerprint.js";
import { FRAME_VERSION } from "../exchange/frame.js";
import type { Topology } from "../graphs/topology.js";
import { namesOf } from "../graphs/topology-peers.js";
import type { NetworkSettings } from "../transports/simulated/settings.js";
import type { Layout } from "../vectors/layout.js";
import { VERSION } from "../version.js";
import { type Experiment, withoutLocations } from "./experiment.js";
import { LOG_VERSION, type LogHeader, type Machine } from "./log.js";

export interface HeaderOptions {
  readonly machine?: Machine;
  /** Settings of the simulated network, where there is one. */
  readonly network?: NetworkSettings | undefined;
  /** Of the peer's examples, where they are known. */
  readonly counts?: ExampleCounts | undefined;
}

/** The header of a log that may lie alone. @param peer null for the whole graph */
export function headerLine(
  peer: number | null,
  experiment: Experiment,
  topology: Topology,
  layout: Layout,
  options: HeaderOptions = {},
): LogHeader {
  const { counts, ...others } = options;
  return withCounts(createHeaders(experiment, topology, layout, others).whole(peer), counts);
}

/** Headers of the logs of one run, whose common fields are made once. */
export interface RunHeaders {
  whole(peer: number | null): LogHeader;
  /** Without the edges of others: all headers together are then no larger than a few times the graph. */
  ofPeer(peer: number, counts?: ExampleCounts): LogHeader;
}

export function createHeaders(
  experiment: Experiment,
  { name, graph, peers }: Topology,
  layout: Layout,
  { machine = {}, network }: Omit<HeaderOptions, "counts"> = {},
): RunHeaders {
  const topology = {
    name,
    peers: graph.peers,
    edges: graph.edges.map(([i, j]): [number, number] => [i, j]),
  };
  const own = Array.from({ length: graph.peers }, (): [number, number][] => []);
  for (const edge of topology.edges) for (const end of edge) own[end]!.push(edge);
  const names = namesOf(peers);
  const tensors = layout.tensors.map((tensor) => ({ name: tensor.name, shape: [...tensor.shape] }));
  const fingerprint = digest({ experiment: withoutLocations(experiment), topology, tensors });
  const header = (peer: number | null, shown: LogHeader["topology"]): LogHeader => ({
    type: "header",
    logVersion: LOG_VERSION,
    version: VERSION,
    frameVersion: FRAME_VERSION,
    peer,
    seed: experiment.seed,
    fingerprint,
    experiment,
    topology: { ...shown, ...(names && { names }) },
    tensors,
    ...(network && { network }),
    machine,
  });
  return {
    whole: (peer) => header(peer, topology),
    ofPeer: (peer, counts) =>
      withCounts(header(peer, { ...topology, edges: own[peer]!, isPart: true }), counts),
  };
}

/** `machine` comes last, see above. */
function withCounts(
  { network, machine, ...header }: LogHeader,
  counts: ExampleCounts | undefined,
): LogHeader {
  return { ...header, ...(counts && { data: counts }), ...(network && { network }), machine };
}
