import type { Compressor } from "../compressor.js";
import { random } from "../foundation/random.js";
import type { Bytes, Vector } from "../vectors/vector.js";

/**
 * A vector as an exact payload. Squeezing takes the numbers out of the vector; adding the payload restores them before
 * anything is awaited.
 *
 * @param exact identity
 */
export function exactly(exact: Compressor, vector: Vector): Bytes {
  const payload = exact.squeeze(vector, random(0, "exact"));
  exact.addTo(vector, payload, 1);
  return payload;
}
