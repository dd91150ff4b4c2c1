/** Every algorithm there is. Adding one: a file here, and a line in this record. */
import type { AlgorithmKind } from "../algorithm.js";
import { allReduce } from "./all-reduce.js";
import { alone } from "./alone.js";
import { artemis } from "./artemis.js";
import { beer } from "./beer.js";
import { choco } from "./choco.js";
import { compAms } from "./comp-ams.js";
import { csgd } from "./csgd.js";
import { d2 } from "./d2.js";
import { dcd } from "./dcd.js";
import { deepsqueeze } from "./deepsqueeze.js";
import { diloco } from "./diloco.js";
import { dpsgd } from "./dpsgd.js";
import { dpsgdCombineFirst } from "./dpsgd-combine-first.js";
import { ecd } from "./ecd.js";
import { ecqSgd } from "./ecq-sgd.js";
import { edgeChoco } from "./edge-choco.js";
import { efSgd } from "./ef-sgd.js";
import { gasloc } from "./gasloc.js";
import { gradientTracking } from "./gradient-tracking.js";
import { lead } from "./lead.js";
import { majorityVote } from "./majority-vote.js";
import { mcm } from "./mcm.js";
import { moniqua } from "./moniqua.js";
import { motef } from "./motef.js";
import { neolithic } from "./neolithic.js";
import { noloco } from "./noloco.js";
import { powergossip } from "./powergossip.js";
import { pushSum } from "./push-sum.js";
import { sparseloco } from "./sparseloco.js";

/** Every algorithm, by the name that the setting `algorithm` takes. */
export const algorithms = {
  deepsqueeze,
  dpsgd,
  "dpsgd-combine-first": dpsgdCombineFirst,
  choco,
  "edge-choco": edgeChoco,
  powergossip,
  neolithic,
  moniqua,
  dcd,
  ecd,
  d2,
  "gradient-tracking": gradientTracking,
  lead,
  beer,
  motef,
  gasloc,
  noloco,
  "push-sum": pushSum,
  "all-reduce": allReduce,
  "ef-sgd": efSgd,
  "ecq-sgd": ecqSgd,
  csgd,
  "majority-vote": majorityVote,
  "comp-ams": compAms,
  artemis,
  mcm,
  diloco,
  sparseloco,
  alone,
} as const satisfies Record<string, AlgorithmKind>;

/** A name of `algorithms`, as the setting `algorithm` takes it. */
export type AlgorithmName = keyof typeof algorithms;

/** The algorithm of an experiment that names none: the fewest bytes at D-PSGD's accuracy, with nothing to tune (scripts/bytes.mjs). */
export const defaultAlgorithm: AlgorithmName = "edge-choco";

/** What travels: nothing, whole models, or what the compressor makes of them. Names of other versions count as the last. */
export function payloadsOf(name: string): "nothing" | "exact" | "compressed" {
  const kind: AlgorithmKind | undefined = Object.hasOwn(algorithms, name)
    ? algorithms[name as AlgorithmName]
    : undefined;
  if (kind?.sends === "nothing") return "nothing";
  return kind?.sends === "model" && !kind.compresses ? "exact" : "compressed";
}
