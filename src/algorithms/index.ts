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

/** The algorithm of an experiment that names none. */
export const defaultAlgorithm: AlgorithmName = "deepsqueeze";

/** What travels: nothing, whole models, or what the compressor makes of them. Names of other versions count as the last. */
export function payloadsOf(name: string): "nothing" | "exact" | "compressed" {
  const kind: AlgorithmKind | undefined = Object.hasOwn(algorithms, name)
    ? algorithms[name as AlgorithmName]
    : undefined;
  if (kind?.sends === "nothing") return "nothing";
  return kind && !kind.compresses ? "exact" : "compressed";
}
