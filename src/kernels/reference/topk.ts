import { bytes, floats } from "./vector.js";

/**
 * The `count` numbers of largest magnitude; of equal ones those that come first. Three streams: their values
 * as float32, in the order of their places, and the gaps between the places (numbers skipped before each)
 * in Golomb–Rice code: the low `rice` bits of every gap, its remainder, one after another; and for every gap
 * ⌊gap / 2^rice⌋ zero bits, its quotient, and a one. Bits fill bytes from the lowest, and zeros fill a stream's
 * last byte. Apart, the two streams are read without waiting for each other.
 */
export interface TopkKernels {
  /**
   * Writes values, remainders and quotients and leaves the error in `v`.
   *
   * @param table 2¹⁸ bytes of zeros to count in, left zero
   * @returns the address (modulo 2³²) where the quotients end
   */
  topkSqueeze(
    v: number,
    length: number,
    count: number,
    rice: number,
    values: number,
    remainders: number,
    quotients: number,
    table: number,
  ): number;
  /**
   * The address (modulo 2³²) where the quotients of `count` well-formed gaps that stay below `length` end; 0 when
   * there are none before `end`.
   */
  topkCheck(
    length: number,
    count: number,
    rice: number,
    remainders: number,
    quotients: number,
    end: number,
  ): number;
  /** out += factor · C(v), from streams that passed the check. */
  topkAddTo(
    out: number,
    count: number,
    rice: number,
    values: number,
    remainders: number,
    quotients: number,
    end: number,
    factor: number,
  ): void;
  /** Moves the numbers of `v` at the places of streams that passed the check to `values`, and leaves zeros. */
  topkTake(
    v: number,
    count: number,
    rice: number,
    values: number,
    remainders: number,
    quotients: number,
    end: number,
  ): void;
}

/** Bits written from the lowest of the first byte on. */
function writeBits(buffer: ArrayBuffer, pointer: number, bits: readonly number[]): number {
  const stream = bytes(buffer, pointer, Math.ceil(bits.length / 8)).fill(0);
  bits.forEach((bit, k) => {
    stream[k >> 3]! |= bit << (k & 7);
  });
  return (pointer >>> 0) + stream.length;
}

/** Gives the bits from `pointer` on, and −1 from `end` on. */
function bitReader(buffer: ArrayBuffer, pointer: number, end: number) {
  const stream = bytes(buffer, pointer, Math.max(0, (end >>> 0) - (pointer >>> 0)));
  let position = 0;
  return {
    next() {
      const byte = stream[position >> 3];
      return byte === undefined ? -1 : (byte >> (position++ & 7)) & 1;
    },
    /** Whether only zeros are left of the last byte. */
    isPadded() {
      while (position & 7) if (this.next() !== 0) return false;
      return true;
    },
    end: () => (pointer >>> 0) + Math.ceil(position / 8),
  };
}

export function topkKernels(buffer: ArrayBuffer): TopkKernels {
  /** The places that the gaps name and where the quotients end, or nothing when they are malformed. */
  function readPlaces(
    length: number,
    count: number,
    rice: number,
    remainders: number,
    quotients: number,
    end: number,
  ) {
    const low = bitReader(buffer, remainders, end);
    const ones = bitReader(buffer, quotients, end);
    const places: number[] = [];
    let next = 0;
    for (let j = 0; j < count; j++) {
      let gap = 0;
      let bit = ones.next();
      for (; bit === 0; bit = ones.next()) gap += 2 ** rice;
      if (bit === -1) return undefined;
      for (let b = 0; b < rice; b++) gap += low.next() * 2 ** b;
      if (next + gap >= length) return undefined;
      places.push(next + gap);
      next += gap + 1;
    }
    if (!ones.isPadded() || !low.isPadded()) return undefined;
    return { places, end: ones.end() };
  }

  return {
    topkSqueeze(v, length, count, rice, values, remainders, quotients) {
      const a = floats(buffer, v, length);
      const magnitudes = Array.from(a, Math.abs);
      const places = Array.from(a.keys())
        .sort((i, j) => magnitudes[j]! - magnitudes[i]! || i - j)
        .slice(0, count)
        .sort((i, j) => i - j);
      const view = new DataView(buffer);
      const low: number[] = [];
      const ones: number[] = [];
      let next = 0;
      places.forEach((place, j) => {
        view.setFloat32((values >>> 0) + 4 * j, a[place]!, true);
        a[place] = 0;
        const gap = place - next;
        next = place + 1;
        for (let zeros = gap >>> rice; zeros > 0; zeros--) ones.push(0);
        ones.push(1);
        for (let b = 0; b < rice; b++) low.push((gap >>> b) & 1);
      });
      writeBits(buffer, remainders, low);
      return writeBits(buffer, quotients, ones);
    },
    topkCheck(length, count, rice, remainders, quotients, end) {
      return readPlaces(length, count, rice, remainders, quotients, end)?.end ?? 0;
    },
    topkTake(v, count, rice, values, remainders, quotients, end) {
      const { places } = readPlaces(Number.POSITIVE_INFINITY, count, rice, remainders, quotients, end)!;
      const to = floats(buffer, values, count);
      places.forEach((place, j) => {
        const from = floats(buffer, v + 4 * place, 1);
        to[j] = from[0]!;
        from[0] = 0;
      });
    },
    topkAddTo(out, count, rice, values, remainders, quotients, end, factor) {
      const read = readPlaces(Number.POSITIVE_INFINITY, count, rice, remainders, quotients, end)!;
      const view = new DataView(buffer);
      const scale = Math.fround(factor);
      read.places.forEach((place, j) => {
        const value = view.getFloat32((values >>> 0) + 4 * j, true);
        floats(buffer, out + 4 * place, 1)[0]! += Math.fround(scale * value);
      });
    },
  };
}
