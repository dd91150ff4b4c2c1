/** Every compressor there is. Adding one: a file here, and a line in this list. */
import type { z } from "zod";
import type { Compressor, CompressorContext, CompressorKind } from "../compressor.js";
import { kindOf, settingsOfAny } from "../kinds.js";
import { float16 } from "./float16.js";
import { identity } from "./identity.js";
import { minmax } from "./minmax.js";
import { natural } from "./natural.js";
import { qsgd } from "./qsgd.js";
import { randomk } from "./randomk.js";
import { sign } from "./sign.js";
import { ternary } from "./ternary.js";
import { topk } from "./topk.js";

const kinds = [
  identity, //
  float16,
  sign,
  minmax,
  qsgd,
  natural,
  topk,
  randomk,
  ternary,
] as const;

/** Settings of any compressor, told apart by `kind`. */
export const compressorSettings = settingsOfAny(kinds);
export type CompressorSettings = z.output<typeof compressorSettings>;

/** The compressor that these settings describe, for one layout and vector space. */
export function createCompressor(settings: CompressorSettings, context: CompressorContext): Compressor {
  return (kindOf(kinds, settings) as CompressorKind).create(settings, context);
}
