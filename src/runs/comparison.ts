/** A comparison: which runs there are, from one file, and what is measured of each. */
import { z } from "zod";
import { digest } from "../exchange/fingerprint.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { checked } from "../settings/check.js";

/** Most runs of one comparison. */
export const MAX_CELLS = 10_000;
/** Most characters of a row's name. */
const MAX_NAME_CHARACTERS = 64;

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
    .gt(0)
    .max(1)
    .optional()
    .describe("accuracy that every peer is to reach: the table then has the bytes and rounds that it takes"),
});
export type Comparison = z.output<typeof comparisonSettings>;

/** One run. */
export interface Cell {
  /** Row, what the grid gives, and the topology; the same for all seeds. */
  readonly name: string;
  readonly topology: string;
  readonly seed: number;
  /** Fields of its experiment. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Differs for any other run, so that results can be found again. */
  readonly key: string;
}

/** What a run came to. Accuracies are from 0 to 1. */
export interface CellResult {
  readonly name: string;
  readonly seed: number;
  readonly key: string;
  /** Why there is no result: the run is refused, or diverged. */
  readonly problem?: string;
  /** Of the peer that is worst, the mean over peers, and the mean model, after the last learning round. */
  readonly learned?: Standing;
  /** The same after closing; absent where the run does not close. */
  readonly closed?: Standing;
  readonly rounds?: number;
  /** Steps of the optimiser that a peer took. */
  readonly steps?: number;
  /** Mean over peers, closing included. */
  readonly bytes?: number;
  readonly bitsPerParameterAndStep?: number;
  /** Where every peer first reached the target, at the rounds that evaluate. */
  readonly target?: { readonly round: number; readonly bytes: number };
  readonly seconds?: number;
}

export interface Standing {
  readonly worst: number;
  readonly mean: number;
  readonly meanModel: number;
  readonly consensusDistance: number;
}

/** @throws InvalidExperiment one line with the path of what is wrong */
export function parseComparison(input: unknown, source: string): Comparison {
  return checked(comparisonSettings, input, { what: source }, InvalidExperiment);
}

/** Every run of a comparison, each once. @throws InvalidExperiment more than `MAX_CELLS` */
export function cellsOf({ base, topologies, rows, grid, seeds, target }: Comparison): Cell[] {
  const combinations = Object.entries(grid).reduce<readonly (readonly [string, unknown][])[]>(
    (some, [field, values]) =>
      some.flatMap((each) => values.map((value) => [...each, [field, value] as const])) as [
        string,
        unknown,
      ][][],
    [[]],
  );
  const count = Object.keys(rows).length * combinations.length * topologies.length * seeds.length;
  if (count > MAX_CELLS) {
    throw new InvalidExperiment(`the comparison has ${count} runs: leave at most ${MAX_CELLS}`, {
      code: "too-many-cells",
      field: "grid",
    });
  }
  return Object.entries(rows).flatMap(([row, own]) =>
    combinations.flatMap((combination) =>
      topologies.flatMap((topology) =>
        seeds.map((seed): Cell => {
          const settings = { ...base, ...Object.fromEntries(combination), ...own, seed };
          const parts = combination.map(([field, value]) => `${field} ${shown(value)}`);
          const where = topologies.length > 1 ? [topology.replace(/^.*\/|\.json$/g, "")] : [];
          const name = [row, ...parts, ...where].join(", ");
          return {
            name,
            topology,
            seed,
            settings,
            key: digest({ settings, topology, target: target ?? null }),
          };
        }),
      ),
    ),
  );
}

const shown = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** JSON Schema (draft 7) of comparison files, for editors. */
export function comparisonJsonSchema(): Record<string, unknown> {
  return {
    title: "Murmuration comparison",
    ...z.toJSONSchema(comparisonSettings, { io: "input", target: "draft-7" }),
  };
}
