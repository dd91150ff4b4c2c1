/** Every compressor there is. Adding one: a file here, and a line in each of the two lists. */
import { z } from "zod";
import type { Compressor, CompressorContext, CompressorKind } from "../compressor.js";
import { float16 } from "./float16.js";
import { identity } from "./identity.js";
import { sign } from "./sign.js";
import { topk } from "./topk.js";

const kinds = [identity, float16, sign, topk] as const;

/** Settings of any compressor, told apart by `kind`. */
export const compressorSettings = z.discriminatedUnion("kind", [
  identity.settings,
  float16.settings,
  sign.settings,
  topk.settings,
]);
export type CompressorSettings = z.output<typeof compressorSettings>;

/** The compressor that these settings describe, for one layout and vector space. */
export function createCompressor(settings: CompressorSettings, context: CompressorContext): Compressor {
  const kind = kinds.find((candidate) => candidate.settings.shape.kind.value === settings.kind)!;
  return (kind as CompressorKind).create(settings, context);
}
