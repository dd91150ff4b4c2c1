/** What a verdict needs to know about a run beforehand, from what its logs say of it. */
import type { AlgorithmKind } from "../algorithm.js";
import { algorithms, payloadsOf } from "../algorithms/index.js";
import type { RunSubject } from "../observing/reason.js";
import type { LogHeader } from "./log.js";

/** @param isTimed whether the peers ran beside each other, on one clock or on their own */
export function runSubject(experiment: LogHeader["experiment"], isTimed: boolean): RunSubject {
  const { algorithm, consensusRate, closingRounds, weights } = experiment;
  const kind = (algorithms as Readonly<Record<string, AlgorithmKind>>)[algorithm];
  return {
    payloads: payloadsOf(algorithm),
    steps: Math.max(1, kind?.steps ?? 1),
    isRateFound: consensusRate === undefined || consensusRate === "auto",
    closes: closingRounds !== 0,
    isNew: weights === undefined || weights === "seed",
    isTimed,
  };
}
