/**
 * Gossip algorithms. An algorithm owns the peer's state beside the model and does the two halves of an
 * exchange; what lies between them (compressing, sending, waiting) is the peer's business.
 */
import type { Compressor } from "./compressor.js";
import type { Vector, VectorSpace } from "./vector.js";

/** A neighbour's payload of this round. */
export interface Heard {
  readonly payload: Uint8Array;
  /** The edge's weight w_ij. */
  readonly weight: number;
}

export interface Algorithm {
  readonly name: string;
  /** The vectors it keeps between rounds, by name: what a snapshot must hold beside the model. */
  readonly state: Readonly<Record<string, Vector>>;
  /**
   * First half, called after local learning has moved the model: the vector whose compressed form goes to
   * the neighbours, or undefined when this algorithm does not exchange. The caller squeezes it, which
   * leaves the compression error behind in it.
   */
  share(): Vector | undefined;
  /**
   * Second half: move the model towards the neighbours that were heard. An edge that is left out at both of
   * its ends changes nothing, so the mean of all models stays exact.
   *
   * @param own the payload that `share`'s vector was squeezed to
   * @param heard the neighbours' payloads, in the same neighbour order in every round
   * @param consensusRate η
   */
  mix(own: Uint8Array, heard: readonly Heard[], consensusRate: number): void;
}

/** What an algorithm is made for. */
export interface AlgorithmContext {
  /** The peer's model; the trainer moves it too. */
  readonly model: Vector;
  readonly space: VectorSpace;
  readonly compressor: Compressor;
}

/** One kind of algorithm; a new one is a file in `algorithms/` and a line in `algorithms/index.ts`. */
export interface AlgorithmKind {
  readonly name: string;
  /** Whether the experiment's compressor is used; otherwise the algorithm sends full float32 models. */
  readonly compresses: boolean;
  create(context: AlgorithmContext): Algorithm;
}
