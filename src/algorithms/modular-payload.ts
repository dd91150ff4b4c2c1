import { MalformedPayload } from "../foundation/errors.js";
import type { Bytes, Vector, VectorSpace } from "../vectors/vector.js";

/** Bits of a number, and L, the residues that they distinguish. */
const BITS = 4;
const LEVELS = 2 ** BITS;
/** Numbers that share a step and a checksum. */
export const MODULAR_BLOCK = 128;
/** Before the residues of a block: its step, float32, and the checksum of its whole numbers, uint32. */
const HEADER_BYTES = 8;
/** s: how much further than seen last time a neighbour's number may be. */
const SAFETY = 1.2;
/** A step is no smaller than this share of the block's largest number, so that whole numbers are exact in float32. */
const SMALLEST_STEP = 2 ** -22;
/** Of a block of zeros. */
const SMALLEST = 2 ** -100;
/** What a range that was too small is multiplied by. */
const WIDENED = 4;
/** What a range that was too small is at least taken for, and at most widened to, whatever a neighbour says. */
const SMALLEST_RANGE = 1e-6;
const LARGEST_RANGE = 1e6;

/**
 * Numbers modulo a range. A block of x is sent as M = round(x/Δ) modulo L, and its receiver takes, of all numbers with that
 * residue, the one next to its own. That is M if the two differ by less than the range, (L/2 − 1)Δ; a checksum of the whole
 * numbers shows it.
 */
export interface ModularPayload {
  readonly bytes: number;
  readonly blocks: number;
  /** @param ranges of every block: how far a neighbour's numbers may be from these */
  encode(vector: Vector, ranges: Vector): Bytes;
  /** @throws MalformedPayload */
  check(payload: Uint8Array): void;
  /** @throws MalformedPayload anything but a 0 or a 1 for every block */
  checkVerdicts(payload: Uint8Array): void;
  /**
   * Leaves in `out` what was encoded near `reference`, and in `understood` 1 for every block for which that is possible and 0
   * for the others, whose numbers then mean nothing.
   */
  decode(payload: Uint8Array, reference: Vector, out: Vector, understood: Bytes): void;
  /** How many numbers a block has: `MODULAR_BLOCK`, and the last one the rest. */
  countOf(block: number): number;
}

export function createModularPayload(length: number, space: VectorSpace): ModularPayload {
  const blocks = Math.ceil(length / MODULAR_BLOCK);
  const blockBytes = (count: number) => HEADER_BYTES + Math.ceil((count * BITS) / 8);
  const startOf = (block: number) => block * blockBytes(MODULAR_BLOCK);
  const endOf = (block: number) => Math.min(length, (block + 1) * MODULAR_BLOCK);
  const countOf = (block: number) => endOf(block) - block * MODULAR_BLOCK;
  const end = startOf(blocks - 1) + blockBytes(countOf(blocks - 1));
  const own = space.bytes(end);
  const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) =>
    new DataView(buffer, byteOffset, byteLength);
  /** Δ of a block of numbers from which others may be as far as its range. */
  const stepOf = (vector: Vector, block: number, range: number): number => {
    let largest = 0;
    for (let k = block * MODULAR_BLOCK; k < endOf(block); k++)
      largest = Math.max(largest, Math.abs(vector[k]!));
    const step = Math.max((2 * SAFETY * range) / (LEVELS - 2), SMALLEST_STEP * largest, SMALLEST);
    return Math.fround(step);
  };

  return {
    bytes: end,
    blocks,
    encode(vector, ranges) {
      const view = viewOf(own.fill(0));
      for (let block = 0; block < blocks; block++) {
        const first = block * MODULAR_BLOCK;
        const start = startOf(block);
        const step = stepOf(vector, block, ranges[block]!);
        let sum = CHECKSUM;
        for (let k = first; k < endOf(block); k++) {
          const whole = Math.round(vector[k]! / step);
          sum = checksum(sum, whole);
          own[start + HEADER_BYTES + ((k - first) >> 1)]! |= (whole & (LEVELS - 1)) << (BITS * (k & 1));
        }
        view.setFloat32(start, step, true);
        view.setUint32(start + 4, sum, true);
      }
      return own;
    },

    check(payload) {
      const view = viewOf(payload);
      for (let block = 0; block < blocks; block++) {
        const step = payload.length === end ? view.getFloat32(startOf(block), true) : Number.NaN;
        if (step > 0 && step < Number.POSITIVE_INFINITY) continue;
        throw new MalformedPayload(
          `payload of ${payload.length} bytes with a step of ${step} in block ${block}: this model takes ${end} bytes and steps above 0`,
          { code: "modular-payload" },
        );
      }
    },

    checkVerdicts(payload) {
      if (payload.length === blocks && payload.every((byte) => byte <= 1)) return;
      throw new MalformedPayload(
        `${payload.length} bytes of verdicts on blocks: this model takes ${blocks}, each of them 0 or 1`,
        { code: "modular-verdicts" },
      );
    },

    decode(payload, reference, out, understood) {
      const view = viewOf(payload);
      for (let block = 0; block < blocks; block++) {
        const first = block * MODULAR_BLOCK;
        const start = startOf(block);
        const step = view.getFloat32(start, true);
        let sum = CHECKSUM;
        for (let k = first; k < endOf(block); k++) {
          const residue =
            (payload[start + HEADER_BYTES + ((k - first) >> 1)]! >> (BITS * (k & 1))) & (LEVELS - 1);
          const near = Math.round(reference[k]! / step);
          const whole = near + (((residue - near + LEVELS / 2) & (LEVELS - 1)) - LEVELS / 2);
          sum = checksum(sum, whole);
          out[k] = whole * step;
        }
        understood[block] = sum === view.getUint32(start + 4, true) ? 1 : 0;
      }
    },

    countOf,
  };
}

/** The range of a block that a neighbour did not understand. */
export function widened(range: number): number {
  return Math.min(WIDENED * Math.max(range, SMALLEST_RANGE), LARGEST_RANGE);
}

/** max_k |a_k − b_k| of some numbers. */
export function furthest(a: Vector, b: Vector, first: number, count: number): number {
  let most = 0;
  for (let k = first; k < first + count; k++) most = Math.max(most, Math.abs(a[k]! - b[k]!));
  return most;
}

const CHECKSUM = 2166136261;
/** FNV-1a over whole numbers instead of bytes, with a shift that also carries high bits down. */
const checksum = (sum: number, whole: number): number => {
  const mixed = Math.imul(sum ^ whole, 16777619);
  return (mixed ^ (mixed >>> 15)) >>> 0;
};
