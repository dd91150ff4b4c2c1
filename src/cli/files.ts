import { readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { detailsOf, FileProblem, InvalidExperiment } from "../foundation/errors.js";
import { unread, unwritten } from "../foundation/system-errors.js";
import { type GraphFileOptions, topologySettingsOfFile } from "../graph-formats/index.js";
import { parseTopology, type Topology } from "../graphs/topology.js";
import { type Experiment, parseExperiment } from "../runs/experiment.js";
import { createWhole, writeText, writeWhole } from "../sinks/whole-file.js";
import { createConditions } from "../transports/simulated/conditions.js";
import { type NetworkSettings, parseNetwork } from "../transports/simulated/settings.js";
import { kebab } from "./settings-options.js";

/** @throws FileProblem one line: which file, why, what to do */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new FileProblem(`cannot read ${file}: ${unread(error)}`, {
      code: "file-unreadable",
      field: file,
      cause: error,
    });
  }
}

/** @throws FileProblem when the file cannot be read or is no JSON */
export async function readJson(file: string): Promise<unknown> {
  const text = await readText(file);
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new FileProblem(`${file} is not JSON: ${(error as Error).message}`, {
      code: "file-not-json",
      field: file,
      cause: error,
    });
  }
}

/** Replaces a file's content at once: a reader sees the old one or the new one, whole. */
export async function replaceFile(file: string, text: string): Promise<void> {
  try {
    const { mode } = await stat(file);
    await writeWhole(file, (handle) => handle.writeFile(text), mode);
  } catch (cause) {
    throw new FileProblem(`cannot write ${file}: ${unwritten(cause)}`, {
      code: "file-not-replaced",
      field: file,
      cause,
    });
  }
}

/** Writes a new file. @throws FileProblem when there is one already, or it cannot be written */
export async function createFile(file: string, content: string, mode = 0o666): Promise<void> {
  try {
    await createWhole(file, (handle) => handle.writeFile(content), mode);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === "EEXIST" ? "it already exists; choose another place" : unwritten(cause);
    throw new FileProblem(`cannot write ${file}: ${reason}`, {
      code: "file-not-created",
      field: file,
      cause,
    });
  }
}

/** Writes a page, over one that is there. @throws FileProblem it cannot be written */
export async function writePage(file: string, html: string): Promise<void> {
  try {
    await writeText(file, html);
  } catch (cause) {
    throw new FileProblem(`cannot write ${file}: ${unwritten(cause)}`, {
      code: "page-not-written",
      field: file,
      cause,
    });
  }
}

/** JSON for people: indented, with lists of plain values on one line. */
export function prettyJson(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  const compact = text.replace(/\[\n\s+([^[\]{}]*?)\n\s*\]/g, (_, inner: string) => {
    return `[${inner.replace(/,\n\s+/g, ", ")}]`;
  });
  return `${compact}\n`;
}

/** A topology file (JSON), or a graph file of another tool. Data of its peers lie where the file says, seen from it. */
export async function readTopology(file: string): Promise<Topology> {
  return parseTopology(await readLocatedTopology(file), file);
}

/** What `readTopology` parses. */
export async function readLocatedTopology(file: string): Promise<unknown> {
  const settings = (await readTopologySettings(file)) as { readonly peers?: unknown };
  if (!Array.isArray(settings?.peers)) return settings;
  return { ...settings, peers: settings.peers.map((peer: unknown) => located(peer, dirname(file))) };
}

/** Settings of a peer with the paths of its data from the working directory. */
function located(peer: unknown, folder: string): unknown {
  const { data } = (peer ?? {}) as { readonly data?: unknown };
  const fromHere = (path: unknown) =>
    typeof path === "string" && !isAbsolute(path) ? join(folder, path) : path;
  if (typeof data === "string") return { ...(peer as object), data: fromHere(data) };
  if (typeof data !== "object" || data === null) return peer;
  const paths = Object.entries(data).filter(([field]) => PATHS.includes(field));
  const moved = Object.fromEntries(paths.map(([field, path]) => [field, fromHere(path)]));
  return { ...(peer as object), data: { ...data, ...moved } };
}

/** Settings of data that name files. */
const PATHS = ["path", "testPath"];

/** What `readTopology` makes a topology from. */
export async function readTopologySettings(file: string, options?: GraphFileOptions): Promise<unknown> {
  return (await topologySettingsOfFile(await readText(file), file, options)).settings;
}

/** The content of a topology file that is to be changed. @throws FileProblem the file is another tool's */
export async function readTopologyDocument(file: string): Promise<unknown> {
  const { settings, isTopologyFile } = await topologySettingsOfFile(await readText(file), file);
  if (isTopologyFile) return settings;
  throw new FileProblem(
    `${file} has no place for keys and addresses: make a topology file of it with \`murmur topology ${file} --to topology.json\``,
    { code: "not-a-topology-file", field: file },
  );
}

/** @throws InvalidNetwork settings that cannot be used, or do not fit the graph */
export async function readNetwork(file: string, { mixing }: Topology): Promise<NetworkSettings> {
  const network = parseNetwork(await readJson(file), `network file ${file}`);
  createConditions(network, mixing.neighbours);
  return network;
}

/** The experiment of a file, if one is named, with the settings given on the command line over it. */
export async function readExperiment(
  file: string | undefined,
  overrides: Readonly<Record<string, unknown>>,
): Promise<Experiment> {
  const base = file === undefined ? {} : await readJson(file);
  const source = file === undefined ? "experiment" : `experiment file ${file}`;
  try {
    return parseExperiment(merge(base, overrides), source);
  } catch (error) {
    throw error instanceof InvalidExperiment ? namingOption(error, source, overrides) : error;
  }
}

/** The error of a setting that was given as an option, under the name of the option. */
function namingOption(
  error: InvalidExperiment,
  source: string,
  overrides: Readonly<Record<string, unknown>>,
): InvalidExperiment {
  const [, path = "", problem = ""] = /^: ([^\s:]+) (.*)$/s.exec(error.message.slice(source.length)) ?? [];
  const [field = "", inner] = path.split(/[.[\]]+/);
  const given = overrides[field];
  if (given === undefined) return error;
  let option = `--${kebab(field)}`;
  if (inner !== undefined && typeof given === "object" && given !== null && !Array.isArray(given)) {
    // What the options leave out is the file's.
    if (!(inner in given)) return error;
    option += `.${kebab(inner)}`;
  }
  return new InvalidExperiment(`${option} ${problem}`, { ...detailsOf(error), cause: error });
}

/** Overrides win; `compressor: "sign"` over `{ kind: "minmax", bits: 4 }` starts over, since sign has no `bits`. */
function merge(base: unknown, overrides: Readonly<Record<string, unknown>>): unknown {
  if (typeof base !== "object" || base === null || Array.isArray(base)) return base;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(overrides)) {
    const before = typeof merged[key] === "string" ? { kind: merged[key] } : merged[key];
    const isNested = typeof value === "object" && value !== null && !Array.isArray(value);
    const keepsKind =
      isNested && (!("kind" in value) || (before as { kind?: unknown } | undefined)?.kind === value.kind);
    merged[key] = keepsKind && typeof before === "object" ? { ...before, ...value } : value;
  }
  return merged;
}
