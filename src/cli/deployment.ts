/** A run in containers: what every way of running them is made from. */

import { stringify } from "yaml";
import type { Topology } from "../graphs/topology.js";
import type { Experiment } from "../runs/experiment.js";
import { prettyJson } from "./files.js";

/** Where every peer listens inside its container. */
export const PORT = 4001;
/** Where every peer serves its metrics inside its container. */
export const METRICS_PORT = 9400;
/** Where things are inside a container. */
export const WHERE = {
  topology: "/run/murmur/topology.json",
  experiment: "/run/murmur/experiment.json",
  keys: "/run/secrets",
  /** Files that all peers have, beside the packages that modules import. */
  files: "/app/files",
  /** Files of one peer; beside its key, since a pod mounts both as one folder. */
  own: "/run/secrets/own",
  runs: "/runs",
} as const;

/** A run that is to be deployed. */
export interface Deployment {
  /** Fit for names of services, pods and volumes. */
  readonly name: string;
  readonly image: string;
  readonly topology: Topology;
  /** The topology file's content, whose addresses and data are replaced. */
  readonly document: Readonly<Record<string, unknown>>;
  /** With the places of its files in a container. */
  readonly experiment: Experiment;
  /** Text of each peer's key file, by id. */
  readonly keys: readonly string[];
  /** Each peer's own data, by id, with the places of their files in a container; undefined where it has none. */
  readonly ownData: readonly (Readonly<Record<string, unknown>> | undefined)[];
  /** Files of single peers. */
  readonly ownFiles: readonly OwnFile[];
  /** Cores and memory that a peer may use. */
  readonly limits: { readonly cpus: number; readonly memory: string };
  /** Name of the run's folder in the volume. */
  readonly run: string;
  /** More options of `murmur peer`. */
  readonly options: readonly string[];
}

/** A file of one peer, which no other one gets. */
export interface OwnFile {
  readonly peer: number;
  /** Where it lies on this machine. */
  readonly from: string;
  /** Its name in the peer's folder. */
  readonly name: string;
  readonly bytes: number;
  readonly isFolder: boolean;
}

/** A file to write, below the deployment's folder; secret ones are for their owner alone. */
export interface DeploymentFile {
  readonly path: string;
  readonly content: string;
  readonly isSecret?: boolean;
}

/** What a way of running containers needs. */
export interface Written {
  readonly files: readonly DeploymentFile[];
  /** Files and folders to copy, and where to, below the deployment's folder; a secret one in a folder for its owner alone. */
  readonly copies: readonly { readonly from: string; readonly path: string; readonly isSecret?: boolean }[];
  /** Files of the run that are not in it, and where they have to be. */
  readonly notShipped: readonly string[];
  /** Commands that start the run and fetch what it leaves; lines with a # are explanations. */
  steps(folder: string): readonly string[];
}

/** The arguments of `murmur` for one peer. A peer that is started again goes on where it was. */
export function peerArguments({ options, limits }: Deployment, id: string, run: string): string[] {
  return [
    ...["peer", WHERE.topology, WHERE.experiment, "--id", id, "--keys", WHERE.keys],
    ...[
      "--out",
      `${WHERE.runs}/${run}/logs`,
      "--checkpoints",
      `${WHERE.runs}/${run}/checkpoints`,
      "--resume",
    ],
    ...["--metrics", String(METRICS_PORT), "--metrics-host", "0.0.0.0"],
    ...["--threads", String(Math.max(1, Math.floor(limits.cpus)))],
    ...options.map((option) => (option === "--save" ? `--save=${WHERE.runs}/${run}/models` : option)),
  ];
}

/** As people read it: without anchors, and without folded lines. */
export function yaml(...documents: readonly object[]): string {
  const options = { aliasDuplicateObjects: false, lineWidth: 0 };
  return documents.map((document) => stringify(document, options)).join("---\n");
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
export function topologyContent(
  { document, topology, ownData }: Deployment,
  hostOf: (id: number) => string,
): string {
  const { $schema: _, ...content } = document;
  const peers = topology.peers.map(({ id, name, peerId }) => ({
    id,
    name,
    peerId,
    ...addresses(hostOf(id)),
    ...(ownData[id] && { data: ownData[id] }),
  }));
  return prettyJson({ ...content, peers });
}
