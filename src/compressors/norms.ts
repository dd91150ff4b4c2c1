/** What the compressors share of bounds of ‖C(v)‖: blocks of which the header says how large a number can be. */
import type { Section } from "./ranges.js";

const float = new Float32Array(1);
const floatBytes = new Uint8Array(float.buffer);

/** The float32 at a byte of a payload, which may begin at any byte of any buffer. Allocates nothing. */
export function floatAt(payload: Uint8Array, byte: number): number {
  for (let k = 0; k < 4; k++) floatBytes[k] = payload[byte + k]!;
  return float[0]!;
}

/**
 * √Σ n m² over all blocks, of n numbers of magnitude m at most.
 *
 * @param magnitudeOf m of a block: the `b`th of its section, and the `index`th of all
 */
export function boundOfBlocks(
  sections: readonly Section[],
  payload: Uint8Array,
  magnitudeOf: (payload: Uint8Array, section: Section, b: number, index: number) => number,
): number {
  let squares = 0;
  let index = 0;
  for (const section of sections) {
    const { length, block, blocks } = section;
    for (let b = 0; b < blocks; b++, index++) {
      squares += Math.min(block, length - b * block) * magnitudeOf(payload, section, b, index) ** 2;
    }
  }
  return Math.sqrt(squares);
}
