/** What the compressor tests share: every compressor in several settings, vectors of many characters, spaces with kernels. */
import type { Compressor } from "../../src/compressor.js";
import { compressorSettings, createCompressor } from "../../src/compressors/index.js";
import { normal, type Random, random } from "../../src/foundation/random.js";
import { createReferenceKernels } from "../../src/kernels/reference.js";
import { createSimdKernels } from "../../src/kernels/simd.js";
import { createLayout, type Layout } from "../../src/vectors/layout.js";
import { createVectorSpace, type Vector, type VectorSpace } from "../../src/vectors/vector.js";

/** Settings as a user would write them. */
export type Written = { kind: string } & Record<string, unknown>;

export function layoutOf(...lengths: readonly number[]): Layout {
  return createLayout(lengths.map((length, t) => ({ name: `tensor ${t}`, shape: [length] })));
}

/** Settings, beside the defaults, that change what a compressor's kernels do. */
const variants: Written[] = [
  { kind: "sign", scope: "block", block: 40 },
  { kind: "sign", scope: "whole" },
  { kind: "onebit", scope: "block", block: 40 },
  { kind: "topk", ratio: 0.3 },
  { kind: "topk", ratio: 0.02, scope: "whole" },
  { kind: "topk", ratio: 1 },
  { kind: "topk", count: 3, scope: "block", block: 20 },
  { kind: "topk", ratio: 0.1, values: "float16" },
  { kind: "topk", ratio: 0.1, values: { kind: "minmax", bits: 2 } },
  { kind: "topk", ratio: 0.2, scope: "block", block: 64, values: { kind: "sign" } },
  { kind: "topk", ratio: 0.1, scope: "block", block: 1200, values: "natural" },
  { kind: "topsign", ratio: 0.3, scope: "whole" },
  { kind: "dct-topk", chunk: 16, ratio: 0.3, scope: "block" },
  { kind: "dct-topk", chunk: 32, count: 6, scope: "whole", values: "natural" },
  { kind: "topsign", count: 5, scope: "block", block: 64 },
  { kind: "topsign", ratio: 1 },
  { kind: "randomk", ratio: 0.03, scope: "whole" },
  { kind: "adaptive-random", ratio: 0.3 },
  { kind: "adaptive-random", count: 2, scope: "block", block: 30 },
  { kind: "minmax", bits: 8 },
  { kind: "minmax", bits: 4, rounding: "nearest" },
  { kind: "minmax", bits: 2, block: 9 },
  { kind: "minmax", bits: 2, scope: "tensor" },
  { kind: "minmax", bits: 8, scope: "whole", rounding: "nearest" },
  { kind: "dithering", block: 41 },
  { kind: "qsgd", levels: 1, block: 40 },
  { kind: "qsgd", levels: 127, scope: "whole" },
  { kind: "qsgd", levels: 4, scope: "tensor", unscaled: true },
  { kind: "qsgd", coding: "entropy" },
  { kind: "qsgd", levels: 1, block: 30, coding: "entropy" },
  { kind: "qsgd", levels: 100, scope: "tensor", coding: "entropy" },
  { kind: "ternary", block: 83 },
  { kind: "ternary", scope: "whole" },
  { kind: "ternary", coding: "entropy" },
  { kind: "ternary", coding: "entropy", block: 1024 },
];

/** Everything in `compressors/index.ts` with its defaults, and the variants. */
export const everyCompressor: Written[] = [
  ...compressorSettings.options.map(({ shape }) => ({ kind: shape.kind.value })),
  ...variants,
];

export interface Bench {
  readonly space: VectorSpace;
  readonly compressor: Compressor;
  readonly vector: Vector;
  readonly out: Vector;
}

/** A compressor with a vector to squeeze and one to add to, in a space of its own. */
export function bench(written: Written, layout: Layout, kernels: "simd" | "reference" = "simd"): Bench {
  const bytes = (1 << 20) + 64 * layout.length;
  const space = createVectorSpace(bytes, kernels === "simd" ? createSimdKernels : createReferenceKernels);
  const compressor = createCompressor(compressorSettings.parse(written), { layout, space });
  return { space, compressor, vector: space.vector(layout.length), out: space.vector(layout.length) };
}

type Maker = (stream: Random, k: number) => number;

/** Vectors of many characters: name and what number k is. */
export const characters: Record<string, Maker> = {
  gaussian: normal,
  sparse: (stream, k) => (stream.uniform(5_000_000 + k) < 0.05 ? 10 * normal(stream, k) : 0),
  heavy: (stream, k) => normal(stream, k) / (stream.uniform(5_000_000 + k) + 1e-3),
  offset: (stream, k) => 1000 + normal(stream, k),
  farOffset: (stream, k) => -1e6 + 0.1 * normal(stream, k),
  constant: () => 0.7,
  negative: () => -3,
  twoValues: (stream, k) => (stream.bits(k) & 1 ? 5 : -0.25),
  zero: () => 0,
  negativeZero: () => -0,
  ramp: (_stream, k) => (k % 97) - 40,
  huge: (stream, k) => Math.fround(1e38 * Math.max(-3.3, Math.min(3.3, normal(stream, k)))),
  small: (stream, k) => 1e-30 * normal(stream, k),
  tiny: (stream, k) => 1e-39 * normal(stream, k),
  octaves: (stream, k) => normal(stream, k) * 2 ** ((stream.bits(5_000_000 + k) % 200) - 100),
};

export function fill(vector: Vector, character: string, seed: number): void {
  const stream = random(seed, "vector", character);
  const make = characters[character]!;
  for (let k = 0; k < vector.length; k++) vector[k] = make(stream, k);
}

export function sumOfSquares(vector: Iterable<number>): number {
  let sum = 0;
  for (const x of vector) sum += x * x;
  return sum;
}
