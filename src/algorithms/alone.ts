import type { AlgorithmKind } from "../algorithm.js";

/** No exchange: every peer trains on its own data only. The lower baseline. */
export const alone: AlgorithmKind = {
  name: "alone",
  vectors: () => 0,
  steps: 0,
  compresses: false,
  sends: "nothing",
  needs: { graph: "directed", everyEdge: false, contraction: false },
  usesRate: false,
  create: ({ model, space: { kernels } }) => ({
    state: { vectors: {}, scalars: {} },
    point: model,
    // biome-ignore lint/correctness/useYield: there is nothing to send
    *round(update) {
      kernels.add(model.byteOffset, update.byteOffset, model.length);
    },
  }),
};
