import type { AlgorithmKind } from "../algorithm.js";
import { addMean } from "./aggregate.js";

/**
 * SGD with error feedback, every peer playing the server: what compression leaves out of an update is added to the next.
 * With the sign compressor it is EF-signSGD.
 *
 *     p = u + e      Δ = C(p)      e ← p − Δ      x ← x + (1/n) Σ_j Δ_j
 *
 * @see Karimireddy et al. 2019, “Error Feedback Fixes SignSGD and other Gradient Compression Schemes”, Algorithm 2
 */
export const efSgd: AlgorithmKind = {
  name: "ef-sgd",
  vectors: () => 1,
  steps: 1,
  compresses: true,
  sends: "update",
  needs: { graph: "complete", everyEdge: true, contraction: true },
  usesRate: false,
  movesMean: true,
  keeps: ["error"],
  create({ id, model, space, compressor }) {
    const error = space.vector(model.length);
    return {
      state: { vectors: { error }, scalars: {} },
      point: model,
      *round(update, { random }) {
        space.kernels.add(error.byteOffset, update.byteOffset, model.length);
        const own = compressor.squeeze(error, random());
        addMean(compressor, model, id, own, yield own);
      },
    };
  },
};
