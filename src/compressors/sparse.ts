/** The largest numbers of every range, or those with the largest keys: what the compressors share that send these, each in its own way. */
import type { Compressor, CompressorKind } from "../compressor.js";
import type { Random } from "../foundation/random.js";
import { createLayout, type Layout } from "../vectors/layout.js";
import type { Bytes, Vector, VectorSpace } from "../vectors/vector.js";
import { createStaging, type Range, requireCodes, requireLengthWithin } from "./ranges.js";

/** Counting room of the selection, in bytes: 2¹⁶ counters. */
const TABLE_BYTES = 4 << 16;

/** Room for headers, one number of every range at least, and places in memory. */
const ROOM_BYTES = 1 << 12;

/** −ln(φ − 1), φ the golden ratio: where the Rice code of one parameter becomes as short as the next's. */
const RICE_BOUNDARY = 0.4812;

/**
 * The Golomb–Rice parameter for the gaps of `count` among `length`: the least r with 2^r ≥ 0.4812 / −ln(1 − p),
 * p = count / length, where 1/p − ½ stands for 1 / −ln(1 − p). Within a few hundredths of a bit of the entropy.
 *
 * @see Kiely 2004, “Selecting the Golomb Parameter in Rice Coding”
 */
function riceParameter(count: number, length: number): number {
  let parameter = 0;
  while (2 ** parameter < RICE_BOUNDARY * (length / count - 0.5)) parameter++;
  return parameter;
}

/** A range, and where its values and remainders are: offsets into those of all ranges. */
interface Part {
  readonly offset: number;
  readonly length: number;
  /** k. */
  readonly count: number;
  /** The Golomb–Rice parameter of its gaps. */
  readonly rice: number;
  readonly first: number;
  readonly remainders: number;
  /** Most bytes of its quotients. */
  readonly most: number;
}

/** How payloads are laid out: the parts, then sums over all of them, in values and in bytes. */
function layOut(ranges: readonly Range[], countOf: (length: number) => number) {
  let values = 0;
  let remainderBytes = 0;
  let fewestQuotientBytes = 0;
  let mostQuotientBytes = 0;
  const parts = ranges.map(({ offset, length }): Part => {
    const count = countOf(length);
    const rice = riceParameter(count, length);
    // Every quotient takes a bit and one more for each 2^rice numbers skipped, of which there are
    // none at best and length − count in one gap at worst.
    const most = Math.ceil((count + Math.floor((length - count) / 2 ** rice)) / 8);
    const part = { offset, length, count, rice, first: values, remainders: remainderBytes, most };
    values += count;
    remainderBytes += Math.ceil((count * rice) / 8);
    fewestQuotientBytes += Math.ceil(count / 8);
    mostQuotientBytes += most;
    return part;
  });
  return { parts, values, remainderBytes, fewestQuotientBytes, mostQuotientBytes };
}

/** Most bytes it works in: the table, the numbers kept and their payload before it has places; all, where a count is given. */
export function sparseBytes(
  { ratio, count }: { ratio: number; count?: number | undefined },
  { length }: Layout,
): number {
  return TABLE_BYTES + ROOM_BYTES + 8 * Math.ceil(length * (count === undefined ? ratio : 1));
}

/** What makes one of these compressors. */
export interface SparseOptions {
  /** @param values what compresses the numbers kept */
  readonly name: (values: Compressor) => string;
  readonly space: VectorSpace;
  readonly ranges: readonly Range[];
  /** k of a range of this many numbers, from 1 to all of them. */
  readonly countOf: (length: number) => number;
  /** What the numbers are chosen by, of the layout's length; may be overwritten. Their own magnitudes where left out. */
  readonly keys?: (vector: Vector, random: Random) => Vector;
  /** Compresses the numbers kept, of every range a tensor of its own. Its payloads have one length. */
  readonly values: (context: Parameters<CompressorKind["create"]>[1]) => Compressor;
  /** α of a range of n numbers of which k are kept. */
  readonly contractionOf: (count: number, length: number, values: Compressor) => number;
}

/**
 * C(v) = the k numbers of largest magnitude of each range, of equals the first, as another compressor gives them back;
 * 0 elsewhere.
 *
 * Payload: that compressor's, then the low bits of every range's gaps in Golomb–Rice code, then their high bits, each
 * range's from a byte of its own.
 */
export function createSparse(options: SparseOptions): Compressor {
  const { space, ranges, countOf, contractionOf } = options;
  const { kernels } = space;
  const { parts, values: count, ...sizes } = layOut(ranges, countOf);
  const layout = createLayout(parts.map(({ count }, k) => ({ name: `range ${k}`, shape: [count] })));
  const inner = options.values({ layout, space });
  const name = options.name(inner);
  const remaindersStart = inner.maximumPayloadBytes;
  const quotientsStart = remaindersStart + sizes.remainderBytes;
  const minimum = quotientsStart + sizes.fewestQuotientBytes;
  const maximum = quotientsStart + sizes.mostQuotientBytes;
  const values = space.vector(count);
  const payload = space.bytes(maximum);
  const table = space.bytes(TABLE_BYTES).byteOffset;
  /** Where the quotients of every range of a checked payload begin. */
  const starts = new Uint32Array(parts.length);
  const stage = createStaging(space, maximum);
  const valuesOf = (bytes: Bytes): Bytes => bytes.subarray(0, remaindersStart);

  /** Leaves in `starts` where each range's quotients begin. @returns the payload in the space */
  const check = (received: Uint8Array): Bytes => {
    requireLengthWithin(name, received, minimum, maximum);
    const bytes = stage(received);
    inner.check(valuesOf(bytes));
    const end = bytes.byteOffset + received.length;
    let quotients = bytes.byteOffset + quotientsStart;
    parts.forEach(({ length, count, rice, remainders, most }, s) => {
      starts[s] = quotients;
      const low = bytes.byteOffset + remaindersStart + remainders;
      const last = Math.min(end, quotients + most);
      quotients = kernels.topkCheck(length, count, rice, low, quotients, last) >>> 0;
      requireCodes(name, quotients);
    });
    requireCodes(name, quotients === end);
    return bytes;
  };

  /** Adds what is in `values` to the places that a payload names. */
  const scatter = (target: number, bytes: Bytes): void => {
    const end = bytes.byteOffset + bytes.length;
    parts.forEach(({ offset, count, rice, first, remainders }, s) => {
      const low = bytes.byteOffset + remaindersStart + remainders;
      const from = values.byteOffset + 4 * first;
      kernels.topkAddTo(target + 4 * offset, count, rice, from, low, starts[s]!, end, 1);
    });
  };

  /** Moves the numbers at the places that a payload names to `values`, and leaves zeros. */
  const take = (source: number, bytes: Bytes): void => {
    const end = bytes.byteOffset + bytes.length;
    parts.forEach(({ offset, count, rice, first, remainders }, s) => {
      const low = bytes.byteOffset + remaindersStart + remainders;
      const to = values.byteOffset + 4 * first;
      kernels.topkTake(source + 4 * offset, count, rice, to, low, starts[s]!, end);
    });
  };

  return {
    name,
    contraction: Math.min(1, ...parts.map(({ count, length }) => contractionOf(count, length, inner))),
    minimumPayloadBytes: minimum,
    maximumPayloadBytes: maximum,
    squeeze(vector, random) {
      const bytes = payload.byteOffset;
      const chosenBy = options.keys?.(vector, random) ?? vector;
      let quotients = bytes + quotientsStart;
      parts.forEach(({ offset, length, count, rice, first, remainders }, s) => {
        starts[s] = quotients;
        const v = chosenBy.byteOffset + 4 * offset;
        const low = bytes + remaindersStart + remainders;
        const kept = values.byteOffset + 4 * first;
        quotients = kernels.topkSqueeze(v, length, count, rice, kept, low, quotients, table) >>> 0;
      });
      if (chosenBy !== vector) take(vector.byteOffset, payload.subarray(0, quotients - bytes));
      payload.set(inner.squeeze(values, random));
      const sent = payload.subarray(0, quotients - bytes);
      // Of numbers that are sent as they are, nothing is left.
      if (inner.contraction < 1) scatter(vector.byteOffset, sent);
      return sent;
    },
    check,
    normBound: (received) => inner.normBound(received.subarray(0, remaindersStart)),
    addTo(out, received, scale) {
      const bytes = check(received);
      values.fill(0);
      inner.addTo(values, valuesOf(bytes), scale);
      scatter(out.byteOffset, bytes);
    },
  };
}
