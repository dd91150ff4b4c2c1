import { bytes, floats } from "./vector.js";

/**
 * The `count` numbers of largest magnitude; of equal ones those that come first. Two streams: their values
 * as float32, in the order of their places, and the gaps between the places (numbers skipped before each)
 * in Golomb–Rice code: ⌊gap / 2^rice⌋ zero bits, a one, then the low `rice` bits of the gap; bits fill bytes
 * from the lowest, and zeros fill the last byte.
 */
export interface TopkKernels {
  /**
   * Writes values and gaps and leaves the error in `v`.
   *
   * @param table 2¹⁸ bytes of zeros to count in, left zero
   * @returns the address (modulo 2³²) where the gaps end
   */
  topkSqueeze(
    v: number,
    length: number,
    count: number,
    rice: number,
    values: number,
    gaps: number,
    table: number,
  ): number;
  /** The address (modulo 2³²) where `count` well-formed gaps that stay below `length` end; 0 when there are none before `end`. */
  topkCheck(length: number, count: number, rice: number, gaps: number, end: number): number;
  /** out += factor · C(v), from streams that passed the check; returns where the gaps end. */
  topkAddTo(
    out: number,
    count: number,
    rice: number,
    values: number,
    gaps: number,
    end: number,
    factor: number,
  ): number;
}

export function topkKernels(buffer: ArrayBuffer): TopkKernels {
  /** The places that the gaps name and where the gaps end, or nothing when they are malformed. */
  function readPlaces(length: number, count: number, rice: number, gaps: number, end: number) {
    const stream = bytes(buffer, gaps, (end >>> 0) - (gaps >>> 0));
    let position = 0;
    const bit = () => {
      const byte = stream[position >> 3];
      return byte === undefined ? -1 : (byte >> (position++ & 7)) & 1;
    };
    const places: number[] = [];
    let next = 0;
    for (let j = 0; j < count; j++) {
      let quotient = 0;
      let one = bit();
      for (; one === 0; one = bit()) quotient++;
      let gap = quotient * 2 ** rice;
      for (let b = 0; b < rice && one !== -1; b++) {
        one = bit();
        gap += one * 2 ** b;
      }
      if (one === -1 || next + gap >= length) return undefined;
      places.push(next + gap);
      next += gap + 1;
    }
    while (position & 7) if (bit() !== 0) return undefined;
    return { places, end: (gaps >>> 0) + position / 8 };
  }

  return {
    topkSqueeze(v, length, count, rice, values, gaps) {
      const a = floats(buffer, v, length);
      const magnitudes = Array.from(a, Math.abs);
      const places = Array.from(a.keys())
        .sort((i, j) => magnitudes[j]! - magnitudes[i]! || i - j)
        .slice(0, count)
        .sort((i, j) => i - j);
      const view = new DataView(buffer);
      const bits: number[] = [];
      let next = 0;
      places.forEach((place, j) => {
        view.setFloat32((values >>> 0) + 4 * j, a[place]!, true);
        a[place] = 0;
        const gap = place - next;
        next = place + 1;
        for (let zeros = gap >>> rice; zeros > 0; zeros--) bits.push(0);
        bits.push(1);
        for (let b = 0; b < rice; b++) bits.push((gap >>> b) & 1);
      });
      const stream = bytes(buffer, gaps, Math.ceil(bits.length / 8)).fill(0);
      bits.forEach((bit, k) => {
        stream[k >> 3]! |= bit << (k & 7);
      });
      return (gaps >>> 0) + stream.length;
    },
    topkCheck(length, count, rice, gaps, end) {
      return readPlaces(length, count, rice, gaps, end)?.end ?? 0;
    },
    topkAddTo(out, count, rice, values, gaps, end, factor) {
      const read = readPlaces(Number.POSITIVE_INFINITY, count, rice, gaps, end)!;
      const view = new DataView(buffer);
      const scale = Math.fround(factor);
      read.places.forEach((place, j) => {
        const value = view.getFloat32((values >>> 0) + 4 * j, true);
        floats(buffer, out + 4 * place, 1)[0]! += Math.fround(scale * value);
      });
      return read.end;
    },
  };
}
