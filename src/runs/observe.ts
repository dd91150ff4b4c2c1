/** What all models of a run come to, seen from outside. */
import type { SimulationRound } from "./round.js";

/** Numbers of each model that are read at a time: a block of every model stays in the near cache. */
const BLOCK = 4096;
const block = new Float64Array(BLOCK);

/**
 * Writes the mean of all models to `mean`; sums are float64. One pass: models are compared with the first of them, o, and
 *
 *     Σ_i ‖x_i − x̄‖² = Σ_i ‖x_i − o‖² − n ‖x̄ − o‖²
 *
 * of which nothing cancels as long as o is about as far from the mean as the others are.
 */
export function observe(
  models: readonly Float32Array[],
  mean: Float32Array,
): Pick<SimulationRound, "consensusDistance" | "meanModelNorm"> {
  const count = models.length;
  const origin = models[0]!;
  let squaredDistances = 0;
  let squaredNorm = 0;
  for (let start = 0; start < mean.length; start += BLOCK) {
    const end = Math.min(mean.length, start + BLOCK);
    const sums = block.subarray(0, end - start).fill(0);
    for (const model of models) {
      let squares = 0;
      for (let k = start; k < end; k++) {
        const difference = model[k]! - origin[k]!;
        sums[k - start]! += difference;
        squares += difference * difference;
      }
      squaredDistances += squares;
    }
    for (let k = start; k < end; k++) {
      const difference = sums[k - start]! / count;
      squaredDistances -= count * difference * difference;
      const average = origin[k]! + difference;
      squaredNorm += average * average;
      mean[k] = average;
    }
  }
  return { consensusDistance: Math.max(0, squaredDistances) / count, meanModelNorm: Math.sqrt(squaredNorm) };
}
