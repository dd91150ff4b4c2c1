import type { AlgorithmKind } from "../algorithm.js";
import type { AlgorithmOption } from "../algorithm-option.js";
import { fraction } from "../settings/fraction.js";
import { joinStates } from "../vectors/state.js";

const settings = fraction
  .default(0)
  .describe("β = μ of quasi-global momentum, which takes the place of the optimiser's momentum; 0: none");

/**
 * Quasi-global momentum: the momentum buffer follows how the model really moved, the neighbours' part included, instead
 * of this peer's gradients. Nothing is added to the wire. With u = −γ·g the optimiser's update,
 *
 *     u ← u − γβ m      x⁺ ← A(x, u)      d = (x − x⁺) / γ      m ← μ m + (1 − μ) d      μ = β
 *
 * A round with γ = 0 leaves m as it is. The optimiser should have no momentum of its own.
 *
 * @see Lin, Karimireddy, Stich, Jaggi 2021, “Quasi-Global Momentum: Accelerating Decentralized Deep Learning on
 *   Heterogeneous Data”, Algorithm 1 (QG-DSGDm)
 */
export const quasiGlobalMomentum: AlgorithmOption<typeof settings> = {
  settings,
  apply: (kind, beta) => (beta === 0 ? kind : withMomentum(kind, beta)),
};

const withMomentum = (kind: AlgorithmKind, beta: number): AlgorithmKind => ({
  ...kind,
  vectors: (degree) => kind.vectors(degree) + 2,
  keeps: [...(kind.keeps ?? []).map((name) => `algorithm/${name}`), "momentum/momentum", "momentum/next"],
  create(context) {
    const { space } = context;
    const { kernels } = space;
    const inner = kind.create(context);
    const { point, ...others } = inner;
    const { length } = point;
    const momentum = space.vector(length);
    const before = space.vector(length);
    // The first round whose update has not got its momentum: the last round may exchange again.
    const scalars = { next: 0 };
    return {
      point,
      ...others,
      state: joinStates({ algorithm: inner.state, momentum: { vectors: { momentum }, scalars } }),
      *round(update, round) {
        const { learningRate } = round;
        const isNew = round.round >= scalars.next && learningRate > 0;
        before.set(point);
        if (isNew) kernels.addScaled(update.byteOffset, momentum.byteOffset, length, -learningRate * beta);
        yield* inner.round(update, round);
        if (!isNew) return;
        scalars.next = round.round + 1;
        // x⁺ − x = −γ d
        kernels.subtractFrom(before.byteOffset, point.byteOffset, length);
        kernels.addScaled(momentum.byteOffset, momentum.byteOffset, length, beta - 1);
        kernels.addScaled(momentum.byteOffset, before.byteOffset, length, (beta - 1) / learningRate);
      },
    };
  },
});
