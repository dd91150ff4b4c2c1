import type { AlgorithmKind } from "../algorithm.js";
import { addMean } from "./aggregate.js";

/**
 * Compressed SGD (QSGD and its kind): compressed updates without error feedback, every peer playing the server. It converges with unbiased
 * compressors; with others it goes wrong, which is what error feedback is compared with.
 *
 *     x ← x + (1/n) Σ_j C(u_j)
 *
 * @see Alistarh et al. 2017, “QSGD: Communication-Efficient SGD via Gradient Quantization and Encoding”, Algorithm 1
 */
export const csgd: AlgorithmKind = {
  name: "csgd",
  vectors: () => 0,
  steps: 1,
  compresses: true,
  sends: "update",
  needs: { graph: "complete", everyEdge: true, contraction: false },
  usesRate: false,
  movesMean: true,
  create: ({ id, model, compressor }) => ({
    state: { vectors: {}, scalars: {} },
    point: model,
    *round(update, { random }) {
      const own = compressor.squeeze(update, random());
      addMean(compressor, model, id, own, yield own);
    },
  }),
};
