/**
 * Compressors: two verbs, `squeeze` and `addTo`. A compressor is made for one layout and one vector space,
 * owns its payload buffer, and allocates nothing per round.
 */
import type { z } from "zod";
import type { Random } from "./foundation/random.js";
import type { Layout } from "./vectors/layout.js";
import type { Bytes, Vector, VectorSpace } from "./vectors/vector.js";

/** Encodes vectors of one layout to bytes, and adds decoded payloads to vectors. */
export interface Compressor {
  /** Kind and settings, for logs and the handshake; for example `sign(tensor)`. */
  readonly name: string;
  /**
   * The proven α ∈ (0, 1] of the contraction E‖v − C(v)‖² ≤ (1 − α)‖v‖² that error feedback needs, for the
   * worst vector of this layout (typical vectors fare far better). Identity has 1; 0 stands for none, as QSGD
   * without its scaling may have.
   */
  readonly contraction: number;
  /** Fewest bytes a payload takes. Equal to `maximumPayloadBytes` where the size does not depend on the numbers. */
  readonly minimumPayloadBytes: number;
  /** Most bytes a payload takes; a longer one is malformed. */
  readonly maximumPayloadBytes: number;
  /**
   * Encode `vector` and leave the error v − C(v) behind in it.
   *
   * @param vector finite numbers of the compressor's layout, in its vector space
   * @param random this message's own stream: the same stream and vector give the same payload
   * @throws ForeignVector `vector` has another length or lies in another memory
   * @returns a view of the compressor's payload buffer, valid until its next `squeeze`
   */
  squeeze(vector: Vector, random: Random): Bytes;
  /**
   * Looks at a whole payload, as a receiver does before it keeps one.
   *
   * @param payload in any buffer
   * @throws MalformedPayload wrong length, a scale that is not finite, an index out of range or order
   */
  check(payload: Uint8Array): void;
  /**
   * An upper bound of ‖C(v)‖₂ up to float32 rounding, from the payload's own scales where it has them and from its
   * numbers otherwise; finite, and 0 only for a payload of zeros. Nothing is decoded into a vector. How far above
   * ‖C(v)‖ the bound is, is part of each kind's description.
   *
   * @param payload that `check` accepts, in any buffer
   */
  normBound(payload: Uint8Array): number;
  /**
   * out += scale · C(v), straight from the bytes. The whole payload is checked before `out` is touched.
   *
   * @param payload in any buffer; bytes outside the vector space are staged through it
   * @throws MalformedPayload wrong length, a scale that is not finite, an index out of range or order
   * @throws ForeignVector `out` has another length or lies in another memory
   */
  addTo(out: Vector, payload: Uint8Array, scale: number): void;
}

/** What a compressor is made for. */
export interface CompressorContext {
  readonly layout: Layout;
  readonly space: VectorSpace;
}

/**
 * One kind of compressor: what its settings are, and how one is made. A new kind is a file in `compressors/`
 * that exports one of these, and one line in `compressors/index.ts`.
 */
export interface CompressorKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings, every field with a default; its `kind` is the name users write. */
  readonly settings: Settings;
  /** Bytes that it works in, beside its payload and what brings received ones into the space; 0 where left out. */
  scratchBytes?(settings: z.output<Settings>, layout: Layout): number;
  /** A compressor for one peer's vectors. */
  create(settings: z.output<Settings>, context: CompressorContext): Compressor;
}
