/** What the block-wise compressors share: which numbers share a scale, and getting foreign bytes into the space. */
import { z } from "zod";
import { MalformedPayload } from "../errors.js";
import type { Layout } from "../layout.js";
import type { Bytes, VectorSpace } from "../vector.js";

/** Settings of every compressor whose scale belongs to a block, a tensor or the whole vector. */
export const scopeSettings = {
  scope: z.enum(["block", "tensor", "whole"]).default("tensor").describe("what shares one scale"),
  block: z
    .int()
    .min(8)
    .max(1 << 24)
    .default(256)
    .describe("numbers per block when scope is block; the last block of a tensor may be shorter"),
};

export type Scope = "block" | "tensor" | "whole";

/** A run of the flat vector, cut into blocks of `block` numbers that share a scale. */
export interface Range {
  readonly offset: number;
  readonly length: number;
  readonly block: number;
}

/** The ranges of a layout. Blocks never straddle two tensors, except that `whole` is one block of everything. */
export function rangesOf(layout: Layout, { scope, block }: { scope: Scope; block: number }): Range[] {
  if (scope === "whole") return [{ offset: 0, length: layout.length, block: layout.length }];
  return layout.tensors.map(({ offset, length }) => ({
    offset,
    length,
    block: scope === "tensor" ? length : Math.min(block, length),
  }));
}

/** How a compressor with these settings is written in names: `block=64`, `tensor` or `whole`. */
export function scopeName({ scope, block }: { scope: Scope; block: number }): string {
  return scope === "block" ? `block=${block}` : scope;
}

/** Brings payloads into the vector space, where kernels can read them. */
export function createStaging(space: VectorSpace, maximumBytes: number): (payload: Uint8Array) => Bytes {
  const staging = space.bytes(maximumBytes);
  return (payload) => {
    if (payload.buffer === space.buffer) return payload as Bytes;
    staging.set(payload);
    return staging.subarray(0, payload.length);
  };
}

/** @throws MalformedPayload unless the payload has exactly this length */
export function requireLength(name: string, payload: Uint8Array, expected: number): void {
  if (payload.length !== expected) {
    throw new MalformedPayload(
      `${name}: payload of ${payload.length} bytes where this model takes ${expected}: sender and receiver disagree about the model or the compressor`,
    );
  }
}

/** @throws MalformedPayload when a scale read from a payload is not finite */
export function requireFinite(name: string, scale: number): void {
  if (!Number.isFinite(scale)) {
    throw new MalformedPayload(
      `${name}: a scale in the payload is ${scale}: the sender's model has diverged`,
    );
  }
}
