/**
 * Options of any algorithm. An option makes another algorithm of one, and knows nothing about which it is. A new option
 * is a file in `algorithm-options/` and a line in `algorithm-options/index.ts`.
 */
import type { z } from "zod";
import type { AlgorithmKind } from "./algorithm.js";

export interface AlgorithmOption<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the experiment's field, with a default that leaves the algorithm as it is. */
  readonly settings: Settings;
  /** @returns the kind with this option; the same kind where the settings leave it as it is */
  apply(kind: AlgorithmKind, settings: z.output<Settings>): AlgorithmKind;
}
