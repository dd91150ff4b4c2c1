import { random } from "../foundation/random.js";

/**
 * Seeds for initialisers, one after another: the same list for every peer of a run.
 *
 * @example
 * const next = initialSeeds(seed);
 * initializers.heNormal(next());
 */
export function initialSeeds(seed: number): () => { seed: number } {
  let index = 0;
  return () => ({ seed: random(seed, "initialise", index++).bits(0) });
}
