import { cp, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Argument, Command, InvalidArgumentError } from "commander";
import { FileProblem } from "../foundation/errors.js";
import { requireWhole, type Topology } from "../graphs/topology.js";
import { experimentJsonSchema } from "../runs/experiment.js";
import { makeEmptyFolder, makeFolders } from "../sinks/folders.js";
import { PACKAGE, VERSION } from "../version.js";
import { note, print, warn } from "./console.js";
import { composeFiles } from "./deploy-compose.js";
import { filesOf } from "./deploy-files.js";
import { kubernetesFiles } from "./deploy-kubernetes.js";
import { WHERE, type Written, withAddresses } from "./deployment.js";
import { createFile, readExperiment, readTopology, readTopologySettings } from "./files.js";
import { allowDifferentDataOption } from "./option-types.js";
import { addSettingsOptions } from "./settings-options.js";

/** Longest name of a Kubernetes object of which pods are named. */
const MAX_NAME_CHARACTERS = 40;
const MIN_CPUS = 0.1;
const MAX_CPUS = 256;
const DOCKERFILE = "image/Dockerfile";
/** First line of the Dockerfile: the folder is a deployment, which --force may replace. */
const MARK = "# Written by murmur deploy.";
/** What a deployment of any kind consists of. */
const PARTS = [
  ...["image", "secrets", "own", "topology.json", "experiment.json"],
  ...["compose.yaml", "murmuration.yaml", "keys.yaml", "fetch.yaml"],
];
const kinds = { compose: composeFiles, kubernetes: kubernetesFiles } as const;

export function deployCommand(): Command {
  const command = new Command("deploy");
  command
    .description("generate Docker Compose or Kubernetes files that run every peer in a container of its own")
    .addArgument(new Argument("<kind>", "what for").choices(Object.keys(kinds)))
    .argument("<topology>", "topology file (JSON) with identities")
    .argument("[experiment]", "experiment file (JSON); every field can also be given as an option")
    .option("--keys <folder>", "folder of the keys; default: beside the topology, as in ring-8.keys")
    .option("--out <folder>", "where to write", "deploy")
    .option("--force", "replace an earlier deployment in that folder")
    .option("--image <name>", "name of the container image", `murmuration:${VERSION}`)
    .option(
      "--run <name>",
      "folder of this run's logs, checkpoints and models in the volume",
      runName,
      "run-1",
    )
    .option("--save", "save the trained model of every peer, too")
    .addOption(allowDifferentDataOption())
    .option("--cpus <number>", "cores that a peer may use", cores, 1)
    .option("--memory <size>", "memory that a peer may use, as 512Mi or 2Gi", memorySize, "1Gi")
    .action(
      async (kind: keyof typeof kinds, topologyFile: string, experimentFile: string | undefined, options) => {
        const topology = await readTopology(topologyFile);
        requireWhole(topology);
        const files = await filesOf(await readExperiment(experimentFile, given()), topology);
        const written = kinds[kind]({
          ...{ name: nameOf(topology.name), image: options.image, topology, run: options.run },
          document: (await readTopologySettings(topologyFile)) as Record<string, unknown>,
          keys: await keysOf(topology, topologyFile, options.keys),
          ...{ experiment: files.experiment, ownData: files.ownData, ownFiles: files.ownFiles },
          limits: { cpus: options.cpus, memory: options.memory },
          options: [
            ...(options.save ? ["--save"] : []),
            ...(options.allowDifferentData ? ["--allow-different-data"] : []),
          ],
        });
        await writeAll(options.out, options.force === true, {
          files: [{ path: DOCKERFILE, content: dockerfile() }, ...written.files],
          copies: [
            ...files.shared.map(({ from, name }) => ({ from, path: `image/files/${name}` })),
            ...written.copies,
          ],
        });
        for (const line of files.remarks) note(line);
        for (const line of [...files.notShipped, ...written.notShipped]) warn(`not shipped: ${line}`);
        const root = fileURLToPath(new URL("../..", import.meta.url));
        print(`npm pack --ignore-scripts --pack-destination ${join(options.out, "image")} ${root}`);
        for (const line of written.steps(options.out)) print(line);
      },
    );
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

function runName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)) return text;
  throw new InvalidArgumentError("must have letters, digits, dots and hyphens, 63 at most");
}

function cores(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= MIN_CPUS && value <= MAX_CPUS) return value;
  throw new InvalidArgumentError(`must be a number from ${MIN_CPUS} to ${MAX_CPUS}`);
}

function memorySize(text: string): string {
  if (/^[1-9]\d{0,6}[MG]i$/.test(text)) return text;
  throw new InvalidArgumentError("must be a size such as 512Mi or 2Gi");
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

/** In `/app`, so that shipped modules find the packages that the run itself uses. */
function dockerfile(): string {
  return `${MARK}
FROM node:22-slim
WORKDIR /app
COPY ${PACKAGE}-${VERSION}.tgz /tmp/
RUN npm init --yes > /dev/null \\
 && npm install --omit=optional --no-audit --no-fund /tmp/${PACKAGE}-${VERSION}.tgz \\
 && rm /tmp/${PACKAGE}-${VERSION}.tgz \\
 && mkdir --mode=1777 ${WHERE.runs}
COPY files ${WHERE.files}
USER node
ENTRYPOINT ["/app/node_modules/.bin/murmur"]
`;
}

/**
 * Writes the deployment, whole or with an error before anything is there.
 * @throws FileProblem the folder holds something, and is not an earlier deployment that `replaces` allows to be replaced
 */
async function writeAll(
  folder: string,
  replaces: boolean,
  { files, copies }: Pick<Written, "files" | "copies">,
): Promise<void> {
  if (replaces && (await isDeployment(folder))) {
    for (const name of PARTS) await rm(join(folder, name), { recursive: true, force: true });
  } else {
    const advice = (await isDeployment(folder))
      ? "it has an earlier deployment; replace that with --force, or name a new folder with --out"
      : "name a new one with --out";
    await makeEmptyFolder(folder, advice);
  }
  makeFolders(join(folder, "image", "files"));
  const place = async (path: string, isSecret = false): Promise<string> => {
    const file = join(folder, path);
    makeFolders(dirname(file), isSecret ? 0o700 : 0o777);
    return file;
  };
  for (const { path, content, isSecret } of files) {
    // The root of the deployment is no secret.
    const file = await place(path, isSecret && path.includes("/"));
    await createFile(file, content, isSecret ? 0o600 : 0o666);
  }
  for (const { from, path, isSecret } of copies) {
    await cp(from, await place(path, isSecret), { recursive: true });
  }
}

async function isDeployment(folder: string): Promise<boolean> {
  return readFile(join(folder, DOCKERFILE), "utf8").then(
    (text) => text.startsWith(MARK),
    () => false,
  );
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
