/** Every option of any algorithm. Adding one: a file here, and a line in this record; its name is the experiment's field. */
import type { z } from "zod";
import type { AlgorithmKind } from "../algorithm.js";
import type { AlgorithmOption } from "../algorithm-option.js";
import { averaging } from "./averaging.js";
import { blocks } from "./blocks.js";
import { quasiGlobalMomentum } from "./quasi-global-momentum.js";

/** In the order in which they wrap: the first lies innermost. */
const options = { blocks, quasiGlobalMomentum, averaging } as const;

type Options = typeof options;
/** Settings of every option, by its name. */
export type AlgorithmOptionSettings = { [Name in keyof Options]: z.output<Options[Name]["settings"]> };

/** Fields of an experiment. */
export const algorithmOptionSettings = Object.fromEntries(
  Object.entries(options).map(([name, { settings }]) => [name, settings]),
) as { [Name in keyof Options]: Options[Name]["settings"] };

/** The algorithm with the options that these settings turn on. */
export function withOptions(kind: AlgorithmKind, settings: AlgorithmOptionSettings): AlgorithmKind {
  return Object.entries<AlgorithmOption>(options).reduce(
    (wrapped, [name, option]) => option.apply(wrapped, settings[name as keyof Options]),
    kind,
  );
}
