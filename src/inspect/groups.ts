/** Several runs beside each other: the settings in which they differ, and the runs that differ in their seed alone. */
import type { RunView } from "./view.js";

/** Mean and sample standard deviation (n − 1) of the runs that have a value. */
export interface Estimate {
  readonly count: number;
  readonly mean: number;
  /** Absent for a single value. */
  readonly deviation?: number;
}

/** Figures of a group, by name. */
export interface GroupFigures {
  readonly loss: Estimate | null;
  readonly worst: Estimate | null;
  readonly consensus: Estimate | null;
  readonly closedWorst: Estimate | null;
  /** Sent per peer, closing included. */
  readonly bytes: Estimate | null;
}

export interface RunGroup {
  /** The settings that tell it from the other groups. */
  readonly name: string;
  readonly seeds: readonly number[];
  readonly metric: RunView["metric"];
  readonly figures: GroupFigures;
}

/** One setting, with its value in every run. */
export interface DifferingSetting {
  readonly name: string;
  readonly values: readonly string[];
}

export interface RunsComparison {
  readonly settings: readonly DifferingSetting[];
  /** Empty where no two runs differ in their seed alone. */
  readonly groups: readonly RunGroup[];
}

/** What a run that lacks a setting shows. */
const ABSENT = "–";
/** Settings that say where or by which name a run was made. */
const NAMING = new Set(["name", "seed"]);

export function compareRuns(views: readonly RunView[]): RunsComparison {
  const settings = differencesOf(
    views.map(({ experiment, seed, topology, network }) => ({
      ...{ ...experiment, seed, graph: topology.name, peers: topology.peers },
      ...(network && { network }),
    })),
  );
  return { settings, groups: groupsOf(views, settings) };
}

/** The settings, by their paths, whose values are not the same everywhere. */
export function differencesOf(all: readonly Readonly<Record<string, unknown>>[]): DifferingSetting[] {
  const flat = all.map(flattened);
  const names = [...new Set(flat.flatMap((settings) => [...settings.keys()]))];
  return names
    .map((name) => ({ name, values: flat.map((own) => own.get(name) ?? ABSENT) }))
    .filter(({ values }) => new Set(values).size > 1);
}

function groupsOf(views: readonly RunView[], settings: readonly DifferingSetting[]): RunGroup[] {
  const telling = settings.filter(({ name }) => !NAMING.has(name));
  const members = new Map<string, number[]>();
  for (const [k, { topology }] of views.entries()) {
    const key = JSON.stringify([telling.map(({ values }) => values[k]), topology.edges]);
    members.set(key, [...(members.get(key) ?? []), k]);
  }
  if (members.size === views.length) return [];
  return [...members.values()].map((places) => {
    const own = places.map((k) => views[k]!);
    const named = telling
      .map(({ name, values }) => [name, values[places[0]!]!] as const)
      .filter(([, value]) => value !== ABSENT)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
    return {
      name: named || own[0]!.name,
      seeds: own.map(({ seed }) => seed),
      metric: own[0]!.metric,
      figures: figuresOf(own),
    };
  });
}

function figuresOf(views: readonly RunView[]): GroupFigures {
  const over = (read: (view: RunView) => number | null | undefined) =>
    estimateOf(views.flatMap((view) => read(view) ?? []));
  return {
    loss: over(({ standing }) => standing.loss),
    worst: over(({ standing }) => standing.learned.worst),
    consensus: over(({ standing }) => standing.learned.consensus),
    closedWorst: over(({ standing }) => standing.closed?.worst),
    bytes: over(({ series }) => series.bytes.findLast((value) => value !== null)),
  };
}

/** @returns null without values */
export function estimateOf(values: readonly number[]): Estimate | null {
  const count = values.length;
  if (count === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count === 1) return { count, mean };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count, mean, deviation: Math.sqrt(squares / (count - 1)) };
}

/** Every setting as text, by its path: `compressor.bits`. A `kind` stands for what it is the kind of. */
function flattened(settings: Readonly<Record<string, unknown>>): Map<string, string> {
  const flat = new Map<string, string>();
  const add = (path: string, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      flat.set(path, typeof value === "string" ? value : JSON.stringify(value));
      return;
    }
    for (const [name, inner] of Object.entries(value)) {
      // Fields like $schema are for editors.
      if (!name.startsWith("$")) add([path, name].filter((part) => part && part !== "kind").join("."), inner);
    }
  };
  add("", settings);
  return flat;
}
