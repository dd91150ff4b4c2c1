/** What a compressor does, measured: the basis of the consensus rate where the user names none. */
import type { CompressorBehaviour } from "../algorithm.js";
import { type CompressorSettings, createCompressor } from "../compressors/index.js";
import { normal, random } from "../foundation/random.js";
import { createLayout, type Layout } from "../vectors/layout.js";
import { createVectorSpace, spaceBytes, type VectorSpace } from "../vectors/vector.js";

/** Numbers per tensor at most in the measurement: enough for steady figures, quick for any model. */
const MEASURED_LENGTH = 4096;
/** What stands for a larger tensor of two or more dimensions. */
const MEASURED_MATRIX = [64, MEASURED_LENGTH / 64];
/** Tensors at most in the measurement. */
const MEASURED_TENSORS = 8;
/** Rounds of error feedback until the residual is steady. */
const MEASURED_ROUNDS = 300;

/** The part of a layout on which compressors are measured: at most 8 × 4096 numbers. */
export function measuredLayout({ tensors }: Layout): Layout {
  return createLayout(
    tensors.slice(0, MEASURED_TENSORS).map(({ name, length, shape }) => ({
      name,
      shape: length <= MEASURED_LENGTH ? shape : shape.length > 1 ? MEASURED_MATRIX : [MEASURED_LENGTH],
    })),
  );
}

/** Room for a compressor of this layout and two vectors. */
export function measuringSpace({ length }: Layout): VectorSpace {
  return createVectorSpace(spaceBytes(6, length, 1 << 20));
}

/** Measures a compressor on a layout (on the measured part of it). Deterministic. */
export function measureCompressor(settings: CompressorSettings, layout: Layout): CompressorBehaviour {
  const measured = measuredLayout(layout);
  const { length } = measured;
  const space = measuringSpace(measured);
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
