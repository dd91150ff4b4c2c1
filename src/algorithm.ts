/**
 * Gossip algorithms. An algorithm is a generator over one round: it gets the local update, yields what to send, and is
 * resumed with what has settled. When and over what payloads travel is the exchange's business (exchange/README.md).
 *
 *     const settled = yield payload;                    the same payload on every edge
 *     const settled = yield (edge) => payload;          one per edge
 */
import type { Compressor } from "./compressor.js";
import type { Outgoing } from "./exchange/exchanges.js";
import type { Settled } from "./exchange/settlement.js";
import type { Random } from "./foundation/random.js";
import type { Neighbour } from "./graphs/mixing.js";
import type { MixingRule } from "./mixing-rule.js";
import type { Layout } from "./vectors/layout.js";
import type { State } from "./vectors/state.js";
import type { Bytes, Vector, VectorSpace } from "./vectors/vector.js";

/** What one round gets besides the local update. */
export interface Round {
  /** The edges that take part, in the order of the neighbours, with their weights of this round. */
  readonly edges: readonly Neighbour[];
  /** Number of the round, from 0. */
  readonly round: number;
  /** γ of this round, which the update already contains. */
  readonly learningRate: number;
  /** η of this round; a pair that settles carries the rate of its own round. */
  readonly consensusRate: number;
  /** The stream of a payload's draws: of the round's one payload, or of what the key names. */
  readonly random: (...key: readonly (string | number)[]) => Random;
}

export type RoundSteps = Generator<Outgoing, void, readonly Settled[]>;

export interface Algorithm {
  /** What survives a round beside the model; consistent whenever `round` is not running. */
  readonly state: State;
  /** Where gradients are taken and what is evaluated: the model, unless the algorithm says otherwise. */
  readonly point: Vector;
  /** A mean of past points, evaluated beside the point. */
  readonly average?: Vector;
  /** Most bytes of a payload. The compressor's, and `extraPayloadBytes`, where left out. */
  readonly maximumPayloadBytes?: number;
  /**
   * One round: applies the local update and exchanges.
   *
   * Model and state are valid whenever it is suspended, also when it is ended there. An edge that is left out at both
   * of its ends changes nothing, so that the mean of all models moves by the updates alone.
   *
   * @param update u of x ← x + u; the algorithm may overwrite it
   */
  round(update: Vector, round: Round): RoundSteps;
  /**
   * Looks at a neighbour's payload of step `step` of a round before it is settled. The compressor's check where left out.
   * @throws MalformedPayload
   */
  check?(payload: Bytes, step: number, round: number, from: number): void;
  /**
   * An upper bound of the norm of what a payload that `check` accepts adds at a rate of 1. The compressor's where both
   * are left out; an algorithm with a check of its own and without this one has none.
   */
  normBound?(payload: Bytes, step: number, round: number): number;
  /** What the state shows about the neighbours' models; asked for now and then. */
  observe?(): Sighting;
}

/** What an algorithm's state shows about its neighbours. */
export interface Sighting {
  /** Estimate of (1/n) Σ_i ‖x_i − x̄‖², where it does not follow from the distances. */
  readonly consensus?: number;
  /** ‖x_j − x_i‖ by edge, where the state holds it. */
  readonly distances?: readonly number[];
  /** What the user should know, one line each. */
  readonly warnings?: readonly string[];
}

/** What depends on the layout of what is exchanged. */
export interface LayoutTools {
  readonly layout: Layout;
  /** The experiment's, or identity for an algorithm that does not compress. */
  readonly compressor: Compressor;
  /** The experiment's, for an algorithm that declares `usesMixing`; otherwise the mean. */
  readonly mixing: MixingRule;
}

/** What an algorithm is made for. */
export interface AlgorithmContext extends LayoutTools {
  /** This peer. */
  readonly id: number;
  readonly model: Vector;
  readonly space: VectorSpace;
  /** The tools for one part of the model, for an algorithm that declares `parts`. */
  readonly toolsFor: (layout: Layout) => LayoutTools;
  /**
   * Every edge of this peer, in the order in which `Round.edges` names some of them. Where weights change from round to
   * round, those of `Round.edges` and `Settled.edge` count, and an edge is identified by its peer.
   */
  readonly edges: readonly Neighbour[];
}

/** What an algorithm needs of graph, network and compressor. */
export interface Needs {
  /**
   * `symmetric`: W = Wᵀ on undirected edges. `directed`: works on directed edges too. `complete`: every peer must get every
   * other's payload.
   */
  readonly graph: "symmetric" | "directed" | "complete";
  /**
   * Whether an exchange that is skipped does lasting harm, so that every edge must work in every round, with the same
   * weight. A graph sequence leaves edges out.
   */
  readonly everyEdge: boolean;
  /**
   * Whether both ends of an edge must apply the same exchanges, since both keep what follows from them. Then the pairs
   * that are void at this end (`Settled.isVoid`) are handed out too, for what this peer keeps of its own half.
   */
  readonly edgeHistory?: true;
  /**
   * Whether all models must be equal when it begins, since neighbours only know what is added. Members cannot change then.
   */
  readonly equalStart?: true;
  /** Whether the two halves of an exchange must be of the same round, so that no edge may be late. */
  readonly sameRound?: true;
  /** Whether the compressor must be a contraction, as error feedback needs. */
  readonly contraction: boolean;
}

/** One kind of algorithm; a new one is a file in `algorithms/` and a line in `algorithms/index.ts`. */
export interface AlgorithmKind {
  readonly name: string;
  /** Model-sized vectors of state for a peer of this degree, beside the model. */
  readonly vectors: (degree: number) => number;
  /** Exchanges of one round on an edge; 0 where nothing is exchanged. */
  readonly steps: number;
  /** Whether the experiment's compressor is used; otherwise payloads are exact. */
  readonly compresses: boolean;
  /** What payloads hold, for tables and observers. */
  readonly sends: "model" | "difference" | "update" | "nothing";
  readonly needs: Needs;
  /** Whether the consensus rate moves the model; not so where the graph's weights say all. */
  readonly usesRate: boolean;
  /** Whether more than the local updates moves the mean of all models: lossy aggregates, or a momentum. Left out: no. */
  readonly movesMean?: true;
  /**
   * Whether the experiment's mixing rule is used. Only where every payload is a whole model, which a rule can compare
   * with this peer's own. Left out: no.
   */
  readonly usesMixing?: boolean;
  /** Parts of the model with tools of their own, for a peer of this degree. Left out: payloads are of the whole model. */
  readonly parts?: (degree: number) => number;
  /** Bytes that a payload may have beyond the compressor's. */
  readonly extraPayloadBytes?: number;
  /** Names of state that stays valid when the graph changes; the rest is reset. None where left out. */
  readonly keeps?: readonly string[];
  /** The algorithm of one peer, with its state at the start of the run. */
  create(context: AlgorithmContext): Algorithm;
}
