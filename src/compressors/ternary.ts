import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { codingSettings, createCoding } from "./coding.js";
import { boundOfBlocks, floatAt } from "./norms.js";
import {
  createStaging,
  rangesOf,
  requireCodes,
  requireFinite,
  requireLengthWithin,
  type Section,
  scopeName,
  scopeSettings,
  sectionsOf,
} from "./ranges.js";

const settings = z.strictObject({
  kind: z.literal("ternary"),
  ...scopeSettings({ scope: "block", block: 256 }),
  ...codingSettings,
});

/**
 * c: numbers of at least c times the mean magnitude are sent. The best three levels, −s, 0, s, for evenly spread
 * numbers cut at 0.67 of the mean magnitude, for normal ones at 0.77; between them little is lost.
 */
const THRESHOLD = 0.7;

/**
 * Ternary: on each block of n numbers, C(v) = s · sign(v) where |v| ≥ c · ‖v‖₁/n and 0 elsewhere, s the mean
 * magnitude of the numbers sent, c = 0.7. Five numbers a byte (1.6 bits a number) and 32 bits a block. With entropy coding
 * about what the bytes' entropy is: nothing less for normal numbers, much less where few of a block are large.
 *
 * Contraction: C(v) is the projection of v onto the one direction sign(v) on the numbers sent. If m are
 * sent, those left out sum to at most (n − m) c ‖v‖₁/n, so ‖C(v)‖² ≥ (1 − c + c·m/n)² ‖v‖₁² / m. For c > ½
 * this is least at m/n = (1 − c)/c, where it is 4c(1 − c)‖v‖₁²/n ≥ 4c(1 − c)‖v‖²/n: α = 0.84/n of the
 * largest block.
 *
 * Payload: the scales of every block of every range as float32, then their codes (`coding.ts`).
 *
 * The norm bound takes every number for one that is sent: √(n/m) times the norm, 1.32 for normal numbers.
 *
 * @see Li, Zhang, Liu 2016, “Ternary Weight Networks”, §2.3 (the threshold)
 */
export const ternary: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const coded = settings.coding === "entropy" ? ", entropy" : "";
    const name = `ternary(${scopeName(settings)}${coded})`;
    const { kernels } = space;
    const ranges = rangesOf(layout, settings);
    const { sections, end: codeBytes, longestBlock } = sectionsOf(ranges, (n) => Math.ceil(n / 5));
    const headerBytes = 4 * sections.reduce((sum, { blocks }) => sum + blocks, 0);
    const { minimum, maximum, plainCodes, encode, decode } = createCoding(settings, {
      ...{ name, headerBytes, codeBytes, space },
    });
    const payload = space.bytes(maximum);
    const stage = createStaging(space, maximum);

    /** @returns where the scales and the plain codes of the payload lie in the space */
    const check = (received: Uint8Array): { scales: number; codes: number } => {
      requireLengthWithin(name, received, minimum, maximum);
      const bytes = stage(received);
      requireFinite(name, kernels.allFinite(bytes.byteOffset, headerBytes / 4));
      const codes = decode(bytes);
      requireCodes(name, kernels.ternaryCheck(codes, codeBytes));
      return { scales: bytes.byteOffset, codes };
    };

    return {
      name,
      contraction: (4 * THRESHOLD * (1 - THRESHOLD)) / longestBlock,
      minimumPayloadBytes: minimum,
      maximumPayloadBytes: maximum,
      squeeze(vector) {
        let scales = payload.byteOffset;
        const codes = plainCodes(payload);
        for (const { offset, length, block, start, blocks } of sections) {
          kernels.ternarySqueeze(
            vector.byteOffset + 4 * offset,
            length,
            block,
            THRESHOLD,
            scales,
            codes + start,
          );
          scales += 4 * blocks;
        }
        return encode(payload);
      },
      check,
      normBound: (received) => boundOfBlocks(sections, received, scaleOf),
      addTo(out, received, scale) {
        const { scales: first, codes } = check(received);
        let scales = first;
        for (const { offset, length, block, start, blocks } of sections) {
          kernels.ternaryAddTo(out.byteOffset + 4 * offset, length, block, scales, codes + start, scale);
          scales += 4 * blocks;
        }
      },
    };
  },
};

const scaleOf = (received: Uint8Array, _section: Section, _b: number, index: number): number =>
  floatAt(received, 4 * index);
