import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import {
  createStaging,
  rangesOf,
  requireCodes,
  requireLength,
  scopeName,
  scopeSettings,
  sectionsOf,
} from "./ranges.js";

const settings = z.strictObject({
  kind: z.literal("dithering"),
  ...scopeSettings({ scope: "block", block: 256 }),
});

/** Largest base that keeps every level finite. */
const LARGEST_BASE = 247;

/** Σ of the squares of the two codes of a byte where the base is 0. */
const SQUARES = Float64Array.from({ length: 256 }, (_, byte) => squareOf(byte) + squareOf(byte >> 4));

function squareOf(code: number): number {
  return code & 7 ? 4 ** ((code & 7) - 127) : 0;
}

/**
 * Natural dithering with seven levels, the powers of two from the one above a block's largest number down: every number goes
 * to one of the two levels around it, 0 among them, up with the probability that keeps the mean. Four bits a number and 8
 * a block.
 *
 * Contraction: a number of at least the lowest level L errs by v²/8 at most in the mean square, as in `natural`; a smaller
 * one by |v|(L − |v|). L is at most ‖v‖/32, so ω = 1/8 + min(n/4096, √n/32) on blocks of n, and α = max(0, 1 − ω) of the
 * largest block, as far as 16 random bits go: 0.81 for blocks of 256. The norm bound is the norm.
 *
 * @see Horváth et al. 2019, “Natural Compression for Distributed Deep Learning”, Theorem 7
 */
export const dithering: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const name = `dithering(${scopeName(settings)})`;
    const { kernels } = space;
    const bytesOf = (count: number) => 1 + Math.ceil(count / 2);
    const { sections, end, longestBlock: n } = sectionsOf(rangesOf(layout, settings), bytesOf);
    const payload = space.bytes(end);
    const stage = createStaging(space, end);

    /** Calls `visit` with the base, the first byte of the codes and the count of numbers of every block. */
    const forEachBlock = (
      received: Uint8Array,
      visit: (base: number, codes: number, count: number) => void,
    ): void => {
      for (const { start, blocks, block, length } of sections) {
        let codes = start + blocks;
        for (let b = 0; b < blocks; b++) {
          const count = Math.min(block, length - b * block);
          visit(received[start + b]!, codes, count);
          codes += Math.ceil(count / 2);
        }
      }
    };

    const check = (received: Uint8Array): void => {
      requireLength(name, received, end);
      forEachBlock(received, (base, codes, count) => {
        requireCodes(name, base <= LARGEST_BASE);
        requireCodes(name, count % 2 === 0 || received[codes + (count >> 1)]! < 16);
      });
    };

    return {
      name,
      contraction: Math.max(0, 7 / 8 - Math.min(n / 4096, Math.sqrt(n) / 32)),
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector, { low, high }) {
        for (const { offset, length, block, start, blocks } of sections) {
          const v = vector.byteOffset + 4 * offset;
          const bases = payload.byteOffset + start;
          kernels.ditheringSqueeze(v, length, block, offset, low, high, bases, bases + blocks);
        }
        return payload;
      },
      check,
      normBound(received) {
        let squares = 0;
        forEachBlock(received, (base, codes, count) => {
          let sum = 0;
          for (let k = codes; k < codes + count / 2; k++) sum += SQUARES[received[k]!]!;
          squares += sum * 4 ** base;
        });
        return Math.sqrt(squares);
      },
      addTo(out, received, scale) {
        check(received);
        const bytes = stage(received).byteOffset;
        for (const { offset, length, block, start, blocks } of sections) {
          const bases = bytes + start;
          kernels.ditheringAddTo(out.byteOffset + 4 * offset, length, block, bases, bases + blocks, scale);
        }
      },
    };
  },
};
