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
  kind: z.literal("qsgd"),
  levels: z
    .int()
    .min(1)
    .max(127)
    .default(7)
    .describe("quantisation levels (1: 2 bits/parameter, ≤ 7: 4, ≤ 127: 8)"),
  ...scopeSettings({ scope: "block", block: 512 }),
  ...codingSettings,
  unscaled: z
    .boolean()
    .default(false)
    .describe("leave out the factor that makes it a contraction: error feedback then diverges"),
});

/**
 * QSGD with s levels, scaled to contract. On each block of n numbers, Q(v) = ‖v‖/s · sign(v) · ξ with ξ the
 * number s|v|/‖v‖ rounded up or down with the probability of its fraction, and C(v) = Q(v) / (1 + ω).
 * 2, 4 or 8 bits a number, whichever holds 2s + 1 codes, and 32 a block. With entropy coding about what the codes'
 * entropy is, 1.4 bits a number for 7 levels and blocks of 512 normal numbers.
 *
 * Contraction: Q is unbiased with E‖Q(v) − v‖² ≤ ω‖v‖², ω = min(n/s², √n/s), so
 * E‖v − C(v)‖² ≤ (ω²/(1 + ω)² + ω/(1 + ω)²)‖v‖² = ω/(1 + ω) ‖v‖²: α = 1/(1 + ω) of the largest block.
 * A block whose norm exceeds float32 is sent with a norm of 3.4 · 10³⁸, λ times its own, and has λ times this α.
 * Unscaled, all that holds is α = max(0, 1 − ω); with 0 it is no contraction, and error feedback diverges.
 *
 * The norm bound takes every code for s: √n ‖v‖ / (1 + ω) of a block of n, so √n times the norm at most, whatever
 * the codes. Between honest payloads it compares the norms ‖v‖ alone.
 *
 * Payload: the units of every block of every range as float32, then their codes. With entropy coding a byte between
 * them says how the codes follow: 0 as they are, where coding would not make them shorter; 1 coded (`entropy.ts`).
 *
 * @see Alistarh et al. 2017, “QSGD”, Lemma 3.1; Koloskova, Stich, Jaggi 2019, “Decentralized Stochastic
 * Optimization and Gossip Algorithms with Compressed Communication”, §3.5 (the scaling)
 */
export const qsgd: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const { levels, unscaled } = settings;
    const name = nameOf(settings);
    const { kernels } = space;
    const bits = bitsOf(levels);
    const ranges = rangesOf(layout, settings);
    const { sections, end: codeBytes, longestBlock } = sectionsOf(ranges, (n) => Math.ceil((n * bits) / 8));
    const omega = omegaOf(levels, longestBlock);
    const unitBytes = 4 * sections.reduce((sum, { blocks }) => sum + blocks, 0);
    const { minimum, maximum, plainCodes, encode, decode } = createCoding(settings, {
      ...{ name, headerBytes: unitBytes, codeBytes, space },
    });
    const payload = space.bytes(maximum);
    const stage = createStaging(space, maximum);

    /** @returns where the units and the unpacked codes of the payload lie in the space */
    const check = (received: Uint8Array): { units: number; codes: number } => {
      requireLengthWithin(name, received, minimum, maximum);
      const bytes = stage(received);
      const codes = decode(bytes);
      requireFinite(name, kernels.qsgdFinite(bytes.byteOffset, unitBytes / 4, levels));
      for (const { length, block, start } of sections) {
        requireCodes(name, kernels.qsgdCheck(codes + start, length, block, bits, levels));
      }
      return { units: bytes.byteOffset, codes };
    };

    const largest = (received: Uint8Array, _section: Section, _b: number, index: number): number =>
      levels * floatAt(received, 4 * index);

    return {
      name,
      contraction: unscaled ? Math.max(0, 1 - omega) : 1 / (1 + omega),
      minimumPayloadBytes: minimum,
      maximumPayloadBytes: maximum,
      squeeze(vector, { low, high }) {
        let units = payload.byteOffset;
        const codes = plainCodes(payload);
        for (const { offset, length, block, start, blocks } of sections) {
          const v = vector.byteOffset + 4 * offset;
          const shrink = 1 / (levels * (unscaled ? 1 : 1 + omegaOf(levels, block)));
          const at = codes + start;
          kernels.qsgdSqueeze(v, length, block, bits, levels, shrink, offset, low, high, units, at);
          units += 4 * blocks;
        }
        return encode(payload);
      },
      check,
      normBound: (received) => boundOfBlocks(sections, received, largest),
      addTo(out, received, scale) {
        const { units: first, codes } = check(received);
        let units = first;
        for (const { offset, length, block, start, blocks } of sections) {
          const target = out.byteOffset + 4 * offset;
          kernels.qsgdAddTo(target, length, block, bits, levels, units, codes + start, scale);
          units += 4 * blocks;
        }
      },
    };
  },
};

/** Bits of a code, of which there are 2 · levels + 1. */
const bitsOf = (levels: number) => (levels === 1 ? 2 : levels <= 7 ? 4 : 8);

/** ω of a block of n numbers. */
const omegaOf = (levels: number, n: number) => Math.min(n / levels ** 2, Math.sqrt(n) / levels);

function nameOf({ levels, coding, unscaled, ...scope }: z.output<typeof settings>): string {
  const plural = levels === 1 ? "level" : "levels";
  const details = `${scopeName(scope)}${coding === "entropy" ? ", entropy" : ""}${unscaled ? ", unscaled" : ""}`;
  return `qsgd(${levels} ${plural}, ${details})`;
}
