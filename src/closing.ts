/**
 * The closing consensus: after the last learning round, exact exchanges with the rates that make all models equal
 * (`closingRates` in mixing.ts). It takes a large model part by part, each to its consensus before the next, so
 * that a peer never holds its neighbours' whole models.
 */
import type { Algorithm } from "./algorithm.js";
import { dpsgd } from "./algorithms/dpsgd.js";
import type { Compressor } from "./compressor.js";
import { createCompressor } from "./compressors/index.js";
import { createLayout } from "./layout.js";
import type { Vector, VectorSpace } from "./vector.js";

/** Most numbers of the model that one closing round exchanges: 4 MiB. */
export const MAX_CLOSING_LENGTH = 1 << 20;

/** Who does an exchange, and how far it moves the model. */
export interface Exchange {
  readonly algorithm: Algorithm;
  readonly compressor: Compressor;
  /** η */
  readonly consensusRate: number;
}

/** Rounds of a whole run of a model of `length` numbers: those that learn, and the closing ones. */
export function totalRounds(
  { rounds, closingRates }: { readonly rounds: number; readonly closingRates: readonly number[] },
  length: number,
): number {
  return rounds + Math.ceil(length / MAX_CLOSING_LENGTH) * closingRates.length;
}

/** Bytes of the largest payload of a closing round. */
export function closingPayloadBytes(length: number): number {
  return 4 * Math.min(length, MAX_CLOSING_LENGTH);
}

/** The exchange of every closing round, in their order. */
export function createClosing(
  model: Vector,
  space: VectorSpace,
  closingRates: readonly number[],
): readonly Exchange[] {
  if (closingRates.length === 0) return [];
  const compressors = new Map<number, Compressor>();
  const exactFor = (length: number): Compressor => {
    let exact = compressors.get(length);
    if (!exact) {
      const layout = createLayout([{ name: "part", shape: [length] }]);
      exact = createCompressor({ kind: "identity" }, { layout, space });
      compressors.set(length, exact);
    }
    return exact;
  };
  const rounds: Exchange[] = [];
  for (let first = 0; first < model.length; first += MAX_CLOSING_LENGTH) {
    const part = model.subarray(first, first + MAX_CLOSING_LENGTH);
    const compressor = exactFor(part.length);
    const algorithm = dpsgd.create({ model: part, space, compressor });
    for (const consensusRate of closingRates) rounds.push({ algorithm, compressor, consensusRate });
  }
  return rounds;
}
