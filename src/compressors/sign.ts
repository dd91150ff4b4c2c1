import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { boundOfBlocks, floatAt } from "./norms.js";
import {
  createStaging,
  rangesOf,
  requireFinite,
  requireLength,
  type Section,
  scopeName,
  scopeSettings,
  sectionsOf,
} from "./ranges.js";

const settings = z.strictObject({
  kind: z.literal("sign"),
  ...scopeSettings({ scope: "tensor", block: 256 }),
});

/**
 * Sign with L1 scale: C(v) = (‖v‖₁ / n) · sign(v) on each block of n numbers, sign(±0) = ±1. One bit a number
 * and 32 a block.
 *
 * Contraction: ‖v − C(v)‖² = ‖v‖² − ‖v‖₁² / n, and ‖v‖₁ ≥ ‖v‖, so α = 1/n of the largest block. The norm bound is
 * the norm.
 *
 * @see Karimireddy et al. 2019, “Error Feedback Fixes SignSGD”, §3
 */
export const sign: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const name = `sign(${scopeName(settings)})`;
    const { kernels } = space;
    const bytesOf = (count: number) => 4 + Math.ceil(count / 8);
    const { sections, end, longestBlock } = sectionsOf(rangesOf(layout, settings), bytesOf);
    const payload = space.bytes(end);
    const stage = createStaging(space, end);

    /** @returns where the payload lies in the space */
    const check = (received: Uint8Array): number => {
      requireLength(name, received, end);
      const bytes = stage(received).byteOffset;
      for (const { start, blocks } of sections) {
        requireFinite(name, kernels.allFinite(bytes + start, blocks));
      }
      return bytes;
    };

    return {
      name,
      contraction: 1 / longestBlock,
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector) {
        for (const { offset, length, block, start, blocks } of sections) {
          const scales = payload.byteOffset + start;
          kernels.signSqueeze(vector.byteOffset + 4 * offset, length, block, scales, scales + 4 * blocks);
        }
        return payload;
      },
      check,
      normBound: (received) => boundOfBlocks(sections, received, scaleOf),
      addTo(out, received, scale) {
        const bytes = check(received);
        for (const { offset, length, block, start, blocks } of sections) {
          const scales = bytes + start;
          kernels.signAddTo(out.byteOffset + 4 * offset, length, block, scales, scales + 4 * blocks, scale);
        }
      },
    };
  },
};

const scaleOf = (received: Uint8Array, { start }: Section, b: number): number =>
  floatAt(received, start + 4 * b);
