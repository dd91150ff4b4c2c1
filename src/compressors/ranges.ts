/** What the compressors share: which numbers belong together, and getting received bytes into the space. */
import { z } from "zod";
import { MalformedPayload } from "../foundation/errors.js";
import type { Layout } from "../vectors/layout.js";
import { ALIGNMENT, type Bytes, type VectorSpace } from "../vectors/vector.js";

export type Scope = "block" | "tensor" | "whole";

/** Settings of every compressor whose scale belongs to a block, a tensor or the whole vector. */
export function scopeSettings(defaults: { scope: Scope; block: number }) {
  return {
    scope: z.enum(["block", "tensor", "whole"]).default(defaults.scope).describe("granularity of the scale"),
    block: z
      .int()
      .min(8)
      .max(1 << 24)
      .default(defaults.block)
      .describe("numbers per block when scope is block; the last block of a tensor may be shorter"),
  };
}

/** Settings of the compressors that keep a share of the numbers. */
export function shareSettings(defaultRatio: number) {
  return {
    ratio: z
      .number()
      .gt(0)
      .max(1)
      .default(defaultRatio)
      .describe("share of the numbers to send; at least one per range is sent"),
    scope: z.enum(["tensor", "whole"]).default("tensor").describe("what the share is taken of"),
  };
}

/** Settings of the compressors that keep a share or a count of the numbers, of blocks too. */
export function blockShareSettings(defaults: { ratio: number; block: number }) {
  return {
    ...shareSettings(defaults.ratio),
    count: z
      .int()
      .min(1)
      .optional()
      .describe("numbers to send of each range, instead of a share; all of a shorter range"),
    ...scopeSettings({ scope: "tensor", block: defaults.block }),
  };
}

/** k of a range of `length` numbers. */
export function keptOf(
  length: number,
  { ratio, count }: { ratio: number; count?: number | undefined },
): number {
  return Math.min(length, count ?? Math.max(1, Math.floor(ratio * length)));
}

/** A share or a count as names have it. */
export function shareName({ ratio, count }: { ratio: number; count?: number | undefined }): string {
  return count === undefined ? String(ratio) : `k=${count}`;
}

/** A run of the flat vector, cut into blocks of `block` numbers that share a scale. */
export interface Range {
  readonly offset: number;
  readonly length: number;
  readonly block: number;
}

/** A range whose part of the payload begins at byte `start`. */
export interface Section extends Range {
  readonly start: number;
  /** Bytes of that part. */
  readonly bytes: number;
  /** Count of blocks; the last may be shorter. */
  readonly blocks: number;
}

/** The ranges of a layout. Blocks never straddle two tensors, except that `whole` is one block of everything. */
export function rangesOf(layout: Layout, { scope, block }: { scope: Scope; block?: number }): Range[] {
  const ranges = scope === "whole" ? [{ offset: 0, length: layout.length }] : layout.tensors;
  return ranges
    .filter(({ length }) => length > 0)
    .map(({ offset, length }) => ({
      offset,
      length,
      block: scope === "block" ? Math.min(block ?? length, length) : length,
    }));
}

/** The ranges of a layout, and every block separately in `block` scope. */
export function blockRangesOf(layout: Layout, scope: { scope: Scope; block?: number }): Range[] {
  return rangesOf(layout, scope).flatMap(({ offset, length, block }) =>
    Array.from({ length: Math.ceil(length / block) }, (_, b): Range => {
      const count = Math.min(block, length - b * block);
      return { offset: offset + b * block, length: count, block: count };
    }),
  );
}

/**
 * Lays the payload out: range after range, each with `bytesOf(n)` bytes for every block of n numbers.
 *
 * @returns where each range's part begins, the payload's length in bytes, and the longest block
 */
export function sectionsOf(ranges: readonly Range[], bytesOf: (count: number) => number) {
  let end = 0;
  const sections = ranges.map((range): Section => {
    const start = end;
    const rest = range.length % range.block;
    const bytes = Math.floor(range.length / range.block) * bytesOf(range.block) + (rest ? bytesOf(rest) : 0);
    end += bytes;
    const { offset, length, block } = range;
    return { offset, length, block, start, bytes, blocks: Math.ceil(length / block) };
  });
  return { sections, end, longestBlock: Math.max(1, ...ranges.map(({ block }) => block)) };
}

/** How a compressor with these settings is written in names: `block=256`, `tensor` or `whole`. */
export function scopeName({ scope, block }: { scope: Scope; block?: number }): string {
  return scope === "block" ? `block=${block}` : scope;
}

/** Brings payloads into the vector space, where kernels can read them. */
export function createStaging(space: VectorSpace, maximumBytes: number): (payload: Uint8Array) => Bytes {
  const staging = space.bytes(maximumBytes);
  let staged = staging;
  return (payload) => {
    if (payload.buffer === space.buffer) return payload as Bytes;
    staging.set(payload);
    if (staged.length !== payload.length) staged = staging.subarray(0, payload.length);
    return staged;
  };
}

/** Bytes of a received payload that are in the vector space at a time, where it is read in pieces: a share of a near cache. */
const PIECE_BYTES = 1 << 18;

/** Bytes of a space that `createPieces` takes. */
export const piecesBytes = (count: number, itemBytes: number): number =>
  Math.min(count * itemBytes, PIECE_BYTES) + ALIGNMENT;

/**
 * Brings payloads of `count` items into the vector space piece by piece, so that there need be no room for all of one.
 *
 * @returns calls `visit` with the address of every piece, the index of its first item and how many it has
 */
export function createPieces(space: VectorSpace, count: number, itemBytes: number) {
  const end = count * itemBytes;
  const stage = createStaging(space, Math.min(end, PIECE_BYTES));
  return (payload: Uint8Array, visit: (pointer: number, first: number, count: number) => void): void => {
    const step = payload.buffer === space.buffer ? Math.max(end, 1) : PIECE_BYTES;
    for (let byte = 0; byte < end; byte += step) {
      const piece = stage(payload.subarray(byte, byte + step));
      visit(piece.byteOffset, byte / itemBytes, piece.length / itemBytes);
    }
  };
}

/** @throws MalformedPayload unless the payload has exactly this length */
export function requireLength(name: string, payload: Uint8Array, expected: number): void {
  if (payload.length !== expected) {
    throw new MalformedPayload(
      `${name}: payload of ${payload.length} bytes instead of ${expected}: sender and receiver disagree about the model or the compressor`,
      { code: "payload-length" },
    );
  }
}

/** @throws MalformedPayload unless the payload has a length between these, both included */
export function requireLengthWithin(
  name: string,
  payload: Uint8Array,
  minimum: number,
  maximum: number,
): void {
  if (minimum === maximum) requireLength(name, payload, minimum);
  if (payload.length < minimum || payload.length > maximum) {
    throw new MalformedPayload(
      `${name}: payload of ${payload.length} bytes instead of ${minimum} to ${maximum}: sender and receiver disagree about the model or the compressor`,
      { code: "payload-length" },
    );
  }
}

/** @throws MalformedPayload unless the numbers in a payload are finite */
export function requireFinite(name: string, finite: boolean | number): void {
  if (!finite) {
    throw new MalformedPayload(
      `${name}: the payload has a value that is not finite: the sender's model has diverged`,
      { code: "payload-not-finite" },
    );
  }
}

/** @throws MalformedPayload unless the codes in a payload are such as this compressor writes */
export function requireCodes(name: string, wellFormed: boolean | number): void {
  if (!wellFormed) {
    throw new MalformedPayload(
      `${name}: the payload has codes that this compressor never writes: it was damaged in transit, or sender and receiver disagree about the model`,
      { code: "payload-codes" },
    );
  }
}
