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
  kind: z.literal("minmax"),
  bits: z.literal([2, 4, 8]).default(4).describe("bits per number"),
  rounding: z
    .enum(["stochastic", "nearest"])
    .default("stochastic")
    .describe("how a number goes to one of the two levels around it"),
  ...scopeSettings({ scope: "block", block: 256 }),
});

/**
 * Min–max quantisation with a refit. On each block, L = 2^bits − 1 equal steps reach from the least to the
 * largest number and every number becomes the code k of a level next to it; then the levels are moved where
 * they fit best: C(v) is the least-squares fit of v by {offset + step · k}. `bits` a number and 64 a block.
 *
 * Contraction. C(v) = P v, the orthogonal projection of v onto span{1, k}, so it is never an expansion.
 * Let Q(v) be the unfitted levels; Q(v) ∈ span{1, k}, so ‖v − P v‖ ≤ ‖v − λ Q(v)‖ for any λ. The least and
 * largest number of a block of n are levels themselves and (max − min)² ≤ 2‖v‖².
 * - Nearest: the other n − 2 err by at most half a step, so ‖v − Q(v)‖² ≤ (n − 2)(max − min)² / 4L² ≤ ω‖v‖²
 *   with ω = (n − 2) / 2L², and α ≥ 1 − ω. Also α ≥ 1/(n − 1)²: the codes are in the order of the numbers, and
 *   two centred sequences in the same order are sums, with positive weights, of steps s_i = (0, …, 0, 1, …, 1) less
 *   its mean, any two of which have a cosine of at least 1/(n − 1). α is the larger.
 * - Stochastic: Q is unbiased and E‖v − Q(v)‖² ≤ ω‖v‖² as f(1 − f) ≤ ¼; λ = 1/(1 + ω) gives α = 1/(1 + ω).
 *
 * The norm bound takes every number for the level of largest magnitude: at most √n times the norm of a block of n,
 * less than 6 times for normal numbers.
 *
 * All of it up to float32 rounding. A block whose levels would overflow float32 (numbers of 10³⁸) is sent at
 * a quarter of its fit, and has 7/16 of this α.
 */
export const minmax: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const { bits } = settings;
    const stochastic = settings.rounding === "stochastic" ? 1 : 0;
    const name = `minmax(${bits} bit, ${scopeName(settings)}${stochastic ? "" : ", nearest"})`;
    const { kernels } = space;
    const bytesOf = (count: number) => 8 + Math.ceil((count * bits) / 8);
    const levels = 2 ** bits - 1;
    const { sections, end, longestBlock: n } = sectionsOf(rangesOf(layout, settings), bytesOf);
    const omega = Math.max(0, n - 2) / (2 * levels ** 2);
    const payload = space.bytes(end);
    const stage = createStaging(space, end);

    /** @returns where the payload lies in the space */
    const check = (received: Uint8Array): number => {
      requireLength(name, received, end);
      const bytes = stage(received).byteOffset;
      for (const { start, blocks } of sections) {
        requireFinite(name, kernels.minmaxFinite(bytes + start, blocks, bits));
      }
      return bytes;
    };

    const largest = (received: Uint8Array, { start }: Section, b: number): number => {
      const offset = floatAt(received, start + 8 * b);
      const reach = floatAt(received, start + 8 * b + 4) * levels;
      return Math.max(Math.abs(offset), Math.abs(offset + reach));
    };

    return {
      name,
      contraction: stochastic ? 1 / (1 + omega) : Math.max(1 - omega, 1 / Math.max(1, n - 1) ** 2),
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector, { low, high }) {
        for (const { offset, length, block, start, blocks } of sections) {
          const v = vector.byteOffset + 4 * offset;
          const headers = payload.byteOffset + start;
          const codes = headers + 8 * blocks;
          kernels.minmaxSqueeze(v, length, block, bits, stochastic, offset, low, high, headers, codes);
        }
        return payload;
      },
      check,
      normBound: (received) => boundOfBlocks(sections, received, largest),
      addTo(out, received, scale) {
        const bytes = check(received);
        for (const { offset, length, block, start, blocks } of sections) {
          const headers = bytes + start;
          const codes = headers + 8 * blocks;
          kernels.minmaxAddTo(out.byteOffset + 4 * offset, length, block, bits, headers, codes, scale);
        }
      },
    };
  },
};
