/** Every compressor there is. Adding one: a file here, and a line in this list. */
import { z } from "zod";
import type { Compressor, CompressorContext, CompressorKind } from "../compressor.js";
import { sign } from "./sign.js";

const kinds = [sign] as const;

/** Settings of any compressor, told apart by `kind`. */
export const compressorSettings = z.discriminatedUnion("kind", [sign.settings]);
export type CompressorSettings = z.output<typeof compressorSettings>;

/** The compressor that these settings describe, for one layout and vector space. */
export function createCompressor(settings: CompressorSettings, context: CompressorContext): Compressor {
  const kind = kinds.find((candidate) => candidate.settings.shape.kind.value === settings.kind)!;
  return (kind as CompressorKind).create(settings, context);
}
