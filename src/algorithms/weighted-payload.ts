import type { Compressor } from "../compressor.js";
import { MalformedPayload } from "../foundation/errors.js";
import type { Bytes, Vector, VectorSpace } from "../vectors/vector.js";
import { exactly } from "./exactly.js";

/** The weight, float64, that follows the numbers. */
export const WEIGHT_BYTES = 8;
/** Weights sum to the number of peers. */
const MAX_WEIGHT = 2 ** 20;

/** A whole model with a weight: float32 numbers, then one float64. */
export interface WeightedPayload {
  encode(model: Vector, weight: number): Bytes;
  /** @throws MalformedPayload */
  check(payload: Bytes): void;
  /** An upper bound of the numbers' norm, of a payload that `check` accepts. */
  normBound(payload: Bytes): number;
  /** out += scale · model. @returns scale · weight */
  addTo(out: Vector, payload: Bytes, scale: number): number;
}

/** @param exact reads and checks the numbers: identity */
export function createWeightedPayload(
  length: number,
  space: VectorSpace,
  exact: Compressor,
): WeightedPayload {
  const end = 4 * length;
  const own = space.bytes(end + WEIGHT_BYTES);
  const weightOf = ({ buffer, byteOffset }: Bytes) =>
    new DataView(buffer, byteOffset + end).getFloat64(0, true);
  return {
    encode(model, weight) {
      own.set(exactly(exact, model));
      new DataView(own.buffer, own.byteOffset + end).setFloat64(0, weight, true);
      return own;
    },
    check(payload) {
      exact.check(payload.subarray(0, end));
      const weight = payload.length === own.length ? weightOf(payload) : Number.NaN;
      if (weight > 0 && weight <= MAX_WEIGHT) return;
      throw new MalformedPayload(
        `payload of ${payload.length} bytes with weight ${weight}: this model takes ${own.length} bytes and a weight from 0 to ${MAX_WEIGHT}`,
        { code: "weighted-payload" },
      );
    },
    normBound: (payload) => exact.normBound(payload.subarray(0, end)),
    addTo(out, payload, scale) {
      exact.addTo(out, payload.subarray(0, end), scale);
      return scale * weightOf(payload);
    },
  };
}
