/** What the compressors share of bounds of ‖C(v)‖: blocks of which the header says how large a number can be. */
import type { Section } from "./ranges.js";

/** A view of a payload's headers, which may begin at any byte of any buffer. */
export const headersOf = ({ buffer, byteOffset, length }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, length);

/**
 * √Σ n m² over all blocks, of n numbers of magnitude m at most.
 *
 * @param magnitudeOf m of a block: the `b`th of its section, and the `index`th of all
 */
export function boundOfBlocks(
  sections: readonly Section[],
  magnitudeOf: (section: Section, b: number, index: number) => number,
): number {
  let squares = 0;
  let index = 0;
  for (const section of sections) {
    const { length, block, blocks } = section;
    for (let b = 0; b < blocks; b++, index++) {
      squares += Math.min(block, length - b * block) * magnitudeOf(section, b, index) ** 2;
    }
  }
  return Math.sqrt(squares);
}
