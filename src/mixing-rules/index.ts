/** Every mixing rule there is. Adding one: a file here, and a line in this list. */
import type { z } from "zod";
import type { AlgorithmKind } from "../algorithm.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { MixingRule, MixingRuleContext, MixingRuleKind } from "../mixing-rule.js";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import { clip } from "./clip.js";
import { mean } from "./mean.js";
import { trimmed } from "./trimmed.js";

const kinds = [mean, clip, trimmed] as const;

/** Settings of any mixing rule, distinguished by `kind`. */
export const mixingRuleSettings = settingsOfAny(kinds);
/** Settings of one of the mixing rules. */
export type MixingRuleSettings = z.output<typeof mixingRuleSettings>;

/** The rule of an experiment that names none. */
export const defaultMixingRule: MixingRuleSettings = { kind: "mean" };

const kindFor = (settings: MixingRuleSettings): MixingRuleKind => kindOf(kinds, settings) as MixingRuleKind;

/** The mixing rule that the settings name. */
export function createMixingRule(settings: MixingRuleSettings, context: MixingRuleContext): MixingRule {
  return kindFor(settings).create(settings, context);
}

/** Model-sized vectors that these settings take for a peer of this degree. */
export const mixingRuleVectors = (settings: MixingRuleSettings, degree: number): number =>
  kindFor(settings).vectors(degree);

/** Whether the rule judges what neighbours send. */
export const isRobust = (settings: MixingRuleSettings): boolean => kindFor(settings).isRobust;

/**
 * Whether an algorithm's payloads can be judged by this rule.
 * @throws InvalidExperiment names the algorithm and the rule
 */
export function requireMixing({ name, usesMixing }: AlgorithmKind, settings: MixingRuleSettings): void {
  if (usesMixing || !isRobust(settings)) return;
  throw new InvalidExperiment(
    `mixing rule ${settings.kind} compares whole models, and algorithm ${name} sends something else or mixes in a way of its own: use mixing mean, or an algorithm that sends whole models`,
    { code: "algorithm-without-mixing-rule", field: "mixing" },
  );
}

/** @throws InvalidExperiment a peer with fewer neighbours than the rule needs */
export function requireNeighbours(peer: number, degree: number, settings: MixingRuleSettings): void {
  const fewest = kindFor(settings).fewestNeighbours(settings);
  if (degree >= fewest) return;
  throw new InvalidExperiment(
    `mixing rule ${settings.kind} needs at least ${fewest} neighbours, and peer ${peer} has ${degree}: use a graph with more edges, or another mixing rule`,
    { code: "too-few-neighbours", peer, field: "mixing" },
  );
}
