import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import { createStaging, rangesOf, requireFinite, requireLength, scopeName, scopeSettings } from "./ranges.js";

const settings = z.strictObject({ kind: z.literal("sign"), ...scopeSettings });

/**
 * Sign with L1 scale: C(v) = (‖v‖₁ / n) · sign(v) on each block of n numbers, sign(0) = +1. One bit a number
 * and 32 a block.
 *
 * Contraction: ‖v − C(v)‖² = ‖v‖² − ‖v‖₁² / n, and ‖v‖₁ ≥ ‖v‖, so α = 1/n of the largest block.
 *
 * @see Karimireddy et al. 2019, “Error Feedback Fixes SignSGD”, §3
 */
export const sign: CompressorKind<typeof settings> = {
  settings,
  create(settings, { layout, space }) {
    const name = `sign(${scopeName(settings)})`;
    const { kernels } = space;
    let end = 0;
    const sections = rangesOf(layout, settings).map((range) => {
      const start = end;
      const blocks = Math.ceil(range.length / range.block);
      const fullBits = Math.floor(range.length / range.block) * Math.ceil(range.block / 8);
      end += 4 * blocks + fullBits + Math.ceil((range.length % range.block) / 8);
      return { ...range, start, blocks };
    });
    const payload = space.bytes(end);
    const stage = createStaging(space, end);

    return {
      name,
      contraction: 1 / Math.max(...sections.map(({ block }) => block)),
      minimumPayloadBytes: end,
      maximumPayloadBytes: end,
      squeeze(vector) {
        for (const { offset, length, block, start } of sections) {
          kernels.signSqueeze(vector.byteOffset + 4 * offset, length, block, payload.byteOffset + start);
        }
        return payload;
      },
      addTo(out, received, scale) {
        requireLength(name, received, end);
        const view = new DataView(received.buffer, received.byteOffset);
        for (const { start, blocks } of sections) {
          for (let b = 0; b < blocks; b++) requireFinite(name, view.getFloat32(start + 4 * b, true));
        }
        const staged = stage(received);
        for (const { offset, length, block, start } of sections) {
          kernels.signAddTo(out.byteOffset + 4 * offset, length, block, staged.byteOffset + start, scale);
        }
      },
    };
  },
};
