/** What all peers of a run must agree on before they exchange anything. */
import { sha256 } from "@noble/hashes/sha2.js";

/** Field → short value or digest, for example `algorithm`, `compressor`, `layout`, `topology`, `seed`. */
export type Fingerprint = Readonly<Record<string, string>>;

/**
 * Most bytes of a list that a fingerprint shows entry by entry, as it lies in a hello. Three such lists leave a hello
 * room for every other field.
 */
export const MAX_LIST_BYTES = 1024;

/** A field on which two fingerprints differ; undefined where a side has no such field. */
export interface Difference {
  readonly field: string;
  readonly ours: string | undefined;
  readonly theirs: string | undefined;
}

/** The fields that differ, in alphabetical order; empty when the runs are the same. */
export function compareFingerprints(ours: Fingerprint, theirs: Fingerprint): Difference[] {
  const fields = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort();
  return fields
    .map((field) => ({ field, ours: value(ours, field), theirs: value(theirs, field) }))
    .filter((difference) => difference.ours !== difference.theirs);
}

/**
 * SHA-256 of a value, as 64 hexadecimal digits: of bytes as they are, of text in UTF-8, and of anything else
 * as JSON with sorted keys, so that the order in which an object was written does not matter.
 */
export function digest(content: unknown): string {
  const bytes =
    content instanceof Uint8Array
      ? content
      : new TextEncoder().encode(typeof content === "string" ? content : canonicalJson(content));
  return Array.from(sha256(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 of a model's float32 numbers in little-endian order: equal digests mean equal models, to the bit. */
export function modelDigest(model: Float32Array): string {
  return digest(new Uint8Array(model.buffer, model.byteOffset, model.byteLength));
}

/**
 * A list as one value: JSON where it is short, so that the first difference can be named, otherwise the number of its
 * entries and their digest. Equal values mean equal lists.
 */
export function listed(entries: readonly string[]): string {
  const text = JSON.stringify(entries);
  // In a hello the value is quoted once more.
  const bytes = new TextEncoder().encode(JSON.stringify(text)).length;
  return bytes <= MAX_LIST_BYTES ? text : `${entries.length} entries, SHA-256 ${digest(entries)}`;
}

/** What is known of a list from its value; undefined where the value is not one of {@link listed}. */
export function readListed(value: string): { count: number; entries?: readonly string[] } | undefined {
  const summary = /^(\d+) entries, SHA-256 [0-9a-f]{64}$/.exec(value);
  if (summary) return { count: Number(summary[1]) };
  if (!value.startsWith("[")) return undefined;
  try {
    const entries: unknown = JSON.parse(value);
    const isList = Array.isArray(entries) && entries.every((entry) => typeof entry === "string");
    return isList ? { count: entries.length, entries } : undefined;
  } catch {
    return undefined;
  }
}

function value(fingerprint: Fingerprint, field: string): string | undefined {
  return Object.hasOwn(fingerprint, field) ? fingerprint[field] : undefined;
}

function canonicalJson(content: unknown): string {
  return JSON.stringify(content, (_key, nested: unknown) =>
    nested !== null && typeof nested === "object" && !Array.isArray(nested)
      ? Object.fromEntries(Object.entries(nested).sort(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}
