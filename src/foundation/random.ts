/**
 * Counter-based random numbers: draw `index` of stream `(seed, ...key)` is a pure function of those
 * values and of nothing else, so the kernels, the reference and every peer can make the same draw
 * without sharing state.
 *
 * The generator is a 32-bit Weyl sequence through a multiply–xorshift finaliser whose second half of
 * the key enters between the two multiplications. It is meant for sampling and rounding, not for secrets.
 */
export interface Random {
  /** First half of the key, uint32: where the Weyl sequence starts. */
  readonly low: number;
  /** Second half of the key, uint32. */
  readonly high: number;
  /** Draw `index` (0 … 2³² − 1) as a uint32. */
  bits(index: number): number;
  /** Draw `index` as a number in [0, 1) with 24 bits, exact in float32. */
  uniform(index: number): number;
}

/** Step of the Weyl sequence: 2³² divided by the golden ratio, odd. */
export const WEYL = 0x9e3779b9;
export const MULTIPLIER_1 = 0x21f0aaad;
export const MULTIPLIER_2 = 0x735a2d97;

/** Draw `index` of the stream with key (`low`, `high`); the kernels compute the same bits. */
export function drawBits(low: number, high: number, index: number): number {
  let x = (Math.imul(index, WEYL) + low) | 0;
  x = Math.imul(x ^ (x >>> 16), MULTIPLIER_1);
  x = Math.imul(x ^ (x >>> 15) ^ high, MULTIPLIER_2);
  return (x ^ (x >>> 15)) >>> 0;
}

const TWO_TO_MINUS_24 = 2 ** -24;

/**
 * The random stream of a purpose, for example `random(seed, "squeeze", peer, round)`.
 *
 * @param seed any number; its full double value counts
 * @param key what the draws are for: strings and numbers, order matters
 */
export function random(seed: number, ...key: readonly (string | number)[]): Random {
  const hash = hashOf(seed);
  for (const part of key) extend(hash, "|", part);
  return randomFromKey(drawBits(hash.low, hash.high, 1), drawBits(hash.low, hash.high, 2));
}

/** Two independent FNV-1a style passes over the text `type:part|type:part…` of a key, each finished by the mixer above. */
interface Hash {
  low: number;
  high: number;
}

function hashOf(seed: number): Hash {
  const hash = { low: 0x811c9dc5, high: 0x1b873593 };
  extend(hash, "", seed);
  return hash;
}

function extend(hash: Hash, separator: string, part: string | number): void {
  add(hash, separator);
  add(hash, typeof part === "number" ? "number:" : "string:");
  add(hash, typeof part === "number" ? String(part) : part);
}

function add(hash: Hash, text: string): void {
  let { low, high } = hash;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b) ^ (high >>> 13);
  }
  hash.low = low;
  hash.high = high;
}

/** The stream with exactly this key, for example one that arrived inside a payload. */
export function randomFromKey(low: number, high: number): Random {
  return new Stream(low >>> 0, high >>> 0);
}

/** A class, so that a stream is two numbers: each peer makes one a round. */
class Stream implements Random {
  constructor(
    readonly low: number,
    readonly high: number,
  ) {}

  bits(index: number): number {
    return drawBits(this.low, this.high, index);
  }

  uniform(index: number): number {
    return (drawBits(this.low, this.high, index) >>> 8) * TWO_TO_MINUS_24;
  }
}

/** Draw `index` from the normal distribution N(0, 1) (Box–Muller on draws 2·index and 2·index + 1). */
export function normal(stream: Random, index: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - stream.uniform(2 * index)));
  return radius * Math.cos(2 * Math.PI * stream.uniform(2 * index + 1));
}

/** A random order of 0 … length − 1 (Fisher–Yates). */
export function permutation(length: number, stream: Random): number[] {
  const order = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(stream.uniform(i) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
