/** A comparison: the runs that one file describes. */
import { z } from "zod";
import { digest } from "../exchange/fingerprint.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { checked } from "../settings/check.js";

/** Most runs of one comparison. */
export const MAX_CELLS = 10_000;
/** Most characters of a row's name. */
const MAX_NAME_CHARACTERS = 64;
/** Part of every run's key; it changes when results hold something else, so that older ones are measured again. */
const RESULT_FORMAT = 4;

const overrides = z.record(z.string(), z.unknown());

export const comparisonSettings = z.strictObject({
  $schema: z.string().optional(),
  base: overrides.default({}).describe("fields of an experiment that all runs share"),
  topologies: z
    .array(z.string().min(1))
    .min(1)
    .describe("topology files, relative to this file; every row runs on each"),
  rows: z
    .record(z.string().min(1).max(MAX_NAME_CHARACTERS), overrides)
    .refine((rows) => Object.keys(rows).length > 0, { error: "has no rows: name one" })
    .describe("what is compared: by name, the fields of the experiment that are its own"),
  grid: z
    .record(z.string(), z.array(z.unknown()).min(1))
    .default({})
    .describe("fields of the experiment with several values each; every row runs with every combination"),
  seeds: z.array(z.int()).min(1).default([1]).describe("every run is repeated with each"),
  target: z
    .number()
    .optional()
    .describe(
      "what every peer is to reach, accuracy (from 0 to 1) or what else the task is judged by: the table then has the bytes, rounds and time that it takes",
    ),
  stepMs: z
    .number()
    .min(0)
    .default(0)
    .describe("milliseconds that a step of the optimiser counts in modelled times"),
  latencyMs: z
    .number()
    .min(0)
    .default(0)
    .describe("milliseconds that a message is under way, and its confirmation too, in modelled times"),
});
export type Comparison = z.output<typeof comparisonSettings>;

/** One run. */
export interface Cell {
  /** Row, what the grid gives, and the topology; the same for all seeds. */
  readonly name: string;
  /** File of the topology, and what it holds. */
  readonly topology: { readonly file: string; readonly content: unknown };
  readonly seed: number;
  /** Fields of its experiment. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Of settings, topology and weights: equal for equal runs alone, so that results can be found again. */
  readonly key: string;
}

/** @throws InvalidExperiment one line with the path of what is wrong */
export function parseComparison(input: unknown, source: string): Comparison {
  return checked(comparisonSettings, input, { what: source }, InvalidExperiment);
}

/**
 * Every run of a comparison, each once.
 * @param contents what each topology file holds, and for files of weights a digest, by name
 * @throws InvalidExperiment more than `MAX_CELLS`
 */
export function cellsOf(
  { base, topologies, rows, grid, seeds }: Comparison,
  contents: ReadonlyMap<string, unknown>,
): Cell[] {
  const counts = [Object.keys(rows), topologies, seeds, ...Object.values(grid)].map(({ length }) => length);
  const count = counts.reduce((product, length) => product * length, 1);
  if (count > MAX_CELLS) {
    throw new InvalidExperiment(`the comparison has ${count} runs: leave at most ${MAX_CELLS}`, {
      code: "too-many-cells",
      field: "grid",
    });
  }
  const places = placesOf(topologies);
  const cells: Cell[] = [];
  for (const [row, own] of Object.entries(rows)) {
    for (const combination of combinationsOf(grid)) {
      const parts = combination.map(([field, value]) => `${field} ${shown(value)}`);
      for (const [k, file] of topologies.entries()) {
        const name = [row, ...parts, ...(topologies.length > 1 ? [places[k]!] : [])].join(", ");
        const topology = { file, content: contents.get(file) };
        for (const seed of seeds) {
          const settings = { ...base, ...Object.fromEntries(combination), ...own, seed };
          const weights = contents.get(String((settings as { weights?: unknown }).weights));
          const key = digest({
            format: RESULT_FORMAT,
            settings,
            topology,
            ...(weights !== undefined && { weights }),
          });
          cells.push({ name, topology, seed, settings, key });
        }
      }
    }
  }
  return cells;
}

/** The files of weights that the runs of a comparison name, and perhaps words that are none. */
export function weightsOf({ base, rows, grid }: Comparison): string[] {
  const values = [base, ...Object.values(rows)].map(({ weights }) => weights);
  return [...values, ...(grid.weights ?? [])].filter((value) => typeof value === "string");
}

/** One value for each field of a grid. */
type Combination = readonly (readonly [field: string, value: unknown])[];

function combinationsOf(grid: Comparison["grid"]): Combination[] {
  let combinations: Combination[] = [[]];
  for (const [field, values] of Object.entries(grid)) {
    combinations = combinations.flatMap((chosen) =>
      values.map((value): Combination => [...chosen, [field, value]]),
    );
  }
  return combinations;
}

/** Short names of topology files; their paths where those would not differ. */
function placesOf(files: readonly string[]): readonly string[] {
  const short = files.map((file) => file.replace(/^.*\/|\.json$/g, ""));
  return new Set(short).size === files.length ? short : files;
}

const shown = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** JSON Schema (draft 7) of comparison files, for editors. */
export function comparisonJsonSchema(): Record<string, unknown> {
  return {
    title: "Murmuration comparison",
    ...z.toJSONSchema(comparisonSettings, { io: "input", target: "draft-7" }),
  };
}
