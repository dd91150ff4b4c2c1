/** How the numbers that a sparse compressor keeps are sent: as they are, or by another compressor. */
import { z } from "zod";
import type { Compressor, CompressorContext, CompressorKind } from "../compressor.js";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import { dithering } from "./dithering.js";
import { float16 } from "./float16.js";
import { identity } from "./identity.js";
import { minmax } from "./minmax.js";
import { natural } from "./natural.js";
import { onebit } from "./onebit.js";
import { sign } from "./sign.js";

/** Those without settings, by name. */
const plain = { float32: identity, float16, natural } as const;

/** Those whose payloads have one length. */
const kinds = [minmax, dithering, onebit, sign] as const;

export const valueSettings = z
  .union([z.enum(["float32", "float16", "natural"]), settingsOfAny(kinds)])
  .default("float32")
  .describe(
    'how the numbers kept are sent: float32, float16, natural (32, 16 or 8 bits each), or by another compressor, such as {"kind":"minmax","bits":2}',
  );

export type ValueSettings = z.output<typeof valueSettings>;

export function createValues(settings: ValueSettings, context: CompressorContext): Compressor {
  if (typeof settings === "object")
    return (kindOf(kinds, settings) as CompressorKind).create(settings, context);
  const kind: CompressorKind = plain[settings];
  return kind.create({ kind: (plain[settings].settings.shape.kind as z.ZodLiteral<string>).value }, context);
}
