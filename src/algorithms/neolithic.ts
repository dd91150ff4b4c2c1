import type { AlgorithmKind } from "../algorithm.js";
import { mix } from "./mix.js";

/** R: compressed messages of one round. */
const PASSES = 4;

/**
 * Fast compressed communication, as NEOLITHIC has it, in DeepSqueeze's place: a round sends R messages, each the
 * compression of what the ones before it left out,
 *
 *     q_r = C(v − Σ_{s<r} q_s)      δ ← v − Σ_r q_r      x ← h + η Σ_r Σ_j w_ij (q_jr − q_r)
 *
 * so that a contraction of 1 − α acts as one of (1 − α)^R. R is the knob between bytes and accuracy.
 *
 * @see Huang et al. 2022, “Lower Bounds and Nearly Optimal Algorithms in Distributed Learning with Communication
 *   Compression”, Algorithm 1 (FCC); there the messages are gradients on a complete graph
 */
export const neolithic: AlgorithmKind = {
  name: "neolithic",
  vectors: () => 1,
  steps: PASSES,
  compresses: true,
  sends: "model",
  needs: { graph: "symmetric", everyEdge: false, contraction: true },
  usesRate: true,
  keeps: ["residual"],
  create({ model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const residual = space.vector(length);
    return {
      state: { vectors: { residual }, scalars: {} },
      point: model,
      *round(update, { random }) {
        // x ← x + u, δ ← δ + x
        kernels.addThrough(residual.byteOffset, byteOffset, update.byteOffset, length);
        for (let pass = 0; pass < PASSES; pass++) {
          mix(compressor, model, yield compressor.squeeze(residual, random(pass)));
        }
      },
    };
  },
};
