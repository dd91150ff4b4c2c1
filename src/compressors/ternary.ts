import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { boundOfBlocks, headersOf } from "./norms.js";
import {
  createStaging,
  rangesOf,
  requireCodes,
  requireFinite,
  requireLength,
  scopeName,
  scopeSettings,
  sectionsOf,
} from "./ranges.js";

const settings = z.strictObject({
  kind: z.literal("ternary"),
  ...scopeSettings({ scope: "block", block: 256 }),
});

/**
 * c: numbers of at least c times the mean magnitude are sent. The best three levels, −s, 0, s, for evenly spread
 * numbers cut at 0.67 of the mean magnitude, for normal ones at 0.77; between them little is lost.
 */
const THRESHOLD = 0.7;

/**
 * Ternary: on each block of n numbers, C(v) = s · sign(v) where |v| ≥ c · ‖v‖₁/n and 0 elsewhere, s the mean
 * magnitude of the numbers sent, c = 0.7. Five numbers a byte (1.6 bits a number) and 32 bits a block.
 *
 * Contraction: C(v) is the projection of v onto the one direction sign(v) on the numbers sent. If m are
 * sent, those left out sum to at most (n − m) c ‖v‖₁/n, so ‖C(v)‖² ≥ (1 − c + c·m/n)² ‖v‖₁² / m. For c > ½
 * this is least at m/n = (1 − c)/c, where it is 4c(1 − c)‖v‖₁²/n ≥ 4c(1 − c)‖v‖²/n: α = 0.84/n of the
 * largest block.
 *
 * The norm bound takes every number for one that is sent: √(n/m) times the norm, 1.32 for normal numbers.
 *
 * @see Li, Zhang, Liu 2016, “Ternary Weight Networks”, §2.3 (the threshold)
 */
export const ternary: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const name = `ternary(${scopeName(settings)})`;
    const { kernels } = space;
    const bytesOf = (count: number) => 4 + Math.ceil(count / 5);
    const { sections, end, longestBlock } = sectionsOf(rangesOf(layout, settings), bytesOf);
    const payload = space.bytes(end);
    const stage = createStaging(space, end);

    /** @returns where the payload lies in the space */
    const check = (received: Uint8Array): number => {
      requireLength(name, received, end);
      const bytes = stage(received).byteOffset;
      for (const { start, blocks, bytes: size } of sections) {
        requireFinite(name, kernels.allFinite(bytes + start, blocks));
        requireCodes(name, kernels.ternaryCheck(bytes + start + 4 * blocks, size - 4 * blocks));
      }
      return bytes;
    };

    return {
      name,
      contraction: (4 * THRESHOLD * (1 - THRESHOLD)) / longestBlock,
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector) {
        for (const { offset, length, block, start, blocks } of sections) {
          const v = vector.byteOffset + 4 * offset;
          const scales = payload.byteOffset + start;
          kernels.ternarySqueeze(v, length, block, THRESHOLD, scales, scales + 4 * blocks);
        }
        return payload;
      },
      check,
      normBound(received) {
        const headers = headersOf(received);
        return boundOfBlocks(sections, ({ start }, b) => headers.getFloat32(start + 4 * b, true));
      },
      addTo(out, received, scale) {
        const bytes = check(received);
        for (const { offset, length, block, start, blocks } of sections) {
          const scales = bytes + start;
          kernels.ternaryAddTo(
            out.byteOffset + 4 * offset,
            length,
            block,
            scales,
            scales + 4 * blocks,
            scale,
          );
        }
      },
    };
  },
};
