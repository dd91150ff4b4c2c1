import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { floatAt } from "./norms.js";
import {
  createStaging,
  rangesOf,
  requireFinite,
  requireLength,
  scopeName,
  scopeSettings,
  sectionsOf,
} from "./ranges.js";

const settings = z.strictObject({
  kind: z.literal("onebit"),
  ...scopeSettings({ scope: "tensor", block: 256 }),
});

/**
 * One bit with two scales: on each block of n numbers, C(v) = the mean of the positive numbers where v is positive and the
 * mean of the negative ones elsewhere, ±0 by its sign. One bit a number and 64 a block.
 *
 * Contraction: C(v) is the projection of v onto the span of the two sets of numbers, p and q of them with sums P and −N, so
 * ‖C(v)‖² = P²/p + N²/q ≥ (P + N)²/n = ‖v‖₁²/n ≥ ‖v‖²/n: α = 1/n of the largest block, and never a larger error than
 * that of `sign`. The norm bound is the norm.
 *
 * @see Seide et al. 2014, “1-Bit Stochastic Gradient Descent and its Application to Data-Parallel Distributed Training of
 *   Speech DNNs”, §2.2
 */
export const onebit: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const name = `onebit(${scopeName(settings)})`;
    const { kernels } = space;
    const bytesOf = (count: number) => 8 + Math.ceil(count / 8);
    const { sections, end, longestBlock } = sectionsOf(rangesOf(layout, settings), bytesOf);
    const payload = space.bytes(end);
    const stage = createStaging(space, end);

    /** @returns where the payload lies in the space */
    const check = (received: Uint8Array): number => {
      requireLength(name, received, end);
      const bytes = stage(received).byteOffset;
      for (const { start, blocks } of sections) {
        requireFinite(name, kernels.allFinite(bytes + start, 2 * blocks));
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
          kernels.onebitSqueeze(vector.byteOffset + 4 * offset, length, block, scales, scales + 8 * blocks);
        }
        return payload;
      },
      check,
      normBound(received) {
        let squares = 0;
        for (const { start, blocks, block, length } of sections) {
          let bits = start + 8 * blocks;
          for (let b = 0; b < blocks; b++) {
            const count = Math.min(block, length - b * block);
            const positives = bitsSet(received, bits, count);
            bits += Math.ceil(count / 8);
            squares += positives * floatAt(received, start + 8 * b) ** 2;
            squares += (count - positives) * floatAt(received, start + 8 * b + 4) ** 2;
          }
        }
        return Math.sqrt(squares);
      },
      addTo(out, received, scale) {
        const bytes = check(received);
        for (const { offset, length, block, start, blocks } of sections) {
          const scales = bytes + start;
          kernels.onebitAddTo(out.byteOffset + 4 * offset, length, block, scales, scales + 8 * blocks, scale);
        }
      },
    };
  },
};

/** How many of the `count` bits from byte `first` on are set. */
function bitsSet(payload: Uint8Array, first: number, count: number): number {
  let set = 0;
  for (let k = 0; k < count; k += 8) {
    let byte = payload[first + (k >> 3)]! & (0xff >> Math.max(0, 8 - (count - k)));
    for (; byte; byte &= byte - 1) set++;
  }
  return set;
}
