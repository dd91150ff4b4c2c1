import type { AlgorithmKind } from "../algorithm.js";
import { exactly } from "./exactly.js";
import { addDisagreement } from "./mix.js";

/** W̃ = (I + W)/2, whose eigenvalues are positive on every graph: D² needs λ_n > −1/3. */
const HALF = 0.5;

/**
 * D², also called exact diffusion: a correction by the round before removes what different data do to D-PSGD, so that
 * peers reach the optimum with a constant γ.
 *
 *     ψ_t = x_t + u_t      φ_t = ψ_t + x_t − ψ_{t−1}      x_{t+1} = (I − η(I − W)/2) φ_t      ψ_{−1} = x_0
 *
 * The correction supposes the same W in every round.
 *
 * @see Tang et al. 2018, “D²: Decentralized Training over Decentralized Data”, Algorithm 1; Yuan et al. 2018, “Exact
 *   Diffusion for Distributed Optimization and Learning”
 */
export const d2: AlgorithmKind = {
  name: "d2",
  vectors: () => 1,
  steps: 1,
  compresses: false,
  sends: "model",
  needs: { graph: "symmetric", everyEdge: true, contraction: false },
  usesRate: true,
  create({ model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const previous = space.vector(length);
    const scalars = { hasBegun: 0 };
    return {
      state: { vectors: { previous }, scalars },
      point: model,
      *round(update, { consensusRate }) {
        if (!scalars.hasBegun) previous.set(model);
        scalars.hasBegun = 1;
        // ψ⁻ ← x − ψ⁻, u ← ψ = u + x, x ← φ
        kernels.subtractFrom(previous.byteOffset, byteOffset, length);
        kernels.add(update.byteOffset, byteOffset, length);
        model.set(update);
        kernels.add(byteOffset, previous.byteOffset, length);
        previous.set(update);
        addDisagreement(compressor, model, yield exactly(compressor, model), HALF * consensusRate);
      },
    };
  },
};
