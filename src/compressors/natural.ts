import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { createStaging, rangesOf, requireCodes, requireLength, sectionsOf } from "./ranges.js";

const settings = z.strictObject({ kind: z.literal("natural") });

/** Numbers that share a base: few enough to stay in the nearest cache from the first look to the second. */
const BLOCK = 4096;
/** Largest base that keeps every power of two finite. */
const LARGEST_BASE = 127;

/** Squares of what the codes stand for where the base is 0: 0, and the powers of two of `kernels/reference/natural.ts`. */
const SQUARES = Float64Array.from({ length: 256 }, (_, code) => (code & 127 ? 4 ** ((code & 127) - 127) : 0));

/**
 * Natural compression: every number goes to one of the powers of two around it, up with the probability that
 * keeps the mean. One byte a number (sign and exponent) and one for 4096.
 *
 * Contraction: with |v| = 2^a (1 + f) the expected squared error is f(1 − f) 4^a ≤ v²/8, so ω = 1/8 and
 * α = 1 − ω = 7/8, up to the resolution of the 16 random bits that round f. Numbers more than 125 octaves below their
 * block's largest may become 0; the share of ‖v‖² they can hold, n · 2⁻²⁵⁰, is beyond float32. So may numbers
 * below 2⁻¹²⁶; and numbers above 2¹²⁷ go to 2¹²⁷, an error of at most half. The norm bound is the norm.
 *
 * @see Horváth et al. 2019, “Natural Compression for Distributed Deep Learning”, Theorem 3
 */
export const natural: CompressorKind<typeof settings> = {
  settings,
  create(_settings, { layout, space }) {
    const name = "natural";
    const { kernels } = space;
    const { sections, end } = sectionsOf(
      rangesOf(layout, { scope: "block", block: BLOCK }),
      (count) => 1 + count,
    );
    const payload = space.bytes(end);
    const stage = createStaging(space, end);

    const check = (received: Uint8Array): void => {
      requireLength(name, received, end);
      for (const { start, blocks } of sections) {
        for (let b = 0; b < blocks; b++) requireCodes(name, received[start + b]! <= LARGEST_BASE);
      }
    };

    return {
      name,
      contraction: 7 / 8,
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector, { low, high }) {
        for (const { offset, length, block, start, blocks } of sections) {
          const v = vector.byteOffset + 4 * offset;
          const bases = payload.byteOffset + start;
          kernels.naturalSqueeze(v, length, block, offset, low, high, bases, bases + blocks);
        }
        return payload;
      },
      check,
      normBound(received) {
        let squares = 0;
        for (const { start, blocks, block, length } of sections) {
          const codes = start + blocks;
          for (let b = 0; b < blocks; b++) {
            const end = codes + Math.min(length, (b + 1) * block);
            let sum = 0;
            for (let k = codes + b * block; k < end; k++) sum += SQUARES[received[k]!]!;
            squares += sum * 4 ** received[start + b]!;
          }
        }
        return Math.sqrt(squares);
      },
      addTo(out, received, scale) {
        check(received);
        const bytes = stage(received).byteOffset;
        for (const { offset, length, block, start, blocks } of sections) {
          const bases = bytes + start;
          kernels.naturalAddTo(out.byteOffset + 4 * offset, length, block, bases, bases + blocks, scale);
        }
      },
    };
  },
};
