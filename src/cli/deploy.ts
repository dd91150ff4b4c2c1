import { mkdir, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Argument, Command } from "commander";
import { stringify } from "yaml";
import { FileProblem } from "../errors.js";
import type { Experiment } from "../experiment.js";
import { experimentJsonSchema } from "../experiment.js";
import type { Topology } from "../topology.js";
import { VERSION } from "../version.js";
import { print, warn } from "./console.js";
import { createFile, prettyJson, readExperiment, readJson, readTopology } from "./files.js";
import { addSettingsOptions } from "./settings-options.js";

/** Where every peer listens inside its container. */
const PORT = 4001;
/** Longest name of a Kubernetes object of which pods are named. */
const MAX_NAME_CHARACTERS = 40;
const WHERE = {
  topology: "/run/murmur/topology.json",
  experiment: "/run/murmur/experiment.json",
  keys: "/run/secrets",
  logs: "/runs",
} as const;

/** A run that is to be deployed. */
interface Deployment {
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
interface DeploymentFile {
  readonly path: string;
  readonly content: string;
  readonly isSecret?: boolean;
}

const kinds = { compose: composeFiles, kubernetes: kubernetesFiles } as const;

export function deployCommand(): Command {
  const command = new Command("deploy");
  command
    .description("write what Docker Compose or Kubernetes need to run every peer in a container of its own")
    .addArgument(new Argument("<kind>", "what for").choices(Object.keys(kinds)))
    .argument("<topology>", "topology file (JSON) with identities")
    .argument("[experiment]", "experiment file (JSON); every field can also be given as an option")
    .option("--keys <folder>", "folder of the keys; default: beside the topology, as in ring-8.keys")
    .option("--out <folder>", "where to write", "deploy")
    .option("--image <name>", "name of the container image", `murmuration:${VERSION}`)
    .action(
      async (kind: keyof typeof kinds, topologyFile: string, experimentFile: string | undefined, options) => {
        const topology = await readTopology(topologyFile);
        const experiment = await readExperiment(experimentFile, given());
        // Loaded here, so that other commands do not wait for libp2p.
        const { encodeIdentity } = await import("../transports/libp2p/identity.js");
        const { keysFolder, readIdentity } = await import("./key-files.js");
        const { networkPeers } = await import("../network.js");
        const keys: string[] = [];
        for (const { id } of topology.peers) {
          networkPeers(
            withAddresses(topology, () => "anywhere"),
            id,
          );
          const identity = await readIdentity(options.keys ?? keysFolder(topologyFile), id, warn);
          if (identity.peerId !== topology.peers[id]!.peerId) {
            throw new FileProblem(
              `the key of peer ${id} is not the one that ${topologyFile} names: use the folder that belongs to it, or run \`murmur keys\``,
            );
          }
          keys.push(`${encodeIdentity(identity)}\n`);
        }
        const document = (await readJson(topologyFile)) as Record<string, unknown>;
        const name = nameOf(topology.name);
        const files = kinds[kind]({ name, image: options.image, topology, document, experiment, keys });
        await writeAll(options.out, [{ path: "Dockerfile", content: dockerfile() }, ...files]);
        for (const line of nextSteps(kind, options.out, options.image)) print(line);
      },
    );
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

/** The topology with every peer listening on all of its container's interfaces, dialled at the host named for it. */
function withAddresses(topology: Topology, hostOf: (id: number) => string): Topology {
  const peers = topology.peers.map((peer) => ({ ...peer, ...addresses(hostOf(peer.id)) }));
  return { ...topology, peers };
}

function addresses(host: string) {
  return { listen: [`/ip4/0.0.0.0/tcp/${PORT}`], dial: [`/dns4/${host}/tcp/${PORT}`] };
}

function topologyContent({ document, topology }: Deployment, hostOf: (id: number) => string): string {
  const { $schema: _, ...content } = document;
  const peers = topology.peers.map(({ id, peerId }) => ({ id, peerId, ...addresses(hostOf(id)) }));
  return prettyJson({ ...content, peers });
}

/** One service per peer, whose key is the only one it gets. */
function composeFiles(deployment: Deployment): DeploymentFile[] {
  const { name, image, topology, experiment, keys } = deployment;
  const service = (id: number) => `peer-${id}`;
  const secret = (id: number) => `peer-${id}-key`;
  const logs = (id: number) => `peer-${id}-logs`;
  const ids = topology.peers.map(({ id }) => id);
  const compose = {
    name,
    services: Object.fromEntries(
      ids.map((id) => [
        service(id),
        {
          image,
          build: ".",
          command: [
            "peer",
            WHERE.topology,
            WHERE.experiment,
            "--id",
            String(id),
            "--keys",
            WHERE.keys,
            "--out",
            WHERE.logs,
          ],
          volumes: [
            `./topology.json:${WHERE.topology}:ro`,
            `./experiment.json:${WHERE.experiment}:ro`,
            `${logs(id)}:${WHERE.logs}`,
          ],
          secrets: [{ source: secret(id), target: `peer-${id}.key` }],
          restart: "no",
        },
      ]),
    ),
    secrets: Object.fromEntries(ids.map((id) => [secret(id), { file: `./secrets/peer-${id}.key` }])),
    volumes: Object.fromEntries(ids.map((id) => [logs(id), {}])),
  };
  return [
    { path: "compose.yaml", content: stringify(compose) },
    { path: "topology.json", content: topologyContent(deployment, service) },
    { path: "experiment.json", content: prettyJson(experiment) },
    ...keys.map((content, id) => ({ path: `secrets/peer-${id}.key`, content, isSecret: true })),
  ];
}

/**
 * A StatefulSet whose pod i is peer i, found by its name under a headless service. All keys are in one Secret,
 * and each pod mounts the folder in it that bears its own name.
 */
function kubernetesFiles(deployment: Deployment): DeploymentFile[] {
  const { name, image, topology, experiment, keys } = deployment;
  const pod = (id: number) => `${name}-${id}`;
  const labels = { "app.kubernetes.io/name": "murmuration", "app.kubernetes.io/instance": name };
  const metadata = (suffix = "") => ({ name: `${name}${suffix}`, labels });
  const item = (id: number) => `peer-${id}.key`;
  const run = [
    "murmur peer",
    WHERE.topology,
    WHERE.experiment,
    '--id "$(echo "$POD_NAME" | sed "s/.*-//")"',
    `--keys ${WHERE.keys}`,
    // A pod that starts again finds its earlier logs.
    `--out "${WHERE.logs}/$(date -u +%Y%m%dT%H%M%SZ)"`,
  ].join(" ");
  // A StatefulSet starts again whatever ends; a peer whose run is over waits to be deleted.
  const script = [
    'trap \'kill -TERM "$child"; wait "$child"; exit\' TERM',
    `${run} & child=$!`,
    'wait "$child" || exit',
    "sleep infinity & child=$!",
    'wait "$child"',
  ].join("\n");

  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(),
    spec: {
      clusterIP: "None",
      // Peers find each other before any of them is ready.
      publishNotReadyAddresses: true,
      selector: labels,
      ports: [{ name: "libp2p", port: PORT }],
    },
  };
  const settings = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadata("-settings"),
    data: {
      "topology.json": topologyContent(deployment, (id) => `${pod(id)}.${name}`),
      "experiment.json": prettyJson(experiment),
    },
  };
  const statefulSet = {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: metadata(),
    spec: {
      serviceName: name,
      replicas: topology.peers.length,
      podManagementPolicy: "Parallel",
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 30,
          securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
          containers: [
            {
              name: "peer",
              image,
              command: ["sh", "-c", script],
              env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
              ports: [{ name: "libp2p", containerPort: PORT }],
              volumeMounts: [
                { name: "settings", mountPath: "/run/murmur", readOnly: true },
                { name: "keys", mountPath: WHERE.keys, subPathExpr: "$(POD_NAME)", readOnly: true },
                { name: "logs", mountPath: WHERE.logs },
              ],
            },
          ],
          volumes: [
            { name: "settings", configMap: { name: `${name}-settings` } },
            {
              name: "keys",
              secret: {
                secretName: `${name}-keys`,
                defaultMode: 0o440,
                items: topology.peers.map(({ id }) => ({ key: item(id), path: `${pod(id)}/${item(id)}` })),
              },
            },
          ],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: "logs" },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        },
      ],
    },
  };
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: metadata("-keys"),
    type: "Opaque",
    stringData: Object.fromEntries(keys.map((content, id) => [item(id), content])),
  };
  return [
    {
      path: "murmuration.yaml",
      content: [service, settings, statefulSet].map((each) => stringify(each)).join("---\n"),
    },
    { path: "keys.yaml", content: stringify(secret), isSecret: true },
  ];
}

function dockerfile(): string {
  return `FROM node:22-slim
COPY murmuration-${VERSION}.tgz /tmp/
RUN npm install --global /tmp/murmuration-${VERSION}.tgz && rm /tmp/murmuration-${VERSION}.tgz
ENTRYPOINT ["murmur"]
`;
}

function nextSteps(kind: keyof typeof kinds, folder: string, image: string): string[] {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const pack = `npm pack --ignore-scripts --pack-destination ${folder} ${root}`;
  return kind === "compose"
    ? [pack, `docker compose --project-directory ${folder} up --build`]
    : [
        pack,
        `docker build --tag ${image} ${folder}, and push it to where the cluster finds it`,
        `kubectl apply -f ${join(folder, "keys.yaml")} -f ${join(folder, "murmuration.yaml")}`,
      ];
}

/** @throws FileProblem when the folder holds anything: no deployment is written over another */
async function writeAll(folder: string, files: readonly DeploymentFile[]): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause: Error) => {
    throw new FileProblem(`cannot make folder ${folder}: ${cause.message}`, { cause });
  });
  if ((await readdir(folder)).length > 0) {
    throw new FileProblem(`folder ${folder} is not empty: name a new one with --out`);
  }
  for (const { path, content, isSecret } of files) {
    const file = join(folder, path);
    if (path !== basename(path))
      await mkdir(join(file, ".."), { recursive: true, mode: isSecret ? 0o700 : 0o777 });
    await createFile(file, content, isSecret ? 0o600 : 0o666);
  }
}

/** Small letters, digits and hyphens, as DNS wants names. */
function nameOf(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_NAME_CHARACTERS)
    .replace(/^-+|-+$/g, "");
  return /^[a-z]/.test(name) ? name : `run-${name}`.replace(/-$/, "");
}
