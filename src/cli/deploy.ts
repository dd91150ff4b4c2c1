import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Argument, Command } from "commander";
import { FileProblem } from "../foundation/errors.js";
import { requireWhole, type Topology } from "../graphs/topology.js";
import { experimentJsonSchema } from "../runs/experiment.js";
import { makeEmptyFolder } from "../sinks/folders.js";
import { PACKAGE, VERSION } from "../version.js";
import { print, warn } from "./console.js";
import { composeFiles } from "./deploy-compose.js";
import { kubernetesFiles } from "./deploy-kubernetes.js";
import { type DeploymentFile, withAddresses } from "./deployment.js";
import { createFile, readExperiment, readTopology, readTopologySettings } from "./files.js";
import { addSettingsOptions } from "./settings-options.js";

/** Longest name of a Kubernetes object of which pods are named. */
const MAX_NAME_CHARACTERS = 40;
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
        requireWhole(topology);
        const experiment = await readExperiment(experimentFile, given());
        const keys = await keysOf(topology, topologyFile, options.keys);
        const document = (await readTopologySettings(topologyFile)) as Record<string, unknown>;
        const name = nameOf(topology.name);
        const files = kinds[kind]({ name, image: options.image, topology, document, experiment, keys });
        await writeAll(options.out, [{ path: "Dockerfile", content: dockerfile() }, ...files]);
        for (const line of nextSteps(kind, options.out, options.image)) print(line);
      },
    );
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

/** Text of each peer's key file. @throws FileProblem when one is missing, or not the one that the topology names */
async function keysOf(
  topology: Topology,
  topologyFile: string,
  folder: string | undefined,
): Promise<string[]> {
  // Loaded here, so that other commands do not wait for libp2p.
  const { encodeIdentity } = await import("../transports/libp2p/identity.js");
  const { keysFolder, readIdentity } = await import("./key-files.js");
  const { networkPeers } = await import("../runs/node/network.js");
  const placed = withAddresses(topology, () => "anywhere");
  const keys: string[] = [];
  for (const { id, peerId } of topology.peers) {
    networkPeers(placed, id);
    const identity = await readIdentity(folder ?? keysFolder(topologyFile), id, warn);
    if (identity.peerId !== peerId) {
      throw new FileProblem(
        `the key of peer ${id} does not match ${topologyFile}: use the folder that belongs to it, or run \`murmur keys\``,
        { code: "key-of-another-peer", peer: id },
      );
    }
    keys.push(`${encodeIdentity(identity)}\n`);
  }
  return keys;
}

function dockerfile(): string {
  return `FROM node:22-slim
COPY ${PACKAGE}-${VERSION}.tgz /tmp/
RUN npm install --global /tmp/${PACKAGE}-${VERSION}.tgz && rm /tmp/${PACKAGE}-${VERSION}.tgz
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
  await makeEmptyFolder(folder, "name a new one with --out");
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
