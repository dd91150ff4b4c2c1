/** Which η to take when the user names none: measured on the compressor itself, bounded by the graph. */
import type { AlgorithmName } from "./algorithms/index.js";
import { type CompressorSettings, createCompressor } from "./compressors/index.js";
import { createLayout, type Layout } from "./layout.js";
import { normal, random } from "./random.js";
import { createVectorSpace, spaceBytes } from "./vector.js";

/** Numbers per tensor at most in the measurement: enough for steady figures, quick for any model. */
const MEASURED_LENGTH = 4096;
/** Tensors at most in the measurement. */
const MEASURED_TENSORS = 8;
/** Rounds of error feedback until the residual is steady. */
const MEASURED_ROUNDS = 300;

/** What a compressor does to a normally distributed vector of a layout. */
export interface CompressorBehaviour {
  /** ‖v − C(v)‖² / ‖v‖² of one squeeze. */
  readonly error: number;
  /** Steady ‖δ‖ / ‖x‖ when the same x is sent again and again with error feedback. */
  readonly residual: number;
}

/** Measures a compressor on a layout (on at most 8 × 4096 numbers of it). Deterministic. */
export function measureCompressor(settings: CompressorSettings, layout: Layout): CompressorBehaviour {
  const measured = createLayout(
    layout.tensors
      .slice(0, MEASURED_TENSORS)
      .map(({ name, length }) => ({ name, shape: [Math.min(length, MEASURED_LENGTH)] })),
  );
  const { length } = measured;
  const space = createVectorSpace(spaceBytes(6, length, 1 << 20));
  const compressor = createCompressor(settings, { layout: measured, space });
  const vector = space.vector(length);
  const residual = space.vector(length);
  const draws = random(0, "measure");
  for (let k = 0; k < length; k++) vector[k] = normal(draws, k);

  const { kernels } = space;
  const squaredNorm = kernels.sumOfSquares(vector.byteOffset, length);
  let error = 0;
  for (let round = 0; round < MEASURED_ROUNDS; round++) {
    kernels.add(residual.byteOffset, vector.byteOffset, length);
    compressor.squeeze(residual, random(0, "measure", round));
    if (round === 0) error = kernels.sumOfSquares(residual.byteOffset, length) / squaredNorm;
  }
  return {
    error,
    residual: Math.sqrt(kernels.sumOfSquares(residual.byteOffset, length) / squaredNorm),
  };
}

/**
 * A consensus rate that works without tuning.
 *
 * - exact gossip: η* of the graph;
 * - DeepSqueeze: the disagreement that compression keeps alive grows with η·‖δ‖, so η = 0.3 · ‖x‖ / ‖δ‖ of the
 *   compressor's steady residual, at most η* — this gives the published tuned values within a factor of two;
 * - CHOCO: γ = 0.6 · (1 − ‖v − C(v)‖² / ‖v‖²), at most η*.
 *
 * @param optimalRate η* of the graph, `optimalConsensusRate` in mixing.ts
 */
export function suggestConsensusRate(
  algorithm: AlgorithmName,
  compressor: CompressorSettings,
  layout: Layout,
  optimalRate: number,
): number {
  if (algorithm === "alone") return 0;
  if (algorithm === "dpsgd") return optimalRate;
  const { error, residual } = measureCompressor(compressor, layout);
  const rate = algorithm === "choco" ? 0.6 * (1 - error) : residual === 0 ? optimalRate : 0.3 / residual;
  return Math.min(optimalRate, rate);
}
