import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
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
  kind: z.literal("qsgd"),
  levels: z
    .int()
    .min(1)
    .max(127)
    .default(7)
    .describe("steps between 0 and the norm; 1 takes 2 bits a number, up to 7 take 4, more take 8"),
  ...scopeSettings({ scope: "block", block: 512 }),
  unscaled: z
    .boolean()
    .default(false)
    .describe("leave out the factor that makes it a contraction: error feedback then diverges"),
});

/**
 * QSGD with s levels, scaled to contract. On each block of n numbers, Q(v) = ‖v‖/s · sign(v) · ξ with ξ the
 * number s|v|/‖v‖ rounded up or down with the probability of its fraction, and C(v) = Q(v) / (1 + ω).
 * 2, 4 or 8 bits a number, whichever holds 2s + 1 codes, and 32 a block.
 *
 * Contraction: Q is unbiased with E‖Q(v) − v‖² ≤ ω‖v‖², ω = min(n/s², √n/s), so
 * E‖v − C(v)‖² ≤ (ω²/(1 + ω)² + ω/(1 + ω)²)‖v‖² = ω/(1 + ω) ‖v‖²: α = 1/(1 + ω) of the largest block.
 * A block whose norm exceeds float32 is sent with a norm of 3.4 · 10³⁸, λ times its own, and has λ times this α.
 * Unscaled, all that holds is α = max(0, 1 − ω); with 0 it is no contraction, and error feedback diverges.
 *
 * @see Alistarh et al. 2017, “QSGD”, Lemma 3.1; Koloskova, Stich, Jaggi 2019, “Decentralized Stochastic
 * Optimization and Gossip Algorithms with Compressed Communication”, §3.5 (the scaling)
 */
export const qsgd: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const { levels, unscaled } = settings;
    const bits = levels === 1 ? 2 : levels <= 7 ? 4 : 8;
    const plural = levels === 1 ? "level" : "levels";
    const name = `qsgd(${levels} ${plural}, ${scopeName(settings)}${unscaled ? ", unscaled" : ""})`;
    const { kernels } = space;
    const bytesOf = (count: number) => 4 + Math.ceil((count * bits) / 8);
    const { sections, end, longestBlock } = sectionsOf(rangesOf(layout, settings), bytesOf);
    /** ω of a block of n numbers. */
    const omegaOf = (n: number) => Math.min(n / levels ** 2, Math.sqrt(n) / levels);
    const omega = omegaOf(longestBlock);
    const payload = space.bytes(end);
    const stage = createStaging(space, end);

    return {
      name,
      contraction: unscaled ? Math.max(0, 1 - omega) : 1 / (1 + omega),
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector, { low, high }) {
        for (const { offset, length, block, start } of sections) {
          const v = vector.byteOffset + 4 * offset;
          const bytes = payload.byteOffset + start;
          const shrink = 1 / (levels * (unscaled ? 1 : 1 + omegaOf(block)));
          kernels.qsgdSqueeze(v, length, block, bits, levels, shrink, offset, low, high, bytes);
        }
        return payload;
      },
      addTo(out, received, scale) {
        requireLength(name, received, end);
        const bytes = stage(received).byteOffset;
        for (const { length, block, start, blocks } of sections) {
          requireFinite(name, kernels.qsgdFinite(bytes + start, blocks, levels));
          requireCodes(name, kernels.qsgdCheck(bytes + start, length, block, bits, levels));
        }
        for (const { offset, length, block, start } of sections) {
          kernels.qsgdAddTo(out.byteOffset + 4 * offset, length, block, bits, levels, bytes + start, scale);
        }
      },
    };
  },
};
