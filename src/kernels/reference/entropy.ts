import { bytes } from "./vector.js";

/**
 * Bytes coded by how often each occurs: range asymmetric numeral systems with one table for all of them, four
 * states that take turns, so that four bytes are decoded at a time, and 16-bit words.
 *
 * The code is 32 bytes, bit s of which says whether byte s occurs; the frequency of each that does, as uint16, all of
 * them 4096 together; the four states as uint32; the words. All is little-endian. A frequency is
 * max(1, ⌊4096 · count / all⌋); what is missing goes to the byte that occurs most, what is too much is taken one by one
 * from the largest, of equals the first. Encoding goes from the last byte to the first; every state starts, and after
 * decoding ends, at 2¹⁶.
 *
 * @see Duda 2013, “Asymmetric numeral systems: entropy coding combining speed of Huffman coding with compression
 * rate of arithmetic coding”, §2.3 (range variants); Giesen 2014, “Interleaved entropy coders”
 */
export interface EntropyKernels {
  /**
   * Writes the code of `count` bytes at `to`.
   *
   * @param limit most bytes it may take
   * @param table 2¹³ bytes to work in
   * @returns the address (modulo 2³²) where it ends; 0 when there are no bytes or it would take more than `limit`
   */
  entropyEncode(source: number, count: number, to: number, limit: number, table: number): number;
  /** Writes the `count` bytes that the code from `from` to `end` stands for; 0 when it is malformed, else 1. */
  entropyDecode(from: number, end: number, to: number, count: number, table: number): number;
}

const TOTAL = 4096;
const LEAST_STATE = 2 ** 16;
const PRESENCE_BYTES = 32;
const STATES = 4;

function frequenciesOf(source: Uint8Array): number[] {
  const counts = new Array<number>(256).fill(0);
  for (const byte of source) counts[byte]!++;
  const frequencies = counts.map((count) =>
    count === 0 ? 0 : Math.max(1, Math.floor((count * TOTAL) / source.length)),
  );
  const largestOf = (numbers: readonly number[]) => numbers.indexOf(Math.max(...numbers));
  let sum = frequencies.reduce((x, y) => x + y, 0);
  if (sum < TOTAL) frequencies[largestOf(counts)]! += TOTAL - sum;
  for (; sum > TOTAL; sum--) frequencies[largestOf(frequencies)]!--;
  return frequencies;
}

function startsOf(frequencies: readonly number[]): number[] {
  let start = 0;
  return frequencies.map((frequency) => {
    start += frequency;
    return start - frequency;
  });
}

export function entropyKernels(buffer: ArrayBuffer): EntropyKernels {
  return {
    entropyEncode(source, count, to, limit) {
      if (count === 0) return 0;
      const input = bytes(buffer, source, count);
      const frequencies = frequenciesOf(input);
      const starts = startsOf(frequencies);
      const states = new Array<number>(STATES).fill(LEAST_STATE);
      const words: number[] = [];
      for (let k = count - 1; k >= 0; k--) {
        const frequency = frequencies[input[k]!]!;
        let state = states[k % STATES]!;
        if (state >= frequency * 2 ** 20) {
          words.push(state % 2 ** 16);
          state = Math.floor(state / 2 ** 16);
        }
        states[k % STATES] = Math.floor(state / frequency) * TOTAL + (state % frequency) + starts[input[k]!]!;
      }
      words.reverse();

      const present = Array.from(frequencies.keys()).filter((symbol) => frequencies[symbol]);
      const size = PRESENCE_BYTES + 2 * present.length + 4 * STATES + 2 * words.length;
      if (size > limit) return 0;
      const output = bytes(buffer, to, size).fill(0);
      const view = new DataView(buffer, to >>> 0, size);
      let at = PRESENCE_BYTES;
      for (const symbol of present) {
        output[symbol >> 3]! |= 1 << (symbol & 7);
        view.setUint16(at, frequencies[symbol]!, true);
        at += 2;
      }
      for (const state of states) {
        view.setUint32(at, state, true);
        at += 4;
      }
      for (const word of words) {
        view.setUint16(at, word, true);
        at += 2;
      }
      return (to >>> 0) + size;
    },
    entropyDecode(from, end, to, count) {
      const size = (end >>> 0) - (from >>> 0);
      const view = new DataView(buffer, from >>> 0, size);
      if (size < PRESENCE_BYTES) return 0;
      let at = PRESENCE_BYTES;
      const frequencies = new Array<number>(256).fill(0);
      for (let symbol = 0; symbol < 256; symbol++) {
        if (!((view.getUint8(symbol >> 3) >> (symbol & 7)) & 1)) continue;
        if (at + 2 > size) return 0;
        frequencies[symbol] = view.getUint16(at, true);
        if (frequencies[symbol] === 0) return 0;
        at += 2;
      }
      const starts = startsOf(frequencies);
      if (starts[255]! + frequencies[255]! !== TOTAL || at + 4 * STATES > size) return 0;
      const slots = frequencies.flatMap((frequency, symbol) => new Array<number>(frequency).fill(symbol));
      const states = Array.from({ length: STATES }, (_, s) => view.getUint32(at + 4 * s, true));
      at += 4 * STATES;

      const output = bytes(buffer, to, count);
      for (let k = 0; k < count; k++) {
        const before = states[k % STATES]!;
        const slot = before % TOTAL;
        const symbol = slots[slot]!;
        output[k] = symbol;
        let state = frequencies[symbol]! * Math.floor(before / TOTAL) + slot - starts[symbol]!;
        if (state < LEAST_STATE) {
          if (at + 2 > size) return 0;
          state = state * 2 ** 16 + view.getUint16(at, true);
          at += 2;
        }
        states[k % STATES] = state;
      }
      return at === size && states.every((state) => state === LEAST_STATE) ? 1 : 0;
    },
  };
}
