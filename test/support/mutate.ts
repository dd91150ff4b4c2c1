/** Bytes that are nearly right. */
import { random } from "../../src/foundation/random.js";

export interface Mutator {
  below(count: number): number;
  /** One of a corpus, changed in one to four places. */
  mutate(corpus: readonly Uint8Array[]): Uint8Array;
}

/** Bytes at which decoders branch: bounds of numbers, quotes and brackets, digits. */
const INTERESTING = [0, 1, 2, 9, 0x22, 0x2c, 0x30, 0x39, 0x5b, 0x7b, 0x7d, 0x7f, 0x80, 0xff];

export function createMutator(seed: number): Mutator {
  const draws = random(seed, "mutate");
  let drawn = 0;
  const below = (count: number): number => Math.floor(draws.uniform(drawn++ >>> 0) * count);

  const change = (bytes: Uint8Array, other: Uint8Array): Uint8Array => {
    const at = below(Math.max(1, bytes.length));
    switch (below(8)) {
      case 0:
        return bytes.slice(0, at);
      case 1:
        return joined(bytes.subarray(0, at), Uint8Array.of(below(256)), bytes.subarray(at));
      case 2:
        return joined(bytes.subarray(0, at), other.subarray(at));
      case 3:
        return joined(bytes.subarray(0, at), bytes.subarray(at + 1));
      case 4:
        return joined(bytes, other.subarray(0, at));
      case 5:
        bytes[at] = INTERESTING[below(INTERESTING.length)]!;
        return bytes;
      case 6:
        bytes[at] = below(256);
        return bytes;
      default:
        bytes[at]! ^= 1 << below(8);
        return bytes;
    }
  };

  return {
    below,
    mutate(corpus) {
      let bytes: Uint8Array = corpus[below(corpus.length)]!.slice();
      for (let turns = 1 + below(4); turns > 0; turns--) bytes = change(bytes, corpus[below(corpus.length)]!);
      return bytes;
    },
  };
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
