/** Which files a run names, and where they lie in a container. */
import { readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { Topology } from "../graphs/topology.js";
import type { Experiment } from "../runs/experiment.js";
import { type OwnFile, WHERE } from "./deployment.js";

/** Files of a run, and its settings with the places where containers have them. */
export interface RunFiles {
  readonly experiment: Experiment;
  readonly ownData: readonly (Readonly<Record<string, unknown>> | undefined)[];
  /** Files of all peers, and their names in the folder that the image has. */
  readonly shared: readonly { readonly from: string; readonly name: string }[];
  readonly ownFiles: readonly OwnFile[];
  /** What is not here, or cannot be shipped: one line each. */
  readonly notShipped: readonly string[];
  /** What the user should know, one line each. */
  readonly remarks: readonly string[];
}

/** Settings that name files or folders, as places in an experiment. */
const PLACES: readonly (readonly [section: string, fields: readonly string[]])[] = [
  ["data", ["path", "testPath"]],
  ["split", ["path"]],
  ["model", ["path"]],
];

type Section = Record<string, unknown>;

/** Finds the files that a run names, as seen from the working directory. */
export async function filesOf(experiment: Experiment, topology: Topology): Promise<RunFiles> {
  const isOwn = experiment.split.kind === "own";
  const settings = structuredClone(experiment) as unknown as Section;
  const shared: { from: string; name: string }[] = [];
  const notShipped: string[] = [];
  const remarks: string[] = [];
  const ship = async (section: Section, field: string, place: string): Promise<void> => {
    const from = section[field];
    if (typeof from !== "string") return;
    if (!(await sizeOf(from))) {
      notShipped.push(`${place}: there is no ${from} here`);
      return;
    }
    const name = shared.find((file) => file.from === from)?.name ?? `${shared.length}-${basename(from)}`;
    if (!shared.some((file) => file.from === from)) shared.push({ from, name });
    section[field] = `${WHERE.files}/${name}`;
    if (/\.[cm]?[jt]s$/.test(from)) remarks.push(`${from} is shipped alone, without files that it imports`);
  };
  for (const [name, fields] of PLACES) {
    if (name === "data" && isOwn) continue;
    for (const field of fields) await ship(settings[name] as Section, field, `${name}.${field}`);
  }
  const { weights, trainer } = settings as { weights?: unknown; trainer: Section };
  if (typeof weights === "string" && (await sizeOf(weights))) {
    if (weights.endsWith(".json")) {
      notShipped.push(
        `weights: ${weights} has numbers in files beside it; save the model as .safetensors, which is one file`,
      );
    } else await ship(settings, "weights", "weights");
  }
  for (const path of Object.keys((trainer.paths as Section) ?? {})) {
    await ship(trainer.paths as Section, path, `trainer.paths.${path}`);
  }
  if (Array.isArray(trainer.command)) {
    notShipped.push(
      `trainer.command (${trainer.command.join(" ")}): add the program and what it needs to image/Dockerfile`,
    );
  }
  const { ownData, ownFiles } = await ownOf(topology, notShipped);
  return {
    experiment: settings as unknown as Experiment,
    ...{ ownData, shared, ownFiles, notShipped, remarks },
  };
}

/** Data of single peers. Each peer's files get the same names, so that no peer learns another's. */
async function ownOf(
  { peers }: Topology,
  notShipped: string[],
): Promise<Pick<RunFiles, "ownData" | "ownFiles">> {
  const ownFiles: OwnFile[] = [];
  const ownData: Section[] = [];
  for (const { id, data } of peers) {
    if (!data) continue;
    const moved: Section = { ...data };
    for (const field of ["path", "testPath"]) {
      const from = moved[field];
      if (typeof from !== "string") continue;
      const size = await sizeOf(from);
      const name = `${field}${extname(from)}`;
      if (size) ownFiles.push({ peer: id, from, name, ...size });
      else
        notShipped.push(
          `data.${field} of peer ${id}: there is no ${from} here; mount it at ${WHERE.own}/${name}`,
        );
      moved[field] = `${WHERE.own}/${name}`;
    }
    ownData[id] = moved;
  }
  return { ownData, ownFiles };
}

async function sizeOf(path: string): Promise<{ bytes: number; isFolder: boolean } | undefined> {
  try {
    const found = await stat(path);
    if (!found.isDirectory()) return { bytes: found.size, isFolder: false };
    const names = await readdir(path);
    const sizes = await Promise.all(names.map((name) => sizeOf(join(path, name))));
    return { bytes: sizes.reduce((sum, size) => sum + (size?.bytes ?? 0), 0), isFolder: true };
  } catch {
    return undefined;
  }
}
