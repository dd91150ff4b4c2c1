import type { AlgorithmKind } from "../algorithm.js";
import { addMean } from "./aggregate.js";
import { exactly } from "./exactly.js";

/**
 * All-reduce, the reference of everything that compresses or gossips: on a complete graph every peer takes the exact mean
 * of all models after their updates. The models stay equal to the bit.
 *
 *     x ← (1/n) Σ_j (x_j + u_j)
 */
export const allReduce: AlgorithmKind = {
  name: "all-reduce",
  vectors: () => 0,
  steps: 1,
  compresses: false,
  sends: "model",
  needs: { graph: "complete", everyEdge: true, contraction: false },
  usesRate: false,
  create: ({ id, model, space: { kernels }, compressor }) => ({
    state: { vectors: {}, scalars: {} },
    point: model,
    *round(update) {
      kernels.add(model.byteOffset, update.byteOffset, model.length);
      const own = exactly(compressor, model);
      const settled = yield own;
      model.fill(0);
      addMean(compressor, model, id, own, settled);
    },
  }),
};
