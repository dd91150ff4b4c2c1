/** Every compressor there is. Adding one: a file here, and a line in this list. */
import type { z } from "zod";
import type { Compressor, CompressorContext, CompressorKind } from "../compressor.js";
import { ForeignVector } from "../foundation/errors.js";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import type { Layout } from "../vectors/layout.js";
import type { Vector } from "../vectors/vector.js";
import { adaptiveRandom } from "./adaptive-random.js";
import { dctTopk } from "./dct-topk.js";
import { dithering } from "./dithering.js";
import { float16 } from "./float16.js";
import { identity } from "./identity.js";
import { lowRank } from "./low-rank.js";
import { minmax } from "./minmax.js";
import { natural } from "./natural.js";
import { onebit } from "./onebit.js";
import { qsgd } from "./qsgd.js";
import { randomk } from "./randomk.js";
import { sign } from "./sign.js";
import { ternary } from "./ternary.js";
import { topk } from "./topk.js";
import { topsign } from "./topsign.js";

const kinds = [
  identity, //
  float16,
  sign,
  onebit,
  minmax,
  qsgd,
  natural,
  dithering,
  topk,
  topsign,
  dctTopk,
  lowRank,
  randomk,
  adaptiveRandom,
  ternary,
] as const;

/** Settings of any compressor, distinguished by `kind`. */
export const compressorSettings = settingsOfAny(kinds);
/** Settings of one of the compressors. */
export type CompressorSettings = z.output<typeof compressorSettings>;

/** Bytes that a compressor of these settings takes beside its payload. */
export function compressorBytes(settings: CompressorSettings, layout: Layout): number {
  return (kindOf(kinds, settings) as CompressorKind).scratchBytes?.(settings, layout) ?? 0;
}

/**
 * The compressor that these settings describe, for one layout and vector space.
 *
 * Its two verbs throw ForeignVector for a vector of another length or another memory: kernels know addresses only,
 * and would work on whatever lies there.
 */
export function createCompressor(settings: CompressorSettings, context: CompressorContext): Compressor {
  const compressor = (kindOf(kinds, settings) as CompressorKind).create(settings, context);
  const { layout, space } = context;
  const requireVector = (vector: Vector) => {
    if (vector.buffer === space.buffer && vector.length === layout.length) return;
    throw new ForeignVector(
      `${compressor.name}: takes vectors of ${layout.length} parameters from its own vector space, not one of ${vector.length}${vector.buffer === space.buffer ? "" : " in another memory"}: allocate it with space.vector(${layout.length})`,
      { code: "foreign-vector" },
    );
  };
  const { name, ...others } = compressor;
  return {
    name,
    ...others,
    squeeze(vector, random) {
      requireVector(vector);
      return compressor.squeeze(vector, random);
    },
    addTo(out, payload, scale) {
      requireVector(out);
      compressor.addTo(out, payload, scale);
    },
  };
}
