import type { AlgorithmKind } from "../algorithm.js";
import { exactly } from "./exactly.js";

/** W̃ = (I + W)/2, whose eigenvalues are positive on every graph: D² needs λ_n > −1/3. */
const HALF = 0.5;

/**
 * D², also called exact diffusion: a correction by the rounds before removes what different data do to D-PSGD, so that
 * peers reach the optimum with a constant γ.
 *
 *     φ = x + u + c      m = η/2 Σ_j w_ij (φ_j − φ)      c ← c + m      x ← φ + m
 *
 * The papers write c as x_t − ψ_{t−1} with ψ = x + u, which is the same sum of all m before. That difference takes every
 * rounding of x into c for good, and the optimum is missed by more with every round. The sum takes in differences of
 * peers, which vanish at the optimum.
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
    const correction = space.vector(length);
    return {
      state: { vectors: { correction }, scalars: {} },
      point: model,
      *round(update, { consensusRate }) {
        kernels.add(byteOffset, update.byteOffset, length);
        kernels.add(byteOffset, correction.byteOffset, length);
        const settled = yield exactly(compressor, model);
        for (const { own, theirs, edge } of settled) {
          // φ_j − φ first: what is left of two close numbers has no rounding, and is the same at both ends.
          update.fill(0);
          compressor.addTo(update, own, -1);
          compressor.addTo(update, theirs, 1);
          const share = HALF * consensusRate * edge.weight;
          kernels.addScaled(correction.byteOffset, update.byteOffset, length, share);
          kernels.addScaled(byteOffset, update.byteOffset, length, share);
        }
      },
    };
  },
};
