/** What all models after a round come to, when they become known one by one. */

export interface RoundSums {
  /** The model of one more peer; it may change afterwards. */
  add(model: Float32Array): void;
  conclude(): {
    /** (1/n) Σ_i ‖x_i − x̄‖² */
    readonly consensusDistance: number;
    /** ‖x̄‖ */
    readonly meanModelNorm: number;
    readonly mean: Float32Array;
  };
}

/**
 * Sums in float64 of the distances to one of the models, so that no digits are lost where all models are close to each
 * other: with d_i = x_i − x_0, Σ_i ‖x_i − x̄‖² = Σ_i ‖d_i‖² − ‖Σ_i d_i‖² / n.
 *
 * @param first x_0; it may change afterwards
 */
export function createRoundSums(first: Float32Array): RoundSums {
  const origin = first.slice();
  const sums = new Float64Array(origin.length);
  let squares = 0;
  let count = 0;
  return {
    add(model) {
      count++;
      for (let k = 0; k < origin.length; k++) {
        const distance = model[k]! - origin[k]!;
        sums[k]! += distance;
        squares += distance * distance;
      }
    },
    conclude() {
      const mean = new Float32Array(origin.length);
      let squaredSum = 0;
      let squaredNorm = 0;
      for (let k = 0; k < origin.length; k++) {
        squaredSum += sums[k]! ** 2;
        const average = origin[k]! + sums[k]! / count;
        squaredNorm += average * average;
        mean[k] = average;
      }
      return {
        // Rounding may take what is left of equal models below zero.
        consensusDistance: Math.max(0, squares - squaredSum / count) / count,
        meanModelNorm: Math.sqrt(squaredNorm),
        mean,
      };
    },
  };
}
