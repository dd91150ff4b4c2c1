/** Every compressor there is. Adding one: a file here, and a line in this list. */
import { z } from "zod";
import type { Compressor, CompressorContext, CompressorKind } from "../compressor.js";
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

type Schemas<Kinds extends readonly unknown[]> = {
  [K in keyof Kinds]: Kinds[K] extends { settings: infer Schema } ? Schema : never;
};

/** Settings of any compressor, told apart by `kind`. */
export const compressorSettings = z.discriminatedUnion(
  "kind",
  kinds.map(({ settings }) => settings) as unknown as Schemas<typeof kinds>,
);
export type CompressorSettings = z.output<typeof compressorSettings>;

/** The compressor that these settings describe, for one layout and vector space. */
export function createCompressor(settings: CompressorSettings, context: CompressorContext): Compressor {
  const kind = kinds.find((candidate) => candidate.settings.shape.kind.value === settings.kind)!;
  return (kind as CompressorKind).create(settings, context);
}
