import type { AlgorithmKind } from "../algorithm.js";
import { addMean } from "./aggregate.js";

/** α: how much of the error is compensated at once. */
const ALPHA = 0.2;
/** β: how much of an error that was not compensated is remembered. */
const BETA = 0.9;

/**
 * Error-compensated quantised SGD, every peer playing the server: EF-SGD with a damped memory, which keeps the error of a
 * compressor that is no contraction from growing. α = β = 1 is EF-SGD.
 *
 *     Δ = C(u + αh)      h ← βh + (u − Δ)      x ← x + (1/n) Σ_j Δ_j
 *
 * @see Wu et al. 2018, “Error Compensated Quantized SGD and its Applications to Large-scale Distributed Optimization”,
 *   Algorithm 1
 */
export const ecqSgd: AlgorithmKind = {
  name: "ecq-sgd",
  vectors: () => 1,
  steps: 1,
  compresses: true,
  sends: "update",
  needs: { graph: "complete", everyEdge: true, contraction: false },
  usesRate: false,
  movesMean: true,
  keeps: ["error"],
  create({ id, model, space, compressor }) {
    const { kernels } = space;
    const { length } = model;
    const error = space.vector(length);
    return {
      state: { vectors: { error }, scalars: {} },
      point: model,
      *round(update, { random }) {
        kernels.addScaled(update.byteOffset, error.byteOffset, length, ALPHA);
        const own = compressor.squeeze(update, random());
        // What is left is u + αh − Δ: h ← (β − α)h + it.
        kernels.addScaled(error.byteOffset, error.byteOffset, length, BETA - ALPHA - 1);
        kernels.add(error.byteOffset, update.byteOffset, length);
        addMean(compressor, model, id, own, yield own);
      },
    };
  },
};
