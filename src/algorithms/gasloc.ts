import type { AlgorithmKind } from "../algorithm.js";
import { mix } from "./mix.js";

/** γ of the outer momentum. */
const OUTER_MOMENTUM = 0.5;

/**
 * GASLoC: gossip after local steps, with a momentum of the points that the steps lead to; on a complete graph it is DiLoCo.
 * What travels is compressed with error feedback, as DeepSqueeze does it.
 *
 *     y = x + u      q = C(y + δ)      δ ← y + δ − q      x ← y + η Σ_j w_ij (q_j − q) + γ (y − y⁻)
 *
 * @see arXiv 2606.11081: y = θ + ηg, θ⁺ = y − αΛy + γ(y − y_prev), uncompressed
 */
export const gasloc: AlgorithmKind = {
  name: "gasloc",
  vectors: () => 2,
  steps: 1,
  compresses: true,
  sends: "model",
  needs: { graph: "symmetric", everyEdge: false, contraction: true },
  usesRate: true,
  movesMean: true,
  keeps: ["residual", "previous", "hasBegun"],
  create({ model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const residual = space.vector(length);
    const previous = space.vector(length);
    const scalars = { hasBegun: 0 };
    return {
      state: { vectors: { residual, previous }, scalars },
      point: model,
      *round(update, { random }) {
        // x ← y = x + u, δ ← δ + y
        kernels.addThrough(residual.byteOffset, byteOffset, update.byteOffset, length);
        update.set(model);
        if (scalars.hasBegun) {
          kernels.addScaled(byteOffset, update.byteOffset, length, OUTER_MOMENTUM);
          kernels.addScaled(byteOffset, previous.byteOffset, length, -OUTER_MOMENTUM);
        }
        previous.set(update);
        scalars.hasBegun = 1;
        mix(compressor, model, yield compressor.squeeze(residual, random()));
      },
    };
  },
};
