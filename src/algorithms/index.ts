/** Every algorithm there is. Adding one: a file here, and a line in this record. */
import type { AlgorithmKind } from "../algorithm.js";
import { alone } from "./alone.js";
import { choco } from "./choco.js";
import { deepsqueeze } from "./deepsqueeze.js";
import { dpsgd } from "./dpsgd.js";

export const algorithms = { deepsqueeze, dpsgd, choco, alone } as const satisfies Record<
  string,
  AlgorithmKind
>;

export type AlgorithmName = keyof typeof algorithms;
