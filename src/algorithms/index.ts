/** Every algorithm there is. Adding one: a file here, and a line in this record. */
import type { AlgorithmKind } from "../algorithm.js";
import { alone } from "./alone.js";
import { choco } from "./choco.js";
import { deepsqueeze } from "./deepsqueeze.js";
import { dpsgd } from "./dpsgd.js";
import { edgeChoco } from "./edge-choco.js";
import { neolithic } from "./neolithic.js";
import { pushSum } from "./push-sum.js";

export const algorithms = {
  deepsqueeze,
  dpsgd,
  choco,
  "edge-choco": edgeChoco,
  neolithic,
  "push-sum": pushSum,
  alone,
} as const satisfies Record<string, AlgorithmKind>;

export type AlgorithmName = keyof typeof algorithms;
