/** A run in containers: what every way of running them is made from. */

import type { Topology } from "../graphs/topology.js";
import type { Experiment } from "../runs/experiment.js";
import { prettyJson } from "./files.js";

/** Where every peer listens inside its container. */
export const PORT = 4001;
/** Where things are inside a container. */
export const WHERE = {
  topology: "/run/murmur/topology.json",
  experiment: "/run/murmur/experiment.json",
  keys: "/run/secrets",
  logs: "/runs",
} as const;

/** A run that is to be deployed. */
export interface Deployment {
  /** Fit for names of services, pods and volumes. */
  readonly name: string;
  readonly image: string;
  readonly topology: Topology;
  /** The topology file's content, whose addresses are replaced. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly experiment: Experiment;
  /** Text of each peer's key file, by id. */
  readonly keys: readonly string[];
}

/** A file to write, below the folder; secret ones are for their owner alone. */
export interface DeploymentFile {
  readonly path: string;
  readonly content: string;
  readonly isSecret?: boolean;
}

/** The topology with every peer listening on all of its container's interfaces, dialled at the host named for it. */
export function withAddresses(topology: Topology, hostOf: (id: number) => string): Topology {
  const peers = topology.peers.map((peer) => ({ ...peer, ...addresses(hostOf(peer.id)) }));
  return { ...topology, peers };
}

function addresses(host: string) {
  return { listen: [`/ip4/0.0.0.0/tcp/${PORT}`], dial: [`/dns4/${host}/tcp/${PORT}`] };
}

/** The topology file of the containers. */
export function topologyContent({ document, topology }: Deployment, hostOf: (id: number) => string): string {
  const { $schema: _, ...content } = document;
  const peers = topology.peers.map(({ id, name, peerId }) => ({
    id,
    name,
    peerId,
    ...addresses(hostOf(id)),
  }));
  return prettyJson({ ...content, peers });
}
