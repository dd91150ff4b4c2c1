import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import type { Bytes } from "../vector.js";
import {
  createStaging,
  rangesOf,
  requireCodes,
  requireFinite,
  requireLengthWithin,
  scopeName,
  scopeSettings,
  sectionsOf,
} from "./ranges.js";

/** Working room of the entropy coder, in bytes. */
const TABLE_BYTES = 1 << 13;
/** Fewest bytes that entropy coding takes: 32 of presence, one frequency and four states. */
const FEWEST_CODED_BYTES = 50;

const settings = z.strictObject({
  kind: z.literal("qsgd"),
  levels: z
    .int()
    .min(1)
    .max(127)
    .default(7)
    .describe("steps between 0 and the norm; 1 takes 2 bits a number, up to 7 take 4, more take 8"),
  ...scopeSettings({ scope: "block", block: 512 }),
  coding: z
    .enum(["fixed", "entropy"])
    .default("fixed")
    .describe("entropy: codes take fewer bits the more often they occur; smaller and slower"),
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
    const bits = levels === 1 ? 2 : levels <= 7 ? 4 : 8;
    const plural = levels === 1 ? "level" : "levels";
    const isCoded = settings.coding === "entropy";
    const details = `${scopeName(settings)}${isCoded ? ", entropy" : ""}${unscaled ? ", unscaled" : ""}`;
    const name = `qsgd(${levels} ${plural}, ${details})`;
    const { kernels } = space;
    const ranges = rangesOf(layout, settings);
    const { sections, end: codeBytes, longestBlock } = sectionsOf(ranges, (n) => Math.ceil((n * bits) / 8));
    /** ω of a block of n numbers. */
    const omegaOf = (n: number) => Math.min(n / levels ** 2, Math.sqrt(n) / levels);
    const omega = omegaOf(longestBlock);
    const unitBytes = 4 * sections.reduce((sum, { blocks }) => sum + blocks, 0);
    const codesStart = unitBytes + (isCoded ? 1 : 0);
    const maximum = codesStart + codeBytes;
    const minimum = codesStart + (isCoded ? Math.min(codeBytes, FEWEST_CODED_BYTES) : codeBytes);
    const payload = space.bytes(maximum);
    const stage = createStaging(space, maximum);
    // Where the codes are when they are not in the payload.
    const plainCodes = space.bytes(isCoded ? codeBytes : 0);
    const table = space.bytes(isCoded ? TABLE_BYTES : 0).byteOffset;

    /** Addresses of the codes of a checked payload, brought out of their entropy coding. */
    function codesOf(bytes: Bytes): number {
      const codes = bytes.byteOffset + codesStart;
      if (!isCoded) return codes;
      const coding = bytes[unitBytes];
      const size = bytes.length - codesStart;
      if (coding === 0) {
        requireCodes(name, size === codeBytes);
        return codes;
      }
      requireCodes(name, coding === 1);
      requireCodes(name, kernels.entropyDecode(codes, codes + size, plainCodes.byteOffset, codeBytes, table));
      return plainCodes.byteOffset;
    }

    /** @returns where the units and the unpacked codes of the payload lie in the space */
    const check = (received: Uint8Array): { units: number; codes: number } => {
      requireLengthWithin(name, received, minimum, maximum);
      const bytes = stage(received);
      const codes = codesOf(bytes);
      requireFinite(name, kernels.qsgdFinite(bytes.byteOffset, unitBytes / 4, levels));
      for (const { length, block, start } of sections) {
        requireCodes(name, kernels.qsgdCheck(codes + start, length, block, bits, levels));
      }
      return { units: bytes.byteOffset, codes };
    };

    return {
      name,
      contraction: unscaled ? Math.max(0, 1 - omega) : 1 / (1 + omega),
      minimumPayloadBytes: minimum,
      maximumPayloadBytes: maximum,
      squeeze(vector, { low, high }) {
        let units = payload.byteOffset;
        const codes = isCoded ? plainCodes.byteOffset : payload.byteOffset + codesStart;
        for (const { offset, length, block, start, blocks } of sections) {
          const v = vector.byteOffset + 4 * offset;
          const shrink = 1 / (levels * (unscaled ? 1 : 1 + omegaOf(block)));
          const at = codes + start;
          kernels.qsgdSqueeze(v, length, block, bits, levels, shrink, offset, low, high, units, at);
          units += 4 * blocks;
        }
        if (!isCoded) return payload;
        const to = payload.byteOffset + codesStart;
        const end = kernels.entropyEncode(codes, codeBytes, to, codeBytes - 1, table) >>> 0;
        payload[unitBytes] = end ? 1 : 0;
        if (end) return payload.subarray(0, end - payload.byteOffset);
        payload.set(plainCodes, codesStart);
        return payload;
      },
      check,
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
