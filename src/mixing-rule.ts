/**
 * Mixing rules: how a peer moves its model towards what its neighbours sent. The mean is gossip; the others limit what
 * a neighbour can do that sends anything at all. A rule is made for one peer and allocates nothing per round.
 */
import type { z } from "zod";
import type { Compressor } from "./compressor.js";
import type { Settled } from "./exchange/settlement.js";
import type { Neighbour } from "./graphs/mixing.js";
import type { Layout } from "./vectors/layout.js";
import type { Vector, VectorSpace } from "./vectors/vector.js";

/** How a model is moved towards the models that neighbours sent. */
export interface MixingRule {
  /** What survives a round, by name; part of the algorithm's state. Read in every round, so that it can be set in place. */
  readonly scalars: Record<string, number>;
  /**
   * Moves a model by what has settled.
   *
   * @param model x, in the rule's vector space; moved in place
   * @param settled pairs of payloads that are whole models, own and theirs, checked
   */
  mix(model: Vector, settled: readonly Settled[]): void;
}

/** What a mixing rule is made for. */
export interface MixingRuleContext {
  readonly compressor: Compressor;
  readonly layout: Layout;
  readonly space: VectorSpace;
  /** Every edge of this peer. */
  readonly edges: readonly Neighbour[];
}

/**
 * One kind of mixing rule. A new kind is a file in `mixing-rules/` that exports one of these, and one line in
 * `mixing-rules/index.ts`.
 */
export interface MixingRuleKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings, every field with a default; its `kind` is the name users write. */
  readonly settings: Settings;
  /**
   * Whether the rule judges payloads. It then takes only algorithms that declare `usesMixing`, and no closing consensus
   * follows unless asked for: that is a mean, which takes every model as it is.
   */
  readonly isRobust: boolean;
  /** Model-sized vectors of scratch memory for a peer of this degree. */
  vectors(degree: number): number;
  /** Fewest neighbours that a peer must have. */
  fewestNeighbours(settings: z.output<Settings>): number;
  /** The rule of one peer, with its scratch vectors. */
  create(settings: z.output<Settings>, context: MixingRuleContext): MixingRule;
}
