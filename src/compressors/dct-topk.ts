import { z } from "zod";
import type { CompressorKind } from "../compressor.js";
import type { Vector } from "../vectors/vector.js";
import { topk } from "./topk.js";

const { block: _block, ...shared } = topk.settings.shape;

const settings = z.strictObject({
  ...shared,
  kind: z.literal("dct-topk"),
  chunk: z
    .literal([16, 32, 64, 128])
    .default(64)
    .describe("numbers of one cosine transform, and of a block when scope is block"),
});

/** What numbers are multiplied by before the transform: coefficients of float32 numbers then are float32 numbers. */
const SHRINK = 1 / 16;
/** And before the way back: sums of any finite coefficients are finite then. */
const SHRINK_BACK = 2 ** -8;

/** Room for where vectors begin in memory. */
const ROOM_BYTES = 1 << 10;

/** Headroom of the norm bound for the rounding of the transform. */
const ROUNDING = 1 + 2 ** -16;
/** More than what a number can be off that is too small for all of its digits. */
const SMALLEST = 2 ** -130;

/**
 * Top-k of cosine coefficients: each chunk of a tensor goes through an orthonormal DCT-II, and top-k keeps the largest
 * coefficients, as its settings have it. What is left of a tensor behind its last whole chunk stays as it is. Bits as top-k;
 * better than it where neighbouring numbers are alike, the same for numbers that have nothing to do with each other.
 *
 * Contraction: the transform keeps norms, so α is that of top-k, up to float32 rounding. Numbers above 2¹²⁷ are held to
 * what float32 has, which only brings C(v) closer to v. The norm bound is the norm.
 *
 * @see Peng, Quesnelle, Kingma 2024, “DeMo: Decoupled Momentum Optimization”, §3.2
 */
export const dctTopk: CompressorKind<typeof settings> = {
  settings,
  scratchBytes: (settings, layout) =>
    8 * (layout.length + settings.chunk ** 2) +
    topk.scratchBytes!(innerSettings(settings), layout) +
    ROOM_BYTES,
  create(settings, { layout, space }) {
    const { chunk } = settings;
    const { kernels } = space;
    const inner = topk.create(innerSettings(settings), { layout, space });
    const coefficients = space.vector(layout.length);
    const decoded = space.vector(layout.length);
    const [forward, back] = cosines(chunk).map((matrix) => {
      const vector = space.vector(matrix.length);
      vector.set(matrix);
      return vector.byteOffset;
    });
    const one = space.vector(1).fill(1).byteOffset;

    /** Takes every whole chunk of `from` through a matrix to `to`, and what is left of each tensor as it is. */
    const rotate = (from: Vector, to: Vector, matrix: number, before: number, after: number): void => {
      for (const { offset, length } of layout.tensors) {
        const rest = length % chunk;
        const [v, out] = [from.byteOffset + 4 * offset, to.byteOffset + 4 * offset];
        const whole = length - rest;
        kernels.rotate(v, whole, chunk, matrix, before, after, out);
        kernels.rotate(v + 4 * whole, rest, 1, one, before, after, out + 4 * whole);
      }
    };

    /** Leaves C(v) of a payload in `decoded`. @throws MalformedPayload */
    const decode = (received: Uint8Array): void => {
      coefficients.fill(0);
      inner.addTo(coefficients, received, 1);
      rotate(coefficients, decoded, back!, SHRINK_BACK, 1 / (SHRINK * SHRINK_BACK));
    };

    return {
      name: inner.name.replace("topk(", `dct-topk(${chunk}, `),
      contraction: inner.contraction,
      minimumPayloadBytes: inner.minimumPayloadBytes,
      maximumPayloadBytes: inner.maximumPayloadBytes,
      squeeze(vector, random) {
        rotate(vector, coefficients, forward!, SHRINK, 1);
        const payload = inner.squeeze(coefficients, random);
        decode(payload);
        kernels.addScaled(vector.byteOffset, decoded.byteOffset, layout.length, -1);
        return payload;
      },
      check: inner.check,
      normBound(received) {
        const norm = inner.normBound(received);
        return norm === 0 ? 0 : (ROUNDING / SHRINK) * norm + SMALLEST * Math.sqrt(layout.length);
      },
      addTo(out, received, scale) {
        decode(received);
        kernels.addScaled(out.byteOffset, decoded.byteOffset, layout.length, scale);
      },
    };
  },
};

function innerSettings({ chunk, ...rest }: z.output<typeof settings>): z.output<typeof topk.settings> {
  return { ...rest, kind: "topk", block: chunk };
}

/** The orthonormal DCT-II of n numbers, and its inverse: for rows of numbers, by rows. */
function cosines(n: number): [Float64Array, Float64Array] {
  const forward = new Float64Array(n * n);
  const back = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const value = Math.sqrt((j === 0 ? 1 : 2) / n) * Math.cos((Math.PI * (2 * i + 1) * j) / (2 * n));
      forward[i * n + j] = value;
      back[j * n + i] = value;
    }
  }
  return [forward, back];
}
