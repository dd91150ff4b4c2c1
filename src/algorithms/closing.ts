/**
 * The closing consensus: after the last learning round, exact exchanges with the rates that make all models equal
 * (`closingRates` in graphs/closing-rates.ts). It takes a large model part by part, each to its consensus before the next, so
 * that a peer never holds its neighbours' whole models.
 */
import type { RoundSteps } from "../algorithm.js";
import type { Compressor } from "../compressor.js";
import { createCompressor } from "../compressors/index.js";
import { createLayout } from "../vectors/layout.js";
import type { Bytes, Vector, VectorSpace } from "../vectors/vector.js";
import { exactly } from "./exactly.js";
import { mix } from "./mix.js";

/** Most numbers of the model that one closing round exchanges: 4 MiB. */
export const MAX_CLOSING_LENGTH = 1 << 20;

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

/** One round of the closing consensus. */
export interface ClosingRound {
  readonly consensusRate: number;
  round(): RoundSteps;
  /** @throws MalformedPayload */
  check(payload: Bytes): void;
  /** ‖v‖ of a payload that `check` accepts. */
  normBound(payload: Bytes): number;
}

/** Every closing round, in their order. */
export function createClosing(
  model: Vector,
  space: VectorSpace,
  closingRates: readonly number[],
): readonly ClosingRound[] {
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
  const rounds: ClosingRound[] = [];
  for (let first = 0; first < model.length; first += MAX_CLOSING_LENGTH) {
    const part = model.subarray(first, first + MAX_CLOSING_LENGTH);
    const { check, normBound } = exactFor(part.length);
    for (const consensusRate of closingRates) {
      rounds.push({
        consensusRate,
        check,
        normBound,
        round: () => exchangeExactly(part, exactFor(part.length)),
      });
    }
  }
  return rounds;
}

function* exchangeExactly(part: Vector, exact: Compressor): RoundSteps {
  mix(exact, part, yield exactly(exact, part));
}
