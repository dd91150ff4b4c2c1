import type { Compressor } from "../compressor.js";
import type { Settled } from "../exchange/ledger.js";
import type { Random } from "../foundation/random.js";
import type { Bytes, Vector, VectorSpace } from "../vectors/vector.js";
import { mix } from "./mix.js";

/**
 * A vector that neighbours know a compressed copy v̂ of, as CHOCO has it, and what is known of theirs: s = Σ_j w_ij (v̂_j − v̂).
 * Supposes the same weights in every round, and no exchange left out.
 */
export interface PublicCopy {
  readonly copy: Vector;
  readonly disagreement: Vector;
  /** q = C(v − v̂), v̂ ← v̂ + q. @param scratch is overwritten */
  squeeze(vector: Vector, scratch: Vector, random: Random): Bytes;
  /** s ← s + Σ_j w_ij (q_j − q) */
  settle(settled: readonly Settled[]): void;
}

export function createPublicCopy(length: number, space: VectorSpace, compressor: Compressor): PublicCopy {
  const { kernels } = space;
  const copy = space.vector(length);
  const disagreement = space.vector(length);
  return {
    copy,
    disagreement,
    squeeze(vector, scratch, random) {
      scratch.set(copy);
      kernels.subtractFrom(scratch.byteOffset, vector.byteOffset, length);
      const payload = compressor.squeeze(scratch, random);
      compressor.addTo(copy, payload, 1);
      return payload;
    },
    settle(settled) {
      mix(
        compressor,
        disagreement,
        settled.map((pair) => ({ ...pair, rate: 1 })),
      );
    },
  };
}
